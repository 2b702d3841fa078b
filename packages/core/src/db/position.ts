/** A point in the write-ahead log of one Postgres system. */
export interface Position {
  /** Postgres' system identifier: positions of different systems cannot be compared. */
  readonly system: string;
  /** Counts promotions: the same number of bytes means another history on another timeline. */
  readonly timeline: number;
  readonly lsn: bigint;
}

/** Which history a cluster is on. */
export type History = Pick<Position, 'system' | 'timeline'>;

/**
 * Whether who has come as far as `have` has everything that `need` names.
 *
 * Both timeline and log position must have been reached. The timeline alone proves nothing: a standby
 * that follows a promoted server knows the new timeline long before it has replayed up to the fork.
 * Nor does the log position: a standby that was ahead of the promoted server has bytes of another history.
 */
export function covers(have: Position, need: Position): boolean {
  return have.system === need.system && have.timeline >= need.timeline && have.lsn >= need.lsn;
}

/** Whether a read that sees `position` may be served on this history to who has seen everything before `floor`. */
export function serves(
  position: Position | undefined,
  floor: Position | undefined,
  history: History | undefined,
): position is Position {
  return (
    position !== undefined &&
    position.system === history?.system &&
    position.timeline === history.timeline &&
    (floor === undefined || covers(position, floor))
  );
}

/** Whether two reports are of one server, under whatever address it was reached: the second part of a node is its own. */
export function isSameServer(a: { readonly node: string }, b: { readonly node: string }): boolean {
  return a.node.slice(a.node.lastIndexOf(' ')) === b.node.slice(b.node.lastIndexOf(' '));
}

/** Reads Postgres' notation, `16/B374D848`. */
export function parseLsn(text: string): bigint {
  const slash = text.indexOf('/');
  return (BigInt(`0x${text.slice(0, slash)}`) << 32n) | BigInt(`0x${text.slice(slash + 1)}`);
}

/** Writes Postgres' notation. */
export function formatLsn(lsn: bigint): string {
  return `${(lsn >> 32n).toString(16)}/${(lsn & 0xffff_ffffn).toString(16)}`.toUpperCase();
}

const pageBytes = 8_192n;
const pageHeaderBytes = 24n;
const segmentHeaderBytes = 40n;

/**
 * The end of the last record before an insert position.
 *
 * Postgres reports as insert position where the *next* record will begin. When the last one filled its
 * page, that is behind the header of the next page, and a standby that has replayed everything stays
 * before that header for as long as nothing more is written: who waits for the insert position waits forever.
 */
export function endOfLastRecord(insertLsn: bigint, segmentBytes: bigint): bigint {
  if (insertLsn % segmentBytes === segmentHeaderBytes) return insertLsn - segmentHeaderBytes;
  if (insertLsn % pageBytes === pageHeaderBytes) return insertLsn - pageHeaderBytes;
  return insertLsn;
}
