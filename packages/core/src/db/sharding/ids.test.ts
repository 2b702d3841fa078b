import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { composeId, idEpochMs, slotOfId } from './ids.js';
import { slotEnd } from './slots.js';

const ticks = fc.bigInt({ min: 0n, max: (1n << 50n) - 1n });
const slots = fc.integer({ min: 0, max: slotEnd - 1 });

describe('an id', () => {
  it('carries its slot', () => {
    fc.assert(
      fc.property(ticks, slots, (tick, slot) => {
        const id = composeId(tick, slot);
        expect([id, BigInt(id)].map(slotOfId)).toEqual([slot, slot]);
      }),
    );
  });

  it('fits a bigint of Postgres, and is one for each tick and slot', () => {
    fc.assert(
      fc.property(ticks, ticks, slots, (one, other, slot) => {
        expect(BigInt(composeId(one, slot))).toBeLessThan(1n << 63n);
        expect(composeId(one, slot) === composeId(other, slot)).toBe(one === other);
      }),
    );
  });

  it('sorts by time, whatever its slot', () => {
    fc.assert(
      fc.property(ticks, ticks, slots, slots, (one, other, slot, otherSlot) => {
        const [ms, otherMs] = [one >> 9n, other >> 9n];
        fc.pre(ms !== otherMs);
        expect(BigInt(composeId(one, slot)) < BigInt(composeId(other, otherSlot))).toBe(ms < otherMs);
      }),
    );
  });

  it('has the documented layout', () => {
    const ms = BigInt(Date.UTC(2026, 0, 1) - idEpochMs);
    expect(composeId((ms << 9n) | 3n, 17)).toBe(String((ms << 22n) | (17n << 9n) | 3n));
  });

  it.each(['', 'x', '-1', '1.5', '9223372036854775808', '12345678901234567890', 2 ** 60, -1n, 1n << 63n])(
    'is not %s',
    (id) => {
      expect(slotOfId(id)).toBeUndefined();
    },
  );
});
