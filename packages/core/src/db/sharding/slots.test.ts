import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseSlots, slotCount, slotMap, slotOf, spreadSlots } from './slots.js';

const shardNames = fc.uniqueArray(fc.stringMatching(/^[a-z0-9-]{1,12}$/), { minLength: 1, maxLength: 12 });

describe('the slot of a key', () => {
  it('is the first 12 bits of its SHA-256, for ever', () => {
    expect(['ann', 'bob', '42', 'été'].map(slotOf)).toEqual([1_177, 2_075, 1_844, 3_024]);
    fc.assert(
      fc.property(fc.string(), (key) => {
        const hex = createHash('sha256').update(key, 'utf8').digest('hex');
        expect(slotOf(key)).toBe(Number.parseInt(hex.slice(0, 3), 16));
      }),
    );
  });

  it('is any of them with the same chance', () => {
    const counts = new Array<number>(slotCount).fill(0);
    const keys = 40_000;
    for (let key = 0; key < keys; key++) {
      const slot = slotOf(`user:${key}`);
      counts[slot] = (counts[slot] as number) + 1;
    }
    const expected = keys / slotCount;
    const chiSquared = counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
    // 4,095 degrees of freedom: mean 4,095, deviation 90. The keys are fixed, and so is the outcome.
    expect(Math.abs(chiSquared - (slotCount - 1))).toBeLessThan(3 * Math.sqrt(2 * slotCount));
  });
});

describe('slots spread over shards', () => {
  it('do not depend on the order of the names', () => {
    fc.assert(
      fc.property(shardNames, (names) => {
        expect(spreadSlots(names.toReversed())).toEqual(spreadSlots(names));
      }),
      { numRuns: 20 },
    );
  });

  it('move to a shard that is added, and nowhere else', () => {
    fc.assert(
      fc.property(shardNames, (names) => {
        const [added = '', ...present] = names;
        if (present.length === 0) return;
        const before = spreadSlots(present);
        for (const [slot, shard] of spreadSlots(names).entries()) {
          if (shard !== added) expect(shard).toBe(before[slot]);
        }
      }),
      { numRuns: 20 },
    );
  });

  it('are shared fairly', () => {
    for (const count of [2, 3, 4, 8, 16]) {
      const names = Array.from({ length: count }, (_, index) => `shard-${index}`);
      const shares = names.map((name) => spreadSlots(names).filter((owner) => owner === name).length);
      const fair = slotCount / count;
      const deviation = Math.sqrt(fair * (1 - 1 / count));
      for (const share of shares) expect(Math.abs(share - fair), `${shares}`).toBeLessThan(4 * deviation);
    }
  });

  it('read back as they were written', () => {
    fc.assert(
      fc.property(shardNames, (names) => {
        const owners = spreadSlots(names);
        for (const [shard, text] of Object.entries(slotMap(names))) {
          for (const { first, last } of parseSlots(text) ?? []) {
            for (let slot = first; slot <= last; slot++) expect(owners[slot]).toBe(shard);
          }
        }
        const written = Object.values(slotMap(names)).flatMap((text) => parseSlots(text) ?? []);
        expect(written.reduce((sum, { first, last }) => sum + last - first + 1, 0)).toBe(slotCount);
      }),
      { numRuns: 10 },
    );
  });

  it.each(['a', '5-4', '1,,2', '-1', '0-4096', '1.5', '1;2'])('refuse %j', (text) => {
    expect(parseSlots(text)).toBeUndefined();
  });
});
