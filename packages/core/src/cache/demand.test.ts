import fc from 'fast-check';
import { expect, it } from 'vitest';
import { decodeDemand, encodeDemand } from './demand.js';

const position = fc.record({
  shard: fc.string({ unit: 'grapheme', minLength: 1 }),
  system: fc.string({ unit: 'grapheme', minLength: 1 }),
  timeline: fc.nat(0xffff_ffff),
  lsn: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
});

it('comes back as it was', () => {
  fc.assert(
    fc.property(fc.array(position), (positions) => {
      expect(decodeDemand(encodeDemand(positions))).toEqual(positions);
    }),
  );
});

it('orders positions of one database as texts', () => {
  const place = (timeline: number, lsn: bigint) =>
    encodeDemand([{ shard: 's', system: 'y', timeline, lsn }]).split(',')[2] ?? '';
  fc.assert(
    fc.property(position, position, (a, b) => {
      const order = a.timeline - b.timeline || (a.lsn < b.lsn ? -1 : a.lsn > b.lsn ? 1 : 0);
      const texts = [place(a.timeline, a.lsn), place(b.timeline, b.lsn)] as const;
      expect(Math.sign(order)).toBe(texts[0] < texts[1] ? -1 : texts[0] > texts[1] ? 1 : 0);
    }),
  );
});

it('is refused when it is none', () => {
  expect(() => decodeDemand('main,7,short')).toThrow(/not a database position/);
});
