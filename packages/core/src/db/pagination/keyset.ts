import { PandoOptionsError } from '../../kernel/errors.js';
import { readOptions } from '../../kernel/options.js';
import { InvalidPageError } from '../errors.js';
import { Cursors, type KeyValues } from './cursor.js';
import { pageDefaults, readSize } from './page-size.js';

/**
 * A column to order by: its name, or one function of it (`lower(title)`), and a direction. `'nullable'` where it may be
 * null: nulls come last going up and first going down, as in Postgres.
 */
export type KeysetColumn = readonly [
  column: string,
  direction: 'asc' | 'desc',
  nulls?: 'nullable' | undefined,
];

/** What is listed in which order, and from where. */
export interface KeysetOptions {
  /** The order; together the columns must tell any two rows apart, so the last one is usually the primary key. */
  readonly orderBy: readonly KeysetColumn[];
  /** How many rows, as the client says it: a number, or digits. More than `maxLimit` gets `maxLimit`. @defaultValue `20` */
  readonly limit?: unknown;
  /** The most that a client gets at once. @defaultValue `100` */
  readonly maxLimit?: number | undefined;
  /** Rows behind this cursor, as the client sent it back. */
  readonly after?: unknown;
  /** Rows ahead of this cursor, as the client sent it back. */
  readonly before?: unknown;
  /** Parameters that the statement has already; those of the position follow them. @defaultValue `[]` */
  readonly params?: readonly unknown[] | undefined;
  /** Signs cursors. Without it a client can make up a position, which is all that a cursor is. */
  readonly secret?: string | undefined;
}

/** The parts of a statement that reads one page. */
export interface Keyset {
  /** For the select list: the position of each row, as `page_key`. */
  readonly key: string;
  /** For the where clause: a condition, `true` on the first page. */
  readonly where: string;
  /** For the end of the statement: `order by … limit …`, one more row than asked for. */
  readonly order: string;
  /** All parameters of the statement. */
  readonly params: readonly unknown[];
  /** Makes the page of what the statement returned. */
  page<R extends object>(rows: readonly R[]): KeysetPage<R>;
}

/** One page of a list. */
export interface KeysetPage<R> {
  /** Without `page_key`. */
  readonly items: readonly R[];
  /** Send it back as `after`; undefined at the end. */
  readonly next: string | undefined;
  /** Send it back as `before`; undefined at the beginning. */
  readonly previous: string | undefined;
}

const keyColumn = 'page_key';
const name = String.raw`(?:[A-Za-z_\u0080-\uffff][\w$\u0080-\uffff]*|"[^"\0]+")`;
const columnShape = new RegExp(String.raw`^(?:${name}(?:\.${name})*|${name}\(${name}(?:\.${name})*\))$`);

/**
 * Reads a list in portions by position instead of by number: any page costs what the first one does, and rows that come
 * or go meanwhile neither repeat nor hide others.
 *
 * Gives the parts of a statement; needs no database. With an index on the columns, in their order and directions,
 * Postgres reads just the rows of the page. Cursors are exact (timestamps to the microsecond, numbers of any size), carry a
 * version, and are refused when they were changed or belong to another order.
 *
 * @throws InvalidPageError (400) for a limit or cursor that no client was given; `PandoOptionsError` for an order that cannot be.
 *
 * @example
 * ```ts
 * const list = keyset({
 *   orderBy: [['created_at', 'desc'], ['id', 'desc']],
 *   after: query.after,
 *   limit: query.limit,
 *   params: [authorId],
 * });
 * const { rows } = await pando.db.read(
 *   `select id, title, ${list.key} from posts where author_id = $1 and ${list.where} ${list.order}`,
 *   list.params,
 * );
 * const { items, next } = list.page(rows);
 * ```
 */
export function keyset(options: KeysetOptions): Keyset {
  const read = readOptions('db.keyset', options);
  const orderBy = read.any('orderBy');
  if (!isOrder(orderBy)) {
    read.fail(
      'orderBy',
      'a list of columns with their directions, such as [["created_at", "desc"], ["id", "desc"]]',
    );
  }
  const params = read.any('params', []);
  if (!Array.isArray(params)) read.fail('params', 'an array');
  const cursors = new Cursors(orderBy as KeysetColumn[], read.string('secret', undefined));
  const maxLimit = read.int('maxLimit', pageDefaults.maxLimit, { min: 1 });
  const limit = readSize('limit', read.any('limit'), maxLimit);
  const after = readCursor('after', read.any('after'), cursors);
  const before = readCursor('before', read.any('before'), cursors);
  read.done();
  if (after !== undefined && before !== undefined) {
    throw new InvalidPageError('after and before name two positions. Send one of them.');
  }
  return new KeysetQuery(orderBy as KeysetColumn[], {
    params: params as unknown[],
    limit,
    cursors,
    after,
    before,
  });
}

/** What {@link keyset} has read. */
interface KeysetParts {
  readonly params: readonly unknown[];
  readonly limit: number;
  readonly cursors: Cursors;
  readonly after: KeyValues | undefined;
  readonly before: KeyValues | undefined;
}

class KeysetQuery implements Keyset {
  readonly key: string;
  readonly where: string;
  readonly order: string;
  readonly params: readonly unknown[];
  readonly #orderBy: readonly KeysetColumn[];
  readonly #parts: KeysetParts;

