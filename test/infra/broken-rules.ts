import type { CacheRules } from '../../packages/core/src/cache/rules.js';

/**
 * Rules of the cache, switched off, so that a test can see what comes of it. Where two guard the same thing, or the second
 * would help after a while, they are off together.
 */
export const brokenRules = {
  check: { check: () => 'valid' },
  reaches: { reaches: () => true },
  isTrusted: { isTrusted: () => true },
  copies: { reaches: () => true, isTrusted: () => true },
  covers: { covers: () => true },
  raise: { raise: (caller) => caller },
  refill: { raise: (caller) => caller, coversWritten: () => true },
  coversWritten: { coversWritten: () => true },
  isSameEpoch: { isSameEpoch: () => true },
  isNext: { isNext: () => true },
  pending: { demand: () => ({ kind: 'any' }), reaches: () => true, isTrusted: () => true },
  isUnconfirmed: { isUnconfirmed: () => false, isTrusted: () => true },
  mayReopen: { mayReopen: () => true },
  followsHistories: { followsHistories: false },
} satisfies Record<string, Partial<CacheRules>>;

export type BrokenRule = keyof typeof brokenRules;
