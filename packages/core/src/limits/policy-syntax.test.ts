import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { counterKey } from './key.js';
import { parseWindow } from './policy-syntax.js';

describe('the policy syntax', () => {
  it.each([
    ['60/min', 60, 60_000],
    ['100/h', 100, 3_600_000],
    ['10/s', 10, 1_000],
    ['5/15m', 5, 900_000],
    ['1000/day', 1_000, 86_400_000],
    ['3 / 2 hours', 3, 7_200_000],
    ['7/250ms', 7, 250],
    ['20/30Seconds', 20, 30_000],
  ])('%s', (text, limit, windowMs) => {
    expect(parseWindow(text)).toEqual({ limit, windowMs });
  });

  it.each(['', '60', '/min', '60/', '60/month', '-1/s', '1.5/s', '60/minn', '60/mss', '60 per min', '1e3/s'])(
    'is not %j',
    (text) => {
      expect(parseWindow(text)).toBeUndefined();
    },
  );
});

describe('the name of a key in the counters', () => {
  it('is the key itself when that is short and harmless', () => {
    for (const key of ['user:42', '203.0.113.7', '2001:db8::/64', 'x'.repeat(64)])
      expect(counterKey(key)).toBe(key);
  });

  it('is bounded and printable, whatever the key', () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.string({ unit: 'binary', minLength: 1, maxLength: 500 }), fc.string()),
        (key) => {
          fc.pre(key !== '');
          expect(counterKey(key)).toMatch(/^[!-~]{1,64}$/);
        },
      ),
    );
  });

  it('differs for different keys, also when one looks like the hash of another', () => {
    const long = 'x'.repeat(65);
    const forged = counterKey(long);
    expect(counterKey(forged)).not.toBe(forged);
    expect(counterKey('a b')).not.toBe(counterKey('a\nb'));
  });
});
