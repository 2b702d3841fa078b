import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { Exchange } from './exchange.js';
import { responseKey, varyNames } from './response-key.js';

interface Asked extends Partial<Pick<Exchange, 'url' | 'host' | 'secure' | 'headers'>> {
  readonly identity?: string;
  readonly vary?: readonly string[];
}

function keyOf({ identity, vary = [], ...asked }: Asked): string {
  const exchange = { url: '/', host: 'example.org', secure: true, headers: {}, ...asked } as Exchange;
  return responseKey(exchange, identity, vary);
}

it('requests for the same answer have the same key', () => {
  const key = keyOf({ url: '/posts?a=1&b=2&b=1&c', vary: ['accept', 'accept-encoding'] });
  expect(key).toBe(keyOf({ url: '/posts?c&b=2&&b=1&a=1', vary: ['accept-encoding', 'accept'] }));
  const varied = (value: string) =>
    keyOf({ headers: { 'accept-encoding': value }, vary: ['accept-encoding'] });
  expect(varied('gzip, br')).toBe(varied('GZIP,br'));
  expect(key.length).toBeLessThan(64);
});

const asked: readonly Asked[] = [
  {},
  { url: '/posts' },
  { url: '/posts?a=1' },
  { url: '/posts?a=1&a=2' },
  { url: '/posts?a=2&a=1' },
  { url: '/posts', host: 'other.example' },
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

it('headers that are not named make none', () => {
  expect(keyOf({ headers: { accept: 'text/html' } })).toBe(keyOf({ headers: { accept: 'image/png' } }));
});

it('names in Vary are read in any case and spacing', () => {
  expect(varyNames('Origin,  Accept-Encoding ,')).toEqual(['origin', 'accept-encoding']);
  expect([varyNames(undefined), varyNames('')]).toEqual([[], []]);
});
