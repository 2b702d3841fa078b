import fc from 'fast-check';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { createFakeClock } from '../../testing/fake-clock.js';
import { limitStoreSuite } from '../../testing/suites/limits.js';
import { KeyBound } from './key-bound.js';
import { createMemoryStore, createMemoryWorld } from './memory.js';

const world = createMemoryWorld();
limitStoreSuite('a store in memory', async () => ({
  store: async () => createMemoryStore({ maxKeys: 1_000, world }),
}));

it('a store in memory never lets more than the limit pass, however calls and costs are mixed', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 30 }),
      fc.integer({ min: 1, max: 30 }),
      fc.array(fc.array(fc.integer({ min: 1, max: 10 }), { maxLength: 8 }), { maxLength: 8 }),
      async (short, long, turns) => {
        const store = createMemoryStore({ maxKeys: 10 });
        const counters = store.counters('p', [
          { limit: short, windowMs: 60_000 },
          { limit: long, windowMs: 120_000 },
        ]);
        let spent = 0;
        for (const costs of turns) {
          const uses = await Promise.all(costs.map((cost) => counters.spend('k', cost)));
          for (const [index, cost] of costs.entries())
            if (uses[index]?.every(({ fits }) => fits)) spent += cost;
          expect(spent).toBeLessThanOrEqual(Math.min(short, long));
          // Nothing is lost either: what is left for one call is what was not spent.
          const left = await counters.spend('k', 1_000);
          expect(left.map(({ remaining }) => remaining)).toEqual([short - spent, long - spent]);
        }
      },
    ),
  );
});

it('a store in memory owes the next window nothing when it gives back', async () => {
  vi.useFakeTimers({ toFake: ['Date'] });
  onTestFinished(() => void vi.useRealTimers());
  const counters = createMemoryStore({ maxKeys: 10 }).counters('p', [
    { limit: 5, windowMs: 100 },
    { limit: 2, windowMs: 60_000 },
  ]);
  await counters.spend('k', 2);
  const refused = counters.spend('k', 2); // counted, and about to be given back
  vi.setSystemTime(Date.now() + 100);
  expect((await refused).map(({ fits }) => fits)).toEqual([true, false]);
  expect((await counters.spend('k', 1))[0]?.remaining).toBe(5);
});

describe('the bound of keys', () => {
  it('lets new keys share a few counters when it is full, and leaves the others alone', () => {
    const bound = new KeyBound(createFakeClock(), 1_000, 100);
    for (let key = 0; key < 100; key++) expect(bound.admit(`k${key}`)).toBe(`k${key}`);
    const shared = new Set<string>();
    for (let key = 100; key < 10_000; key++) shared.add(bound.admit(`k${key}`));
    expect(shared.size).toBe(64);
    expect(bound.admit('k7')).toBe('k7');
    expect(bound.size).toBe(100);
    expect(bound.admit('k5000')).toBe(bound.admit('k5000'));
  });

  it('has room again when windows have ended', async () => {
    const clock = createFakeClock();
    const bound = new KeyBound(clock, 1_000, 2);
    bound.admit('a');
    await clock.advance(500);
    bound.admit('b');
    await clock.advance(500);
    expect(bound.admit('c')).toBe('c');
    expect(bound.admit('a')).not.toBe('a');
    await clock.advance(500);
    expect(bound.admit('a')).toBe('a');
    expect(bound.size).toBe(2);
  });
});
