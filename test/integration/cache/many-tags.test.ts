import { createCache } from '@pando/core/cache';
import { waitFor } from '@pando/core/testing';
import { expect, it, onTestFinished } from 'vitest';
import { createKernel } from '../../../packages/core/src/kernel/kernel.js';
import { createRedisFloor } from '../../../packages/core/src/redis/index.js';
import { testSize } from '../../infra/context.js';
import { startRedis } from '../../infra/redis.js';

/** More than are remembered. */
const tags = testSize() === 'full' ? 1_000_000 : 105_000;
const remembered = 100_000;
const perCall = 1_000;

it('however many tags are invalidated, Redis remembers a bounded number, and what it has forgotten counts as invalid', async () => {
  const server = await startRedis(); // of its own: so much work holds others up
  onTestFinished(() => server.close());
  const open = async () => {
    const kernel = createKernel();
    const redis = createRedisFloor({ url: server.url, commandTimeoutMs: 30_000 }, kernel);
    const cache = createCache({ ttlMs: 3_600_000, doubtMs: 1 }, { kernel, redis });
    onTestFinished(async () => {
      await cache.close();
      await redis.close();
    });
    await redis.start();
    await cache.start();
    return { cache, redis, keys: kernel.keys };
  };
  const { cache, redis, keys } = await open();
  const isStored = (key: string) =>
    waitFor(() => redis.call(['EXISTS', keys.spread('cache', 'v', key)]), { message: `${key} in Redis` });
  for (const key of ['forgotten', 'untouched']) {
    await cache.getOrLoad(key, () => 'old', { tags: [`tag of ${key}`] });
    await isStored(key);
  }
  await cache.invalidate(['tag of forgotten']);
  for (let from = 0; from < tags; from += perCall) {
    await cache.invalidate(Array.from({ length: perCall }, (_, index) => `tag:${from + index}`));
  }
  await cache.getOrLoad('late', () => 'late');
  await isStored('late');

  const size = Number(await redis.call(['ZCARD', keys.atomic('cache', 'state')]));
  expect(size).toBeGreaterThan(remembered - perCall);
  expect(size).toBeLessThan(remembered + perCall);
  expect(await redis.call(['ZSCORE', keys.atomic('cache', 'state'), 'ttag of forgotten'])).toBe(null);
  const { cache: newcomer } = await open(); // has heard nothing, and is told nothing
  const serve = (key: string) => newcomer.getOrLoad(key, () => 'new');
  expect(await serve('forgotten')).toBe('new');
  expect(await serve('untouched')).toBe('new'); // too much, but never too little
  expect(await serve('late')).toBe('late');
});
