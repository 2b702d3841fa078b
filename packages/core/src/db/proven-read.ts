import type { Signalled } from '../kernel/abort.js';
import type { Lease, Observed } from './ports.js';
import { type History, type Position, serves } from './position.js';

/** What a read on a replica must have and where it stands. */
export interface ProvenReadOptions extends Signalled {
  readonly floor: Position | undefined;
  readonly history: History | undefined;
  /** The furthest position that reads on this connection are known to see. */
  readonly proven: Position;
}

/** A read, and the position that it is certain to have seen. */
export interface ProvenResult<T> {
  readonly value: T;
  readonly bound: Position;
}

/**
 * Runs a read on a replica's connection only when the server is proven to be far enough; undefined: it is not.
 *
 * The proof comes first and the read's snapshot after it: a statement that checks its own position, or a
 * check behind the read, can pass while the snapshot is older.
 */
export async function provenRead<T>(
  lease: Lease,
  { floor, history, proven, signal }: ProvenReadOptions,
  read: () => Promise<T>,
): Promise<ProvenResult<T> | undefined> {
  let bound = proven;
  if (!serves(bound, floor, history)) bound = await lease.prove({ signal });
  return serves(bound, floor, history) ? { value: await read(), bound } : undefined;
}

/**
 * Whether a read must carry its proof with it: what was known before, even of the same session, is no proof where the
 * next transaction may be carried out by another server.
 */
export function needsInlineProof({ connection }: Pick<Lease, 'connection'>, isShared: boolean): boolean {
  return isShared || connection.isPooled;
}

/**
 * What a read can have seen at most, on a server that was proven to be at `seen`.
 *
 * What it is certain to have seen would not do: two replicas of which the same is known can have come differently far,
 * and who has read on the one would go back on the other.
 */
export function upperBound(
  { system, timeline }: Position,
  { upTo }: Pick<Observed<unknown>, 'upTo'>,
): Position {
  return { system, timeline, lsn: upTo };
}
