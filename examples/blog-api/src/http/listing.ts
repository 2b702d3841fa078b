import { type Keyset, type KeysetColumn, keyset, type OffsetPage, offsetPage } from '@pando/core/db';

/** The parameters of a query that say which part of a list it is for. */
export const listParameters = Object.freeze(['page', 'per_page', 'skip', 'limit', 'after', 'before']);

/** How a list is ordered, and what its statement has as parameters already. */
export interface ListOrder {
  readonly orderBy: readonly KeysetColumn[];
  readonly params?: readonly unknown[];
  /** Signs cursors: each names an entry of the cache, so nobody may make them up. */
  readonly secret: string;
}

/** One part of a list, as the API answers it. */
export interface Paged<Item> {
  readonly data: readonly Item[];
  readonly total: number;
  /** Where it was asked for by number. */
  readonly page?: number | undefined;
  readonly per_page: number;
  /** Send it as `after`. */
  readonly next?: string | undefined;
  /** Send it as `before`. */
  readonly previous?: string | undefined;
}

/**
 * Which part of a list a client wants: by number, with `page` and `per_page` or `skip` and `limit`, or by position, with
 * `after` or `before` and a cursor of an answer.
 */
export class Listing {
  readonly #keyset: Keyset;
  readonly #page: OffsetPage;
  readonly #isByPosition: boolean;
  /** Tells it from other parts of the same list. */
  readonly name: string;

  constructor(query: Readonly<Record<string, unknown>>, order: ListOrder) {
    const { after, before } = query;
    this.#isByPosition = after !== undefined || before !== undefined;
    const { page, skip, ...size } = query;
    // With a cursor there is no number of a page, only their size.
    this.#page = offsetPage(this.#isByPosition ? size : query);
    const { limit, offset } = this.#page;
    this.#keyset = keyset({ ...order, after, before, limit });
    this.name = `${limit}:${after ?? before ?? offset}:${before === undefined ? '' : 'back'}`;
  }

  /** For the select list. */
  get key(): string {
    return this.#keyset.key;
  }

  /** For the where clause. */
  get where(): string {
    return this.#keyset.where;
  }

  /** For the end of the statement. */
  get end(): string {
    return `${this.#keyset.order} offset $${this.#keyset.params.length + 1}`;
  }

  get params(): readonly unknown[] {
    return [...this.#keyset.params, this.#page.offset];
  }

  /** What the statement has returned, as the API answers it. */
  answer<Row extends object, Item>(
    rows: readonly Row[],
    total: number,
    show: (row: Row) => Item,
  ): Paged<Item> {
    const { items, next, previous } = this.#keyset.page(rows);
    const { page, ...answer } = this.#page.answer(items.map(show), total);
    return { ...answer, page: this.#isByPosition ? undefined : page, next, previous };
  }
}
