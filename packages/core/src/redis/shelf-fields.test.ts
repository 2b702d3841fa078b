import fc from 'fast-check';
import { expect, test } from 'vitest';
import { arbitraryToken } from '../kernel/arbitrary-token.js';
import { compareDbPositions, dbToken, emptyToken } from '../kernel/token.js';
import { fieldsOf, tokenOf } from './shelf-fields.js';

/** As Redis would keep and reply them. */
const kept = (fields: readonly string[]): string[] =>
  fields.map((text, at) => (at % 2 === 0 ? text : `${text}@1700000000000`));

test('every token comes back as it was kept', () => {
  fc.assert(
    fc.property(arbitraryToken, (token) => {
      expect(tokenOf(kept(fieldsOf(token)))).toEqual(token);
    }),
  );
});

test('positions are ordered as text as they are by themselves', () => {
  const position = fc.record({
    shard: fc.constant('main'),
    system: fc.constant('1'),
    timeline: fc.integer({ min: 1, max: 2 ** 32 - 1 }),
    lsn: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  });
  fc.assert(
    fc.property(position, position, (a, b) => {
      const [x, y] = [a, b].map((p) => fieldsOf(dbToken(p))[1] as string) as [string, string];
      expect(Math.sign(compareDbPositions(a, b))).toBe(x < y ? -1 : x > y ? 1 : 0);
    }),
  );
});

test('nothing is nothing', () => {
  expect(fieldsOf(emptyToken)).toEqual([]);
  expect(tokenOf([])).toEqual(emptyToken);
});

test('what a later release keeps is not passed over', () => {
  expect(() => tokenOf(['z1', 'x@1'])).toThrow('A later release');
});
