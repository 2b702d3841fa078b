import type { ReadBound } from '../kernel/context.js';
import { compareDbPositions, type DbPosition } from '../kernel/token.js';

/**
 * Why a loaded value is not stored: the shared state has begun another `epoch` since the load began; one of its tags has
 * `moved` since; it was read from a database that is `behind` what its tags demand; part of it comes from a `nested` load
 * that may not be stored; it is `empty`, for the loader returned `undefined`; it was loaded `past` the cache.
 */
export const refusals = ['epoch', 'moved', 'behind', 'nested', 'empty', 'past'] as const;
export type Refusal = (typeof refusals)[number];

/** What a load must have seen. */
export interface ReadDemand {
  readonly written: readonly DbPosition[];
  /** Whether nobody knows what else was written. */
  readonly inDoubt: boolean;
}

/**
 * Whether what was read in each shard covers all that was written there before the load began.
 *
 * Who read nothing of a shard has nothing to prove about it: the value does not come from there.
 */
export function coversWritten(bounds: readonly ReadBound[], { written, inDoubt }: ReadDemand): boolean {
  return bounds.every(({ shard, seen }) => {
    if (seen === 'primary') return true;
    if (inDoubt) return false;
    return written.every(
      (position) =>
        position.shard !== shard ||
        (position.system === seen.system && compareDbPositions({ shard, ...seen }, position) >= 0),
    );
  });
}
