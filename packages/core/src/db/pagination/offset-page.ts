import { readOptions } from '../../kernel/options.js';
import { InvalidPageError } from '../errors.js';
import { pageDefaults, readCount, readSize } from './page-size.js';

/** What clients may ask for. */
export interface OffsetPageOptions {
  /** The most rows that a client gets at once. @defaultValue `100` */
  readonly maxLimit?: number | undefined;
  /** How deep a client may go: Postgres reads all rows before the page, and throws them away. @defaultValue `100_000` */
  readonly maxOffset?: number | undefined;
}

/** One page of a list by number. */
export interface OffsetPage {
  /** From 1. */
  readonly page: number;
  /** For `limit`. */
  readonly limit: number;
  /** For `offset`. */
  readonly offset: number;
  /** The page as an answer. */
  answer<T>(data: readonly T[], total: number): OffsetAnswer<T>;
}

/** A page as clients get it. */
export interface OffsetAnswer<T> {
  readonly data: readonly T[];
  /** Of all pages. */
  readonly total: number;
  readonly page: number;
  readonly per_page: number;
}

/**
 * Reads from a query string which page is wanted: `page` and `per_page`, or `skip` and `limit`. Nothing said is the first
 * page, of 20 rows.
 *
 * For short lists and page numbers. The cost of a page grows with its number; where that matters, use {@link keyset}.
 *
 * @throws InvalidPageError (400) for what is no number, both ways at once, or a page that is too deep.
 *
 * @example
 * ```ts
 * const page = offsetPage(query);
 * const { rows } = await pando.db.read('select id, title from posts order by id limit $1 offset $2', [page.limit, page.offset]);
 * const [count] = (await pando.db.read<{ total: number }>('select count(*)::int as total from posts')).rows;
 * const answer = page.answer(rows, count?.total ?? 0);
 * ```
 */
export function offsetPage(
  query: Readonly<Record<string, unknown>>,
  options: OffsetPageOptions = {},
): OffsetPage {
  const read = readOptions('db.offsetPage', options);
  const maxLimit = read.int('maxLimit', pageDefaults.maxLimit, { min: 1 });
  const maxOffset = read.int('maxOffset', pageDefaults.maxOffset);
  read.done();
  const isNumbered = query.page !== undefined || query.per_page !== undefined;
  if (isNumbered && (query.skip !== undefined || query.limit !== undefined)) {
    throw new InvalidPageError('page and per_page say the same as skip and limit. Send one pair of them.');
  }
  const limit = isNumbered
    ? readSize('per_page', query.per_page, maxLimit)
    : readSize('limit', query.limit, maxLimit);
  const offset = isNumbered
    ? (readCount('page', query.page, 1, 1) - 1) * limit
    : readCount('skip', query.skip, 0, 0);
  if (offset > maxOffset) {
    throw new InvalidPageError(
      `The page begins at row ${offset}, and rows beyond ${maxOffset} are not listed.`,
    );
  }
  const page = Math.floor(offset / limit) + 1;
  return { page, limit, offset, answer: (data, total) => ({ data, total, page, per_page: limit }) };
}
