/**
 * A causal token says what somebody has seen: how far each database and the cache's counter had come.
 *
 * Tokens form a join semilattice: {@link mergeTokens} is idempotent, commutative and associative, so
 * they may be merged anywhere, in any order, any number of times. They hold no wall-clock time.
 */
export interface Token {
  /** How far each database had come; sorted, at most one entry for each shard and system. */
  readonly db: readonly DbPosition[];
  /** How far the cache's counter had come; sorted by epoch. More than one entry means: no epoch that exists. */
  readonly cache: readonly CachePosition[];
  /** Outbox rows whose effects were not confirmed yet; sorted. Normally empty. */
  readonly pending: readonly string[];
  /** Tokens of this kit written by a newer release: passed on unchanged, and read as "the strictest". Sorted, normally empty. */
  readonly opaque: readonly string[];
}

/** A point in the write-ahead log of one database. */
export interface DbPosition {
  readonly shard: string;
  /** Postgres' system identifier: positions of different systems cannot be compared. */
  readonly system: string;
  readonly timeline: number;
  readonly lsn: bigint;
}

/** A point in the cache's history of invalidations. */
export interface CachePosition {
  /** Names one life of the counter; epochs are unordered. */
  readonly epoch: string;
  readonly sequence: number;
}

/** Has seen nothing: covered by everything. */
export const emptyToken: Token = Object.freeze({
  db: Object.freeze([]) as readonly DbPosition[],
  cache: Object.freeze([]) as readonly CachePosition[],
  pending: Object.freeze([]) as readonly string[],
  opaque: Object.freeze([]) as readonly string[],
});

/** Of whoever cannot be asked what has been seen: read as the strictest, and left out where tokens become text. */
export const unknownToken: Token = Object.freeze({ ...emptyToken, opaque: Object.freeze(['']) });

/** The token of one write or read on a database. */
export function dbToken(position: DbPosition): Token {
  return { ...emptyToken, db: [position] };
}

/** The token of one invalidation. */
export function cacheToken(position: CachePosition): Token {
  return { ...emptyToken, cache: [position] };
}

/** Stands in a token for more rows of an outbox than it could name: settled when no row at all is left. */
export const manyRows = '*';
/** Stands in a token for more other pending invalidations than it could name: never settled. */
export const manyOthers = '**';

/** Whether a pending id names a row of an outbox: a UUID. */
export function isRow(id: string): boolean {
  return /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(id);
}

/** The token of an outbox row whose effects are not confirmed. */
export function pendingToken(row: string): Token {
  return { ...emptyToken, pending: [row] };
}

/** Whether the token says nothing at all. */
export function isEmptyToken(token: Token): boolean {
  return token.db.length + token.cache.length + token.pending.length + token.opaque.length === 0;
}

/** Whether reads under this token must go to the primary, because a newer release wrote what we cannot read. */
export function isStrongToken(token: Token): boolean {
  return token.opaque.length > 0;
}

/** Orders positions of one system: by timeline, then by log position. Negative when `a` is older. */
export function compareDbPositions(a: DbPosition, b: DbPosition): number {
  if (a.timeline !== b.timeline) return a.timeline - b.timeline;
  return a.lsn < b.lsn ? -1 : a.lsn > b.lsn ? 1 : 0;
}

/** The least token that has seen what both have seen. Returns one of its arguments where that is enough. */
export function mergeTokens(a: Token, b: Token): Token {
  if (a === b || isEmptyToken(b)) return a;
  if (isEmptyToken(a)) return b;
  return {
    db: mergeSorted(a.db, b.db, orderDb, (x, y) => (compareDbPositions(x, y) >= 0 ? x : y)),
    cache: mergeSorted(a.cache, b.cache, orderCache, (x, y) => (x.sequence >= y.sequence ? x : y)),
    pending: mergeSorted(a.pending, b.pending, orderText, (x) => x),
    opaque: mergeSorted(a.opaque, b.opaque, orderText, (x) => x),
  };
}

/** Whether who holds `have` has seen everything that `need` names. */
export function coversToken(have: Token, need: Token): boolean {
  return (
    need.db.every((n) => have.db.some((h) => orderDb(h, n) === 0 && compareDbPositions(h, n) >= 0)) &&
    need.cache.every((n) => have.cache.some((h) => h.epoch === n.epoch && h.sequence >= n.sequence)) &&
    need.pending.every((row) => have.pending.includes(row)) &&
    need.opaque.every((text) => have.opaque.includes(text))
  );
}

/**
 * The token with its cache coordinates replaced by the given one.
 *
 * For replies to a token of a cache epoch that is gone: keeping it would shut its client out of the
 * cache for ever. This is the only operation that lets a token forget.
 */
export function replaceCachePosition(token: Token, position: CachePosition): Token {
  return { ...token, cache: [position] };
}

/** The token without an outbox row whose effects have been confirmed since. */
export function withoutPending(token: Token, row: string): Token {
  return token.pending.includes(row)
    ? { ...token, pending: token.pending.filter((other) => other !== row) }
    : token;
}

const orderText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
const orderDb = (a: DbPosition, b: DbPosition): number =>
  orderText(a.shard, b.shard) || orderText(a.system, b.system);
const orderCache = (a: CachePosition, b: CachePosition): number => orderText(a.epoch, b.epoch);

/** Merges two sorted lists without duplicates; `join` decides between equals. */
function mergeSorted<T>(
  a: readonly T[],
  b: readonly T[],
  order: (x: T, y: T) => number,
  join: (x: T, y: T) => T,
): readonly T[] {
  if (b.length === 0) return a;
  if (a.length === 0) return b;
  const merged: T[] = [];
  let i = 0;
  let j = 0;
  while (i < a.length && j < b.length) {
    const x = a[i] as T;
    const y = b[j] as T;
    const sign = order(x, y);
    merged.push(sign < 0 ? x : sign > 0 ? y : join(x, y));
    if (sign <= 0) i++;
    if (sign >= 0) j++;
  }
  return [...merged, ...a.slice(i), ...b.slice(j)];
}
