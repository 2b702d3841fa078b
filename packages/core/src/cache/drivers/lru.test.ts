import { describe, expect, it } from 'vitest';
import { emptyToken } from '../../kernel/token.js';
import { createMetrics } from '../../metrics/index.js';
import { exposedValue, parseExposition } from '../../testing/exposition.js';
import type { LocalEntry } from '../ports.js';
import { createLruLevel, type LruBounds } from './lru.js';

function setup(bounds: LruBounds) {
  const metrics = createMetrics();
  const level = createLruLevel(bounds, metrics.meter);
  const evictions = async (reason: string) => {
    const exposed = parseExposition(await metrics.expose(), metrics.contentType);
    return exposedValue(exposed, 'pando_cache_local_evictions_total', { reason }) ?? 0;
  };
  return { level, evictions };
}

const entry = { outcome: Promise.resolve(1), tags: [], seen: emptyToken } as unknown as LocalEntry;

describe('the local level', () => {
  it('makes room by number, for what was used last', async () => {
    const { level, evictions } = setup({ maxEntries: 2, maxBytes: 100_000 });
    for (const key of ['a', 'b']) level.set(key, entry, 1_000);
    level.get('a');
    level.set('c', entry, 1_000);
    expect(['a', 'b', 'c'].map((key) => level.get(key) === entry)).toEqual([true, false, true]);
    expect(await evictions('room')).toBe(1);
    expect([level.size, level.bytes]).toEqual([2, 2_000]);
  });

  it('makes room by memory', async () => {
    const { level, evictions } = setup({ maxEntries: 100, maxBytes: 10_000 });
    for (let key = 0; key < 5; key++) level.set(`${key}`, entry, 3_000);
    expect([level.size, level.bytes]).toEqual([3, 9_000]);
    expect(await evictions('room')).toBe(2);
  });

  it('leaves the others alone for the sake of one that is too large, whose predecessor goes', async () => {
    const { level, evictions } = setup({ maxEntries: 100, maxBytes: 10_000 });
    for (const key of ['a', 'b']) level.set(key, entry, 3_000);
    level.set('b', entry, 10_001);
    expect([level.get('a'), level.get('b')]).toEqual([entry, undefined]);
    expect([await evictions('too_large'), await evictions('room')]).toEqual([1, 0]);
  });

  it('counts neither what is replaced nor what is taken out', async () => {
    const { level, evictions } = setup({ maxEntries: 2, maxBytes: 10_000 });
    for (let round = 0; round < 3; round++) level.set('a', entry, 1_000);
    level.delete('a');
    level.set('a', entry, 1_000);
    level.clear();
    expect([level.size, level.bytes, await evictions('room')]).toEqual([0, 0, 0]);
  });
});
