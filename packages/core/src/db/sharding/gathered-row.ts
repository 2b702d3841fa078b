import type { Row } from '../api.js';
import { type ColumnValue, orderOf } from './column-order.js';
import { ScatterMergeError } from './errors.js';
import type { OrderTerm } from './scatter-plan.js';
import { keyColumn } from './scatter-statement.js';

/** One row of one shard, or of several that have become one. */
export interface GatheredRow {
  readonly row: Row;
  /** By column, what it is compared and merged by. */
  readonly values: ReadonlyMap<string, ColumnValue>;
  /** What rows have in common that become one. */
  readonly group: string | undefined;
}

/** Takes the key out of a row that a shard has sent. */
export function gatherRow({ [keyColumn]: key, ...row }: Row, columns: readonly string[]): GatheredRow {
  const parts = JSON.parse(String(key)) as readonly (number | string | null)[];
  const values = new Map<string, ColumnValue>();
  for (const [index, column] of columns.entries()) {
    values.set(column, { type: parts[2 * index] as number, text: parts[2 * index + 1] as string | null });
  }
  return { row, values, group: parts[2 * columns.length] as string | undefined };
}

/** Compares rows as the servers order them. */
export function rowOrder(order: readonly OrderTerm[]): (a: GatheredRow, b: GatheredRow) => number {
  return (a, b) => {
    for (const term of order) {
      const found = compareBy(term, a, b);
      if (found !== 0) return found;
    }
    return 0;
  };
}

function compareBy(term: OrderTerm, a: GatheredRow, b: GatheredRow): number {
  const { column, collate, compare, isDescending, nullsFirst } = term;
  const [x, y] = [valueIn(a, column), valueIn(b, column)];
  if (x.text === null || y.text === null) {
    if (x.text === y.text) return 0;
    return (x.text === null) === nullsFirst ? -1 : 1;
  }
  const found =
    compare === undefined
      ? orderOf(column, x.type, collate)(x.text, y.text)
      : compare(a.row[column], b.row[column]);
  return isDescending ? -found : found;
}

/** What the row has in the column; throws where it has no such column. */
export function valueIn({ values }: GatheredRow, column: string): ColumnValue {
  const value = values.get(column);
  if (value === undefined) throw new ScatterMergeError(`The rows of db.scatter have no column ${column}.`);
  return value;
}
