import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { emptyToken } from '../../kernel/token.js';
import { createMetrics } from '../../metrics/index.js';
import { exposedValue, parseExposition } from '../../testing/exposition.js';
import { LocalEntry } from '../local-entry.js';
import { createSieveLevel, type LocalBounds } from './sieve.js';

function setup(bounds: LocalBounds) {
  const metrics = createMetrics();
  const level = createSieveLevel(bounds, metrics.meter);
  const evictions = async (reason: string) => {
    const exposed = parseExposition(await metrics.expose(), metrics.contentType);
    return exposedValue(exposed, 'pando_cache_local_evictions_total', { reason }) ?? 0;
  };
  const keys = (...all: string[]) => all.filter((key) => level.get(key)?.key === key);
  return { level, evictions, keys };
}

const entry = (key: string, bytes: number) =>
  new LocalEntry({
    ...{ key, value: 1, epoch: 'e', asOf: 0, tags: [key], seen: emptyToken },
    ...{ expiresAt: 1_000, aheadMs: 0, staleMs: 0, staleIfErrorMs: 0, bytes },
  });

describe('the local level', () => {
  it('makes room by number, for what was used', async () => {
    const { level, evictions, keys } = setup({ maxEntries: 2, maxBytes: 100_000 });
    for (const key of ['a', 'b']) level.set(entry(key, 1_000));
    level.get('a');
    level.set(entry('c', 1_000));
    expect(keys('a', 'b', 'c')).toEqual(['a', 'c']);
    expect(await evictions('room')).toBe(1);
    expect([level.size, level.bytes]).toEqual([2, 2_000]);
  });

  it('makes room by memory', async () => {
    const { level, evictions } = setup({ maxEntries: 100, maxBytes: 10_000 });
    for (let key = 0; key < 5; key++) level.set(entry(`${key}`, 3_000));
    expect([level.size, level.bytes]).toEqual([3, 9_000]);
    expect(await evictions('room')).toBe(2);
  });

  it('keeps what is used again and again through any number of others that are not', () => {
    const { level, keys } = setup({ maxEntries: 10, maxBytes: 100_000 });
    level.set(entry('hot', 1_000));
    for (let key = 0; key < 1_000; key++) {
      expect(level.get('hot')).toBeDefined();
      level.set(entry(`${key}`, 1_000));
    }
    expect(keys('hot')).toEqual(['hot']);
  });

  it('makes room where all were used', () => {
    const { level, keys } = setup({ maxEntries: 3, maxBytes: 100_000 });
    for (const key of ['a', 'b', 'c']) level.set(entry(key, 1_000));
    keys('a', 'b', 'c');
    level.set(entry('d', 1_000));
    expect(keys('a', 'b', 'c', 'd')).toEqual(['b', 'c', 'd']);
  });

  it('leaves the others alone for the sake of one that is too large, whose predecessor goes', async () => {
    const { level, evictions, keys } = setup({ maxEntries: 100, maxBytes: 10_000 });
    for (const key of ['a', 'b']) level.set(entry(key, 3_000));
    level.set(entry('b', 10_001));
    expect(keys('a', 'b')).toEqual(['a']);
    expect([await evictions('too_large'), await evictions('room')]).toEqual([1, 0]);
  });

  it('counts neither what is replaced nor what is taken out', async () => {
    const { level, evictions } = setup({ maxEntries: 2, maxBytes: 10_000 });
    for (let round = 0; round < 3; round++) level.set(entry('a', 1_000));
    level.delete('a');
    level.set(entry('a', 1_000));
    level.clear();
    expect([level.size, level.bytes, await evictions('room')]).toEqual([0, 0, 0]);
  });

  it('stays within its bounds and has what it says, whatever is done to it', () => {
    const key = fc.integer({ min: 0, max: 12 }).map(String);
    const step = fc.oneof(
      { weight: 4, arbitrary: fc.record({ set: key, bytes: fc.integer({ min: 1, max: 40 }) }) },
      { weight: 3, arbitrary: fc.record({ get: key }) },
      { weight: 2, arbitrary: fc.record({ delete: key }) },
      fc.constant('clear' as const),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const level = createSieveLevel({ maxEntries: 5, maxBytes: 100 });
        const last = new Map<string, LocalEntry>();
        for (const one of steps) {
          if (one === 'clear') level.clear();
          else if ('get' in one) level.get(one.get);
          else if ('delete' in one) level.delete(one.delete);
          else level.set(last.set(one.set, entry(one.set, one.bytes)).get(one.set) as LocalEntry);
          if (typeof one === 'object' && 'set' in one) expect(level.get(one.set)).toBe(last.get(one.set));
          if (typeof one === 'object' && 'delete' in one) expect(level.get(one.delete)).toBeUndefined();
          const kept = [...last].filter(([key, entry]) => level.get(key) === entry);
          expect(level.size).toBe(kept.length);
          expect(level.bytes).toBe(kept.reduce((sum, [, { bytes }]) => sum + bytes, 0));
          expect(level.size <= 5 && level.bytes <= 100).toBe(true);
        }
      }),
    );
  });
});
