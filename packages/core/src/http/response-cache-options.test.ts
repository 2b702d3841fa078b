import { expect, it } from 'vitest';
import { type ResponseCacheOptions, resolveResponseCacheOptions } from './response-cache-options.js';

const resolve = (options?: ResponseCacheOptions) => resolveResponseCacheOptions(options);

it('without options an answer is for anonymous clients, who ask again every time', () => {
  expect(resolve()).toMatchObject({
    lifetime: { ttlMs: undefined, staleMs: undefined, staleIfErrorMs: undefined },
    identity: 'anonymous',
    vary: [],
    statuses: [200],
    maxBodyBytes: 1_048_576,
    cacheControl: 'private, no-cache',
  });
  expect(resolve().tagsOf({})).toEqual([]);
});

it.each<[ResponseCacheOptions, string]>([
  [{ identity: 'public' }, 'public, no-cache'],
  [{ identity: () => 'ann' }, 'private, no-cache'],
  [{ identity: () => 'ann', maxAgeMs: 1_999 }, 'private, max-age=1'],
  [{ identity: 'public', maxAgeMs: 5_000 }, 'public, max-age=5'],
  [{ identity: 'public', sharedMaxAgeMs: 60_000 }, 'public, max-age=0, s-maxage=60'],
  [{ identity: 'public', maxAgeMs: 5_000, sharedMaxAgeMs: 60_000 }, 'public, max-age=5, s-maxage=60'],
])('%j says Cache-Control: %s', (options, cacheControl) => {
  expect(resolve(options).cacheControl).toBe(cacheControl);
});

it('tags may depend on the request, and names of headers on no case', () => {
  const { tagsOf, vary } = resolve({ tags: (request) => [`post:${request}`], vary: ['Accept-Language'] });
  expect([tagsOf(7), vary]).toEqual([['post:7'], ['accept-language']]);
});

it.each<[object, string]>([
  [
    { ttlMs: '5m' },
    'http.cache.ttlMs must be a positive number of milliseconds, got "5m". Did you mean 300000?',
  ],
  [{ ttl: 1 }, 'unknown option "ttl" in http.cache. Did you mean "ttlMs"?'],
  [{ tags: 'post' }, 'http.cache.tags must be a list of texts, or a function'],
  [{ identity: 'user' }, 'http.cache.identity must be "public", or a function of the request, got "user".'],
  [{ identity: 'anonymous' }, 'http.cache.identity must be "public", or a function of the request'],
  [{ vary: ['*'] }, 'http.cache.vary must be a list of names of request headers'],
  [{ vary: ['a b'] }, 'http.cache.vary must be a list of names of request headers'],
  [{ statuses: [500] }, 'http.cache.statuses must be a list of some of 200, 203, 204, 301, 308, 404, 410'],
  [{ maxAgeMs: 10 }, 'http.cache.maxAgeMs must be a number of milliseconds of at least 1000, got 10.'],
  [{ sharedMaxAgeMs: 60_000 }, 'http.cache.sharedMaxAgeMs must be left out unless identity is "public"'],
])('%j is refused', (options, message) => {
  expect(() => resolve(options as ResponseCacheOptions)).toThrow(message);
});
