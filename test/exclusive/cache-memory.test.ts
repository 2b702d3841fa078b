import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { createMemoryWorld } from '@pando/core/cache';
import { expect, it } from 'vitest';
import { composeCache } from '../../packages/core/src/cache/create.js';
import { cacheDefaults } from '../../packages/core/src/cache/options.js';
import { createKernel } from '../../packages/core/src/kernel/kernel.js';
import { createMetrics } from '../../packages/core/src/metrics/index.js';
import { exposedValue, parseExposition } from '../../packages/core/src/testing/exposition.js';
import { testSize } from '../infra/context.js';

const isFull = testSize() === 'full';
const keys = isFull ? 1_000_000 : 60_000;

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

/** What the process holds on to. */
function heldBytes(): number {
  collectGarbage();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

/** Values of every shape: what they take beside their JSON differs more than tenfold. */
const shapes: readonly ((id: number) => unknown)[] = [
  (id) => id,
  (id) => id / 3,
  (id) => `The post ${id}`,
  (id) => 'ж'.repeat(100 + (id % 100)),
  (id) => ({ id, title: `The post ${id}`, author: { id: id % 17, name: 'Ann' }, tags: ['one', 'two'] }),
  (id) => Array.from({ length: 20 }, (_, row) => ({ id: id + row, likes: row, isPublished: true })),
  () => Array.from({ length: 20 }, () => ({})),
  (id) => Object.fromEntries(Array.from({ length: 40 }, (_, column) => [`${id}-${column}`, column])),
];

it(`${keys} values take no more memory than local.maxBytes allows, and most of that`, {
  timeout: isFull ? 1_800_000 : 180_000,
}, async () => {
  const { maxBytes } = cacheDefaults.local;
  const metrics = createMetrics();
  const kernel = createKernel({ meter: metrics.meter });
  const world = createMemoryWorld({ maxValues: 1 }); // what is shared is not held by this process
  const before = heldBytes();
  await using cache = composeCache({ local: { maxEntries: keys }, ttlMs: 3_600_000 }, { kernel, world });
  await cache.start();
  for (let id = 0; id < keys; id += 100) {
    await Promise.all(
      Array.from({ length: 100 }, (_, one) => {
        const shape = shapes[one % shapes.length] as (id: number) => unknown;
        return cache.getOrLoad(`post:${id + one}`, () => shape(id + one), { tags: [`author:${id % 1_000}`] });
      }),
    );
  }
  const held = heldBytes() - before;
  expect(held).toBeLessThan(maxBytes);
  expect(held).toBeGreaterThan(maxBytes / 2);

  const exposed = parseExposition(await metrics.expose(), metrics.contentType);
  const entries = exposedValue(exposed, 'pando_cache_local_entries') ?? 0;
  const evictions = exposedValue(exposed, 'pando_cache_local_evictions_total', { reason: 'room' });
  const weighed = exposedValue(exposed, 'pando_cache_local_bytes') ?? 0;
  expect(entries + (evictions ?? 0)).toBe(keys);
  expect(weighed).toBeLessThanOrEqual(maxBytes);
  expect(weighed).toBeGreaterThan(maxBytes * 0.95);
});