  constructor(orderBy: readonly KeysetColumn[], parts: KeysetParts) {
    const { params, limit, after, before } = parts;
    // Backwards is forwards in the opposite order: nulls change sides, too.
    const order = before === undefined ? orderBy : orderBy.map(turned);
    const start = after ?? before;
    const bound: unknown[] = [...params];
    // As text, as JSON writes it: in full, and the same in every session.
    this.key = `array[${orderBy.map(([column]) => `to_jsonb(${column}) #>> '{}'`).join(', ')}] as ${keyColumn}`;
    this.where = start === undefined ? 'true' : behind(order, start, bound);
    this.order = `order by ${order.map(([column, direction]) => `${column} ${direction}`).join(', ')} limit ${limit + 1}`;
    this.params = bound;
    this.#orderBy = orderBy;
    this.#parts = parts;
  }

  page<R extends object>(rows: readonly R[]): KeysetPage<R> {
    const { limit, after, before } = this.#parts;
    const hasMore = rows.length > limit;
    const found = rows.slice(0, limit);
    if (before !== undefined) found.reverse();
    const keys = found.map((row) => this.#keyOf(row));
    const items = found.map(withoutKey);
    const isBack = before !== undefined;
    return {
      items,
      next: isBack || hasMore ? this.#cursor(keys.at(-1)) : undefined,
      previous: (isBack ? hasMore : after !== undefined) ? this.#cursor(keys[0]) : undefined,
    };
  }

  #cursor(values: KeyValues | undefined): string | undefined {
    if (values === undefined) return undefined;
    const cursor = this.#parts.cursors.write(values);
    if (cursor === undefined)
      throw wrong('The values of a row are too long for a cursor. Order by shorter columns.');
    return cursor;
  }

  #keyOf(row: object): KeyValues {
    const values = (row as { readonly [keyColumn]?: unknown })[keyColumn];
    if (!Array.isArray(values)) {
      throw wrong(`Rows have no ${keyColumn}. Put the \`key\` of the keyset into the select list.`);
    }
    const missing = this.#orderBy.find(([, , nulls], index) => nulls === undefined && values[index] === null);
    if (missing === undefined) return values as KeyValues;
    const [column, direction] = missing;
    throw wrong(
      `${column} is null in a row, so rows would be passed over. Declare it: ["${column}", "${direction}", "nullable"].`,
    );
  }
}

function wrong(message: string): PandoOptionsError {
  return new PandoOptionsError({ code: 'PANDO_DB_OPTIONS', message: `db.keyset: ${message}` });
}

/** The condition for rows behind a position; adds its parameters to the others. */
function behind(orderBy: readonly KeysetColumn[], values: KeyValues, bound: unknown[]): string {
  const [[, direction] = ['', 'asc']] = orderBy;
  const isPlain = orderBy.every((column) => column[1] === direction && column[2] === undefined);
  const terms = orderBy.map(([, , nulls], index) => {
    const value = values[index] ?? null;
    if (value === null && nulls !== undefined) return undefined;
    return `$${bound.push(value)}`;
  });
  // One comparison of rows is what an index understands at once.
  if (isPlain && orderBy.length > 1) {
    const columns = orderBy.map(([column]) => column).join(', ');
    return `(${columns}) ${direction === 'asc' ? '>' : '<'} (${terms.join(', ')})`;
  }
  return orderBy.reduceRight((rest, column, index) => behindOne(column, terms[index], rest), '');
}

/** Behind a value in one column, or equal there and behind in the rest. */
function behindOne([column, direction, nulls]: KeysetColumn, term: string | undefined, rest: string): string {
  const isUp = direction === 'asc';
  if (term === undefined) {
    const beyond = isUp ? 'false' : `${column} is not null`;
    return rest === '' ? beyond : `(${beyond} or (${column} is null and ${rest}))`;
  }
  const sign = isUp ? '>' : '<';
  const isAtEnd = isUp && nulls !== undefined;
  const beyond = isAtEnd ? `(${column} ${sign} ${term} or ${column} is null)` : `${column} ${sign} ${term}`;
  if (rest === '') return beyond;
  const either = `(${beyond} or (${column} = ${term} and ${rest}))`;
  // Says nothing new, but is a range, which an index understands.
  return isAtEnd ? either : `(${column} ${sign}= ${term} and ${either})`;
}

function turned([column, direction, nulls]: KeysetColumn): KeysetColumn {
  return [column, direction === 'asc' ? 'desc' : 'asc', nulls];
}

function withoutKey<R extends object>(row: R): R {
  const { [keyColumn]: _, ...item } = row as R & { [keyColumn]?: unknown };
  return item as R;
}

function readCursor(option: string, value: unknown, cursors: Cursors): KeyValues | undefined {
  if (value === undefined) return undefined;
  const values = typeof value === 'string' ? cursors.read(value) : undefined;
  if (values !== undefined) return values;
  throw new InvalidPageError(
    `${option} is not a cursor of this list in this order. Take one from an answer, or begin without.`,
  );
}

/** Names become part of the statement: nothing else may pass for one. */
function isOrder(value: unknown): value is readonly KeysetColumn[] {
  return Array.isArray(value) && value.length > 0 && value.every(isColumn);
}

function isColumn(value: unknown): boolean {
  if (!Array.isArray(value)) return false;
  const [column, direction, nulls] = value as readonly unknown[];
  if (typeof column !== 'string' || !columnShape.test(column)) return false;
  return (direction === 'asc' || direction === 'desc') && (nulls === undefined || nulls === 'nullable');
}
