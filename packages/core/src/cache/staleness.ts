import { ClosedError } from '../kernel/errors.js';
import type { Call } from './call.js';
import { CacheCycleError, CacheValueError } from './errors.js';
import { drawTtlMs, type Lifetime, type Use } from './lifetime.js';

export type { Use } from './lifetime.js';

/** How long past its time a value is of use. */
export interface Grace {
  /** Served at once, while it is replaced. */
  readonly staleMs: number;
  /** Served instead of an error. */
  readonly staleIfErrorMs: number;
}

/** How long a value is stored as fresh, and how long it is of use after that. */
export interface Times extends Grace {
  readonly ttlMs: number;
  /** How long before its end a hit has it replaced. */
  readonly aheadMs: number;
}

/** How long before its end a hit has a value replaced. */
export function aheadMsOf({ ttlMs, refreshAheadRatio }: Lifetime): number {
  return refreshAheadRatio === false ? 0 : ttlMs - ttlMs * refreshAheadRatio;
}

/** How long a value is stored that was loaded now; undefined: not at all. That there is nothing is never stale, only known or not. */
export function timesOf(value: unknown, lifetime: Lifetime, random: () => number): Times | undefined {
  const { negativeTtlMs, jitterRatio } = lifetime;
  const isNothing = value === undefined || (value === null && negativeTtlMs > 0);
  if (!isNothing) {
    return { ...graceOf(lifetime), ttlMs: drawTtlMs(lifetime, random), aheadMs: aheadMsOf(lifetime) };
  }
  if (negativeTtlMs === 0) return undefined;
  const ttlMs = drawTtlMs({ ttlMs: negativeTtlMs, jitterRatio }, random);
  return { staleMs: 0, staleIfErrorMs: 0, ttlMs, aheadMs: 0 };
}

/** What a lifetime grants. */
export function graceOf({ staleMs, staleIfErrorMs = staleMs }: Lifetime): Grace {
  return { staleMs, staleIfErrorMs };
}

/** How long a value is kept past its time. */
export function keptMs({ staleMs, staleIfErrorMs }: Grace): number {
  return Math.max(staleMs, staleIfErrorMs);
}

/** What age makes of a value: who stored it has said how long it is of use, and whoever asks may want less of that. */
export function useOf(pastMs: number, kept: Grace, lifetime: Lifetime): Use {
  const asked = graceOf(lifetime);
  if (pastMs < 0) return -pastMs <= aheadMsOf(lifetime) ? 'due' : 'fresh';
  if (pastMs < Math.min(kept.staleMs, asked.staleMs)) return 'stale';
  return pastMs < Math.min(kept.staleIfErrorMs, asked.staleIfErrorMs) ? 'spare' : 'none';
}

/** What may answer whoever has no loader. */
export const usesInTime = Object.freeze(['fresh', 'due'] as const);
const usesWhileReplaced = Object.freeze(['fresh', 'due', 'stale'] as const);

/**
 * What may answer a call at once. The loader of another value waits for what is fresh: from a stale value nothing can be
 * built that may be stored.
 */
export function usesAtOnce({
  context,
  lifetime,
}: Pick<Call, 'context' | 'lifetime'>): readonly Exclude<Use, 'none'>[] {
  return lifetime.staleMs > 0 && context.load === undefined ? usesWhileReplaced : usesInTime;
}

/** What may answer a call whose loader has failed. Fresh is what others have stored meanwhile. */
export const usesInstead = Object.freeze(['fresh', 'due', 'stale', 'spare'] as const);

/** Whether something else may be served instead of an error: it is one of the loader, and the call allows for it. */
export function mayHide(cause: unknown, { lifetime, signal }: Pick<Call, 'lifetime' | 'signal'>): boolean {
  const isOurs = [CacheValueError, CacheCycleError, ClosedError].some((ours) => cause instanceof ours);
  return graceOf(lifetime).staleIfErrorMs > 0 && !isOurs && !signal?.aborted;
}
