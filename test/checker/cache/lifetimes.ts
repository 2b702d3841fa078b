import type { LifetimeOptions } from '../../../packages/core/src/cache/lifetime.js';

/** So short that values outlive it within a run. */
const ttlMs = 40;

/** How long values are served past their time, at most. */
export const longestGraceMs = 300;

/** How long callers want values to live: what one has stored, another finds who wants something else. */
const lifetimes: readonly LifetimeOptions[] = [
  {},
  { ttlMs, staleMs: 150 },
  { ttlMs, staleMs: 150, staleIfErrorMs: longestGraceMs },
  { ttlMs, staleIfErrorMs: longestGraceMs },
  { ttlMs: 2 * ttlMs, staleMs: 150, refreshAheadRatio: 0.5 },
];

/** One of them. */
export function anyLifetime(random: () => number, isShort: boolean): LifetimeOptions {
  if (!isShort) return {};
  const lifetime = lifetimes[Math.floor(random() * lifetimes.length)];
  return { ...lifetime, negativeTtlMs: random() < 0.5 ? 0 : 3_600_000 };
}

/** What loaders reject with when they are told to. */
export class LoadFailed extends Error {
  readonly code = 'LOAD_FAILED';
}
