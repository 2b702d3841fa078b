import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { slotOf } from '../../redis/slot.js';
import { partitionOf, partitionTags } from './partitions.js';

const SLOTS = 16_384;

/** How many of these slots each of so many masters holds, where all have ranges of one size. */
function shares(slots: readonly number[], masters: number): readonly number[] {
  const counts = new Array<number>(masters).fill(0);
  for (const slot of slots) {
    const master = Math.floor((slot * masters) / SLOTS);
    counts[master] = (counts[master] ?? 0) + 1;
  }
  return counts;
}

const spread = (counts: readonly number[]): number => Math.max(...counts) - Math.min(...counts);

describe('the partitions of a kit', () => {
  const names = fc.stringMatching(/^[A-Za-z0-9_-]{1,64}$/);

  it('are 128, whatever the name of the kit, and name it in their tags', () => {
    fc.assert(
      fc.property(names, (kit) => {
        const tags = partitionTags(kit);
        expect(new Set(tags).size).toBe(128);
        for (const tag of tags) expect(tag.slice(0, tag.indexOf('.'))).toBe(kit);
      }),
    );
  });

  it('are shared evenly by 2 to 32 masters', () => {
    fc.assert(
      fc.property(names, (kit) => {
        const slots = partitionTags(kit).map(slotOf);
        for (let masters = 2; masters <= 32; masters++)
          expect(spread(shares(slots, masters)), `${masters} masters`).toBeLessThanOrEqual(2);
      }),
    );
  });

  it('would not be shared evenly if their tags were counted up', () => {
    const counted = Array.from({ length: 128 }, (_, number) => slotOf(`app.${number}`));
    expect(spread(shares(counted, 6))).toBeGreaterThan(2);
  });

  it('stay the same from release to release', () => {
    const tags = partitionTags('app');
    expect([0, 1, 64, 127].map((partition) => tags[partition])).toEqual([
      'app.377',
      'app.373',
      'app.128',
      'app.327',
    ]);
    expect(['orders', 'posts', 'room:1', 'room:2'].map(partitionOf)).toEqual([0, 55, 85, 53]);
  });
});

describe('the partition of a channel', () => {
  it('is the one whose range of slots its name lies in', () => {
    fc.assert(
      fc.property(fc.string(), (channel) => {
        const tag = partitionTags('app')[partitionOf(channel)] ?? '';
        expect(Math.floor(slotOf(tag) / 128)).toBe(Math.floor(slotOf(channel) / 128));
      }),
    );
  });

  it('is evenly likely for names as applications give them', () => {
    for (const name of ['user:', 'room/', 'orders.eu-']) {
      const counts = new Array<number>(128).fill(0);
      for (let number = 0; number < 12_800; number++) {
        const partition = partitionOf(`${name}${number}`);
        counts[partition] = (counts[partition] ?? 0) + 1;
      }
      expect(Math.min(...counts), name).toBeGreaterThan(50);
      expect(Math.max(...counts), name).toBeLessThan(150);
    }
  });
});
