import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createFakeClock } from '../../testing/fake-clock.js';
import { limitStoreSuite } from '../../testing/suites/limits.js';
import type { Algorithm, LimitRule } from '../ports.js';
import { createMemoryStore, createMemoryWorld } from './memory.js';
import { MemoryCounters } from './memory-counters.js';

const world = createMemoryWorld();
limitStoreSuite('a store in memory', async () => ({
  store: async () => createMemoryStore({ maxKeys: 1_000, world }),
}));

it.each<Algorithm>(['sliding', 'strict', 'fixed', 'bucket'])(
  'a store in memory never lets more than the limit pass at once, however costs are mixed (%s)',
  (algorithm) => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 30 }),
        fc.integer({ min: 1, max: 30 }),
        fc.array(fc.integer({ min: 1, max: 10 }), { maxLength: 40 }),
        (short, long, costs) => {
          const store = createMemoryStore({ clock: createFakeClock(), maxKeys: 10 });
          const windows = [
            { limit: short, windowMs: 60_000 },
            { limit: long, windowMs: 120_000 },
          ];
          const rule: LimitRule = { id: 'p', algorithm, windows };
          const room = Math.min(short, long);
          let spent = 0;
          for (const amount of costs) {
            const { fits, remaining } = store.answer({ rule, key: 'k', kind: 'spend', amount });
            expect(fits).toBe(spent + amount <= room);
            if (fits) spent += amount;
            if (fits) expect(remaining).toBe(room - spent);
            // Nothing is lost either: what is left is what was not spent.
            expect(store.answer({ rule, key: 'k', kind: 'peek', amount: 1 }).remaining).toBe(room - spent);
          }
        },
      ),
    );
  },
);

describe('the bound of keys', () => {
  const rule: LimitRule = { id: 'p', algorithm: 'fixed', windows: [{ limit: 1, windowMs: 1_000 }] };
  const spend = (counters: MemoryCounters, key: string) =>
    counters.answer({ rule, key, kind: 'spend', amount: 1 }).fits;

  it('lets new keys share a few counters when it is full, and leaves the others alone', () => {
    const counters = new MemoryCounters(createFakeClock(), 100);
    for (let key = 0; key < 100; key++) expect(spend(counters, `k${key}`)).toBe(true);
    let passed = 0;
    for (let key = 100; key < 10_000; key++) passed += Number(spend(counters, `k${key}`));
    expect(passed).toBe(64);
    expect(counters.size).toBe(164);
    for (let key = 0; key < 100; key++) expect(spend(counters, `k${key}`)).toBe(false);
  });

  it('has room again when windows have ended, without a timer', async () => {
    const clock = createFakeClock();
    const counters = new MemoryCounters(clock, 2);
    spend(counters, 'a');
    await clock.advance(500);
    spend(counters, 'b');
    await clock.advance(500);
    expect(clock.pending).toBe(0);
    expect(spend(counters, 'c')).toBe(true);
    expect(spend(counters, 'b')).toBe(false);
    expect(counters.size).toBe(2);
  });

  it('forgets what has ended, little by little', async () => {
    const clock = createFakeClock();
    const counters = new MemoryCounters(clock, 1_000);
    for (let key = 0; key < 400; key++) spend(counters, `old${key}`);
    await clock.advance(1_000);
    for (let key = 0; key < 200; key++) spend(counters, `new${key}`);
    expect(counters.size).toBe(200);
  });
});
