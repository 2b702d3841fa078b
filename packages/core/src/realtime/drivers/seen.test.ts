import fc from 'fast-check';
import { expect, it } from 'vitest';
import { arbitraryToken } from '../../kernel/arbitrary-token.js';
import { coversToken, dbToken } from '../../kernel/token.js';
import { seenArguments, seenToken } from './seen.js';

const there = (given: readonly (string | number)[]): Buffer[] => {
  const fields: Buffer[] = [];
  for (let at = 0; at < given.length; at += 2)
    fields.push(Buffer.from(String(given[at + 1])), Buffer.from(String(given[at])));
  return fields;
};

it('a token that Redis has merged covers what went in, and nothing more below eight petabytes of log', () => {
  fc.assert(
    fc.property(arbitraryToken, (token) => {
      const back = seenToken(there(seenArguments(token)));
      expect(coversToken(back, token)).toBe(true);
      if (token.db.every(({ lsn }) => lsn <= 2n ** 53n)) expect(back).toEqual(token);
    }),
  );
});

it('positions that a double cannot hold are rounded up', () => {
  for (const lsn of [2n ** 53n + 1n, 2n ** 63n + 1n, 2n ** 64n - 1n]) {
    const token = dbToken({ shard: 'main', system: '1', timeline: 1, lsn });
    expect(coversToken(seenToken(there(seenArguments(token))), token)).toBe(true);
  }
});

it('what is no coordinate is left out', () => {
  expect(seenToken(there([1, 'x y z']))).toEqual(seenToken([]));
});
