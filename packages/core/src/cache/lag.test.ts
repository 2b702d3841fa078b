import { describe, expect, it } from 'vitest';
import { createMetrics } from '../metrics/index.js';
import { exposedValue, parseExposition } from '../testing/exposition.js';
import { createFakeClock } from '../testing/fake-clock.js';
import { createMemoryWorld, MemoryLevel } from './drivers/memory.js';
import { InvalidationLag } from './lag.js';

function setup() {
  const clock = createFakeClock();
  const metrics = createMetrics();
  const deliveries: (() => void)[] = [];
  const travel = { replyMs: 0 };
  const world = createMemoryWorld({ clock, carry: (_, deliver) => void deliveries.push(deliver) });
  const level = new MemoryLevel(world);
  const lag = new InvalidationLag(level, clock, metrics.meter);
  const invalidate = () =>
    lag.measure(async () => {
      const reply = await level.invalidate({ tags: ['t'], written: [], settles: [] });
      await clock.advance(travel.replyMs);
      return reply;
    });
  const seconds = async () => {
    const exposed = parseExposition(await metrics.expose(), metrics.contentType);
    const name = 'pando_cache_invalidation_lag_seconds';
    return { count: exposedValue(exposed, `${name}_count`), sum: exposedValue(exposed, `${name}_sum`) };
  };
  return { clock, level, lag, deliveries, travel, invalidate, seconds };
}

describe('the lag of invalidations', () => {
  it('ends with the announcement, which may come after the reply', async () => {
    const { clock, invalidate, deliveries, seconds } = setup();
    await invalidate();
    expect(await seconds()).toEqual({ count: 0, sum: 0 });
    await clock.advance(3);
    deliveries[0]?.();
    expect(await seconds()).toEqual({ count: 1, sum: 0.003 });
  });

  it('or before it', async () => {
    const { travel, invalidate, deliveries, clock, seconds } = setup();
    travel.replyMs = 10;
    clock.after(4, () => deliveries[0]?.());
    await invalidate();
    expect(await seconds()).toEqual({ count: 1, sum: 0.004 });
  });

  it('is measured once, and for what was called here only', async () => {
    const { level, invalidate, deliveries, seconds, lag } = setup();
    await level.invalidate({ tags: ['t'], written: [], settles: [] });
    await invalidate();
    for (const deliver of [...deliveries, ...deliveries]) deliver();
    expect((await seconds()).count).toBe(1);
    level.setUp(false);
    await expect(invalidate()).rejects.toThrow();
    lag[Symbol.dispose]();
  });
});
