import { type CachePosition, mergeTokens, type Token } from '../kernel/token.js';
import type { LoadStart } from './ports.js';

/**
 * Stands in a load's token while nobody knows what its tags demand of replicas: database reads take
 * the presence of any text they do not know as "read the primary". It never leaves the process.
 */
export const readPrimary = 'cache:read-primary';

/** What a reader demands of the cache. */
export type Demand =
  /** Nothing: it has seen no invalidation. */
  | { readonly kind: 'any' }
  /** Values that are valid after this invalidation. */
  | { readonly kind: 'at'; readonly position: CachePosition }
  /** An epoch that does not exist any more: it has seen two. */
  | { readonly kind: 'gone' }
  /** More than any level can prove: an unconfirmed invalidation, or what a newer release wrote and nobody can read here. */
  | { readonly kind: 'beyond' };

const any: Demand = Object.freeze({ kind: 'any' });
const gone: Demand = Object.freeze({ kind: 'gone' });
const beyond: Demand = Object.freeze({ kind: 'beyond' });

/** Reads a token. */
export function demandOf({ cache, pending, opaque }: Token): Demand {
  if (pending.length > 0 || opaque.some((text) => text !== readPrimary)) return beyond;
  const [position, other] = cache;
  if (position === undefined) return any;
  return other === undefined ? { kind: 'at', position } : gone;
}

/**
 * Whether a local value may answer a reader: what it demands is of the value's epoch, and either
 * known here, so that the value would have been found invalid, or older than the value itself.
 */
export function reachesDemand(token: Token, epoch: string, known: number): boolean {
  if (token.cache.length === 0 && token.pending.length === 0 && token.opaque.length === 0) return true;
  const demand = demandOf(token);
  if (demand.kind !== 'at') return demand.kind === 'any';
  return demand.position.epoch === epoch && demand.position.sequence <= known;
}

/** The token of a load: what its caller has seen, what the invalidations of its tags demand, and where the cache stands. */
export function raiseToken(caller: Token, { clock, written, inDoubt }: LoadStart): Token {
  const { epoch, sequence } = clock;
  const demanded = { db: written, cache: [], pending: [], opaque: inDoubt ? [readPrimary] : [] };
  return { ...mergeTokens(caller, demanded), cache: [{ epoch, sequence }] };
}
