/**
 * What says where rows belong: a key of your choice (a user, a tenant), the same for all that lies together; `{ id }`, an id that
 * `db.newId` has made; or `{ shard }`, by name, for migrations and jobs.
 */
export type ShardKey =
  | string
  | number
  | bigint
  | Date
  | { readonly id: string | number | bigint }
  | { readonly shard: string };

/** How rows of several shards are put in order by one column. */
export interface ScatterOrder {
  /** Name of the column in the result. */
  readonly column: string;
  /** @defaultValue `'asc'` */
  readonly direction?: 'asc' | 'desc' | undefined;
  /** Where rows without a value come. @defaultValue as in Postgres: `'last'` ascending, `'first'` descending */
  readonly nulls?: 'first' | 'last' | undefined;
  /** Orders text by its bytes, on every server and here. */
  readonly collate?: 'C' | undefined;
  /** Orders two values as the servers do, where no other rule is known: text in a language's order, types of your own. */
  readonly compare?: ((a: unknown, b: unknown) => number) | undefined;
}

/** A column to order by, or a column and its direction, or more. */
export type ScatterOrderBy = string | readonly [column: string, direction?: 'asc' | 'desc'] | ScatterOrder;

/**
 * How the values of one column become one: `count` and `sum` add, `min` and `max` choose. `avg` divides two other columns of
 * the result, since averages of averages are none.
 */
export type ScatterMerge =
  | 'count'
  | 'sum'
  | 'min'
  | 'max'
  | { readonly avg: { readonly sum: string; readonly count: string } };

/** How the answers of all shards become one. */
export interface GatherOptions {
  /** How the rows of all shards are ordered. Without it they come shard after shard. */
  readonly orderBy?: readonly ScatterOrderBy[] | undefined;
  /** Rows at most. @defaultValue all */
  readonly limit?: number | undefined;
  /** Rows to leave out before the first; each shard sends them all the same, so prefer `cursor`. @defaultValue `0` */
  readonly offset?: number | undefined;
  /** Goes on behind the rows of an earlier answer, in the same order; columns to order by then must not be empty. */
  readonly cursor?: string | undefined;
  /** By column, how it becomes one value; rows that agree in all other columns become one. */
  readonly merge?: Readonly<Record<string, ScatterMerge>> | undefined;
  /** `allow` answers without the shards that cannot, and says which. @defaultValue `'error'` */
  readonly onPartial?: 'error' | 'allow' | undefined;
  /** @defaultValue `db.sharding.scatterTimeoutMs` */
  readonly timeoutMs?: number | undefined;
}

/** A shard that gave no answer. */
export interface MissingShard {
  readonly shard: string;
  readonly error: unknown;
}

/** What all shards together have answered. */
export interface ScatterResult<R = Record<string, unknown>> {
  readonly rows: R[];
  readonly rowCount: number;
  /** Shards whose rows are not in it; always empty unless `onPartial` allows it. */
  readonly missing: readonly MissingShard[];
  /** For the rows that follow; undefined at the end, and where there is no order or no limit. */
  readonly cursor: string | undefined;
}
