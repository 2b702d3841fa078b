import type { Row } from '../api.js';
import type { ScatterMerge } from './api.js';
import { addTexts, type ColumnValue, orderOf } from './column-order.js';
import { type GatheredRow, valueIn } from './gathered-row.js';

const float8 = 701;

/** Makes one row of all rows that agree in every column that is not merged, in order of first appearance. */
export function mergeGroups(
  rows: readonly GatheredRow[],
  merges: ReadonlyMap<string, ScatterMerge>,
): GatheredRow[] {
  const groups = new Map<string, Group>();
  for (const row of rows) {
    const group = groups.get(row.group ?? '');
    if (group === undefined) groups.set(row.group ?? '', new Group(row));
    else group.add(row, merges);
  }
  return [...groups.values()].map((group) => group.finish(merges));
}

class Group {
  readonly #row: Row;
  readonly #values: Map<string, ColumnValue>;

  constructor({ row, values }: GatheredRow) {
    this.#row = { ...row };
    this.#values = new Map(values);
  }

  add(other: GatheredRow, merges: ReadonlyMap<string, ScatterMerge>): void {
    for (const [column, how] of merges) {
      if (typeof how === 'object') continue;
      const mine = this.#values.get(column) as ColumnValue;
      const theirs = valueIn(other, column);
      if (theirs.text === null) continue;
      if (mine.text === null || (isChoice(how) && isBetter(how, column, theirs, mine))) {
        this.#values.set(column, theirs);
        this.#row[column] = other.row[column];
      } else if (!isChoice(how)) {
        const text = addTexts(column, mine.type, mine.text, theirs.text);
        this.#values.set(column, { type: mine.type, text });
        this.#row[column] = inShapeOf(this.#row[column], text);
      }
    }
  }

  finish(merges: ReadonlyMap<string, ScatterMerge>): GatheredRow {
    for (const [column, how] of merges) {
      if (typeof how !== 'object') continue;
      const [sum, count] = [how.avg.sum, how.avg.count].map((part) => this.#values.get(part)?.text ?? null);
      const average = sum == null || Number(count) === 0 ? null : Number(sum) / Number(count);
      this.#row[column] = average;
      this.#values.set(column, { type: float8, text: average === null ? null : String(average) });
    }
    return { row: this.#row, values: this.#values, group: undefined };
  }
}

function isChoice(how: ScatterMerge): how is 'min' | 'max' {
  return how === 'min' || how === 'max';
}

function isBetter(how: 'min' | 'max', column: string, theirs: ColumnValue, mine: ColumnValue): boolean {
  const found = orderOf(column, mine.type, undefined)(theirs.text as string, mine.text as string);
  return how === 'min' ? found < 0 : found > 0;
}

/** The client gives small integers as numbers and the rest as text: a sum comes as its parts did. */
function inShapeOf(sample: unknown, text: string): unknown {
  if (typeof sample === 'number') return Number(text);
  return typeof sample === 'bigint' ? BigInt(text) : text;
}
