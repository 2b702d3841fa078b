import type { ReadBound, RequestContext } from '../kernel/context.js';
import { coversToken, type Token } from '../kernel/token.js';
import { coversWritten, type ReadDemand } from './admission.js';
import type { Backlog } from './backlog.js';
import type { Expiry } from './expiries.js';
import type { Departure } from './flight.js';
import { type Demand, demandOf, raiseToken, reachesDemand } from './freshness.js';
import type { LoadStart } from './ports.js';
import type { IsNext, Positions, Verdict } from './positions.js';

/**
 * The rules that keep the cache from serving what is old, each as a function, so that a test can
 * switch one off and see that it was needed.
 */
export interface CacheRules {
  /** A key is a tag of its own value. */
  tagsOf(key: string, named: readonly string[]): readonly string[];
  /** Whoever is inside a transaction is served nothing from the cache, and nothing that he loads is stored. */
  isApart(context: RequestContext): boolean;
  /** A value is as of the last invalidation before its load began: what was invalidated meanwhile may have come too late for it. */
  asOf(begun: number, applied: number): number;
  /** What makes a part of a value invalid makes the whole invalid. */
  inherits(tags: readonly string[]): readonly string[];
  /** Epochs are lives of the shared state: nothing of one is valid in another. */
  isSameEpoch(one: string | undefined, other: string | undefined): boolean;
  /** Something is valid when none of its tags was invalidated after what it is as of. */
  check(positions: Positions, tags: readonly string[], asOf: number): Verdict;
  /** An expired value may answer whoever has not seen its expiry. */
  mayServeExpired(token: Token, epoch: string, expiry: Expiry): boolean;
  /** No level may answer whoever has seen more than it can prove. */
  demand(token: Token): Demand;
  /** A local value may answer whoever has seen no invalidation that is not known here. */
  reaches(token: Token, epoch: string, known: number): boolean;
  /** What is kept here may be believed for a time after the last proof that nothing was missed. */
  isTrusted(isLive: boolean, sinceProofMs: number, trustMs: number): boolean;
  /** A running load may be joined if it sees everything that its joiner, or this instance, has seen. */
  covers(departure: Departure, token: Token, positions: Positions, tags: readonly string[]): boolean;
  /** What a load reads covers what its caller has seen, and what the invalidations of its tags demand. */
  raise(caller: Token, start: LoadStart): Token;
  /** A loaded value may be stored if it was read from where all that its tags demand was already written. */
  coversWritten(bounds: readonly ReadBound[], demand: ReadDemand): boolean;
  /** A value that was built from something that may not be stored may not be stored either. */
  isStorable(whole: boolean): boolean;
  /** An invalidation holds in this process at once, although nobody has confirmed it. */
  isUnconfirmed(backlog: Backlog, tags: readonly string[], after?: number): boolean;
  /** Of the invalidations that a token names as pending, those that were carried out are the ones that the ledger calls so. */
  carriedOut(pending: readonly string[], confirmed: readonly string[]): readonly string[];
  /** After its return the shared level may be used again when nothing is left to invalidate from before. */
  mayReopen(standing: readonly string[]): boolean;
  /** Nothing is cached across a change of the history that a database is on. */
  readonly followsHistories: boolean;
  /** Invalidations are applied one after the other: who has missed one knows of none after it. */
  readonly isNext: IsNext;
}

/** All rules in force. */
export const soundRules: CacheRules = Object.freeze({
  tagsOf: (key, named) => [key, ...named],
  isApart: ({ inTransaction }) => inTransaction,
  asOf: (begun) => begun,
  inherits: (tags) => tags,
  isSameEpoch: (one, other) => one === other,
  check: (positions, tags, asOf) => positions.check(tags, asOf),
  mayServeExpired: ({ cache }, epoch, { sequence }) =>
    !cache.some((seen) => seen.epoch === epoch && seen.sequence >= sequence),
  demand: demandOf,
  reaches: reachesDemand,
  isTrusted: (isLive, sinceProofMs, trustMs) => isLive && sinceProofMs <= trustMs,
  covers: ({ epoch, asOf, token: seen, knownUpTo }, token, positions, tags) =>
    epoch === positions.epoch &&
    (epoch === undefined || knownUpTo === undefined
      ? coversToken(seen, token)
      : reachesDemand(token, epoch, knownUpTo)) &&
    positions.check(tags, asOf) === 'valid',
  raise: raiseToken,
  coversWritten,
  isStorable: (whole) => whole,
  isUnconfirmed: (backlog, tags, after) => backlog.holds(tags, after),
  carriedOut: (_, confirmed) => confirmed,
  mayReopen: (standing) => standing.length === 0,
  followsHistories: true,
  isNext: (applied, sequence) => sequence === applied + 1,
} satisfies CacheRules);
