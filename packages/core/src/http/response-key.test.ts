import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { Exchange } from './exchange.js';
import { responseKey, varyNames } from './response-key.js';

interface Asked extends Partial<Pick<Exchange, 'url' | 'host' | 'secure' | 'headers'>> {
  readonly identity?: string;
  readonly vary?: readonly string[];
  readonly query?: readonly string[];
}

function keyOf({ identity, vary = [], query, ...asked }: Asked): string {
  const exchange = { url: '/', host: 'example.org', secure: true, headers: {}, ...asked } as Exchange;
  return responseKey(exchange, { identity, vary, query: query && new Set(query) });
}

it('requests for the same answer have the same key', () => {
  const key = keyOf({ url: '/posts?a=1&b=2&b=1&c', vary: ['accept', 'accept-encoding'] });
  expect(key).toBe(keyOf({ url: '/posts?c&b=2&&b=1&a=1', vary: ['accept-encoding', 'accept'] }));
  const varied = (value: string) =>
    keyOf({ headers: { 'accept-encoding': value }, vary: ['accept-encoding'] });
  expect(varied('gzip;q=0.5, br')).toBe(varied('BR,x-gzip'));
  expect(key.length).toBeLessThan(64);
});

const asked: readonly Asked[] = [
  {},
  { url: '/posts' },
  { url: '/posts?a=1' },
  { url: '/posts?a=1&a=2' },
  { url: '/posts?a=2&a=1' },
  { url: '/posts?%61=1&a=2' },
  { url: '/posts', host: 'other.example' },
  { url: '/posts', headers: { host: 'example.org:81' } },
  { url: '/posts', headers: { 'x-forwarded-host': 'other.example' } },
  { url: '/posts', headers: { 'x-forwarded-proto': 'http' } },
  { url: '/posts', secure: false },
  { url: '/posts', identity: '' },
  { url: '/posts', identity: 'ann' },
  { url: '/posts', identity: 'null' },
  { url: '/posts', vary: ['accept'] },
  { url: '/posts', vary: ['accept'], headers: { accept: 'text/html' } },
  { url: '/posts', vary: ['accept', 'origin'], headers: { accept: 'text/html' } },
  { url: '/posts', vary: ['accept', 'origin'], headers: { origin: 'text/html' } },
];

it('whatever makes a difference makes another key', () => {
  expect(new Set(asked.map(keyOf)).size).toBe(asked.length);
});

it('no text is mistaken for another part of the request', () => {
  const part = fc.string({ unit: fc.constantFrom('a', '"', ','), maxLength: 3 }); // few, so that they meet
  fc.assert(
    fc.property(fc.tuple(part, part, part), fc.tuple(part, part, part), (one, other) => {
      const key = ([path, host, identity]: readonly [string, string, string]) =>
        keyOf({ url: `/${encodeURIComponent(path)}`, host, identity });
      expect(key(one) === key(other)).toBe(JSON.stringify(one) === JSON.stringify(other));
    }),
  );
});

it('of parameters only those count that are named, and those that a parser might take for them', () => {
  const posts = (search: string) => keyOf({ url: `/posts?${search}`, query: ['page', 'sort'] });
  expect(posts('page=1&utm_source=x&fbclid')).toBe(posts('fbclid=y&page=1'));
  const searches = ['page=1', 'page=2', 'sort=1', 'page=1&page=2', 'page=1&%70age=2', 'page=1&page[]=2'];
  const odd = ['page=1&page.x=2', 'page=1&utm=;page=2', 'page=1&%=2', 'page=1&pa+ge=2'];
  expect(new Set([...searches, ...odd].map(posts)).size).toBe(searches.length + odd.length);
});

it('headers that are not named make none', () => {
  expect(keyOf({ headers: { accept: 'text/html' } })).toBe(keyOf({ headers: { accept: 'image/png' } }));
});

it('names in Vary are read in any case and spacing', () => {
  expect(varyNames('Origin,  Accept-Encoding ,')).toEqual(['origin', 'accept-encoding']);
  expect([varyNames(undefined), varyNames('')]).toEqual([[], []]);
});
