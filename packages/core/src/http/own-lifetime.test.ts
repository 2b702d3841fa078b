import { expect, it } from 'vitest';
import type { LifetimeOptions } from '../cache/index.js';
import { ownLifetime } from './own-lifetime.js';

it.each<[string, LifetimeOptions]>([
  ['public, max-age=5', {}],
  ['max-age=5, s-maxage=60', { ttlMs: 60_000 }],
  ['S-MaxAge="60" , Stale-While-Revalidate=30', { ttlMs: 60_000, staleMs: 30_000 }],
  ['stale-while-revalidate=30, stale-if-error=600', { staleMs: 30_000, staleIfErrorMs: 600_000 }],
  ['stale-while-revalidate=0', { staleMs: 0 }],
  ['stale-if-error=600, must-revalidate', { staleMs: 0, staleIfErrorMs: 0 }],
  ['proxy-revalidate', { staleMs: 0, staleIfErrorMs: 0 }],
  ['s-maxage=-1, stale-if-error=soon, stale-while-revalidate', {}],
])('Cache-Control: %s', (cacheControl, lifetime) => {
  const { ttlMs, staleMs, staleIfErrorMs } = ownLifetime({ 'cache-control': cacheControl });
  expect({ ttlMs, staleMs, staleIfErrorMs }).toEqual({
    ...{ ttlMs: undefined, staleMs: undefined, staleIfErrorMs: undefined },
    ...lifetime,
  });
});

it('an answer that says nothing says nothing of that', () => {
  expect(Object.values(ownLifetime({}))).toEqual([undefined, undefined, undefined]);
});
