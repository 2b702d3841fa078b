import { waitFor } from '@pando/core/testing';
import { expect, it } from 'vitest';
import { systemClock } from '../../../packages/core/src/kernel/clock.js';
import {
  cacheToken,
  dbToken,
  emptyToken,
  mergeTokens,
  pendingToken,
} from '../../../packages/core/src/kernel/token.js';
import { createRedisShelf } from '../../../packages/core/src/redis/token-shelf.js';
import { testRedis } from '../../infra/context.js';
import { startRedis } from '../../infra/redis.js';
import { floorsOfThisFile } from './floors.js';

const { url } = testRedis();
const { open, closeLater } = floorsOfThisFile();

const bounds = { lifeMs: 60_000, timeoutMs: 5_000 };
const at = (lsn: bigint) => dbToken({ shard: 'main', system: '7', timeline: 1, lsn });

it('two instances keep what either was told, in whatever order it comes', async () => {
  const one = await open(url);
  const two = await open(url, { name: one.keys.name });
  const [here, there] = [createRedisShelf(one, systemClock), createRedisShelf(two, systemClock)];
  await Promise.all(
    Array.from({ length: 100 }, (_, n) =>
      (n % 2 ? here : there).keep('ann', at(BigInt((n * 37) % 101)), bounds),
    ),
  );
  await there.keep('ann', mergeTokens(cacheToken({ epoch: 'e', sequence: 3 }), pendingToken('row')), bounds);
  const all = mergeTokens(
    at(100n),
    mergeTokens(cacheToken({ epoch: 'e', sequence: 3 }), pendingToken('row')),
  );
  expect(await here.read('ann', bounds)).toEqual(all);
  expect(await here.read('bob', bounds)).toEqual(emptyToken);
});

it('a coordinate ends with its own life, however long others are written', async () => {
  const floor = await open(url);
  const shelf = createRedisShelf(floor, systemClock);
  await shelf.keep('ann', cacheToken({ epoch: 'gone', sequence: 9 }), { ...bounds, lifeMs: 50 });
  await waitFor(
    async () => {
      await shelf.keep('ann', at(5n), bounds);
      return (await shelf.read('ann', bounds)).cache.length === 0;
    },
    { message: 'the coordinate to end' },
  );
  expect(await shelf.read('ann', bounds)).toEqual(at(5n));
});

it('names of users are no part of what Redis shows, and keys end by themselves', async () => {
  const floor = await open(url);
  await createRedisShelf(floor, systemClock).keep('ann@example.org', at(1n), bounds);
  const keys = (await floor.call(['KEYS', floor.keys.spread('user', '*')])) as readonly string[];
  expect(keys).toHaveLength(1);
  expect(keys[0]).not.toContain('ann');
  expect(await floor.call(['PTTL', keys[0] as string])).toBeGreaterThan(0);
});

it('after Redis has lost its data nobody claims to know what was kept', async () => {
  const redis = await startRedis();
  closeLater(() => redis.close());
  const floor = await open(redis.url);
  const shelf = createRedisShelf(floor, systemClock);
  const { epoch } = floor;
  await shelf.keep('ann', at(1n), bounds);
  await redis.restart();
  await waitFor(() => floor.isUp && floor.epoch !== epoch, { message: 'another epoch' });
  await expect(shelf.read('ann', bounds)).rejects.toThrow('Redis has lost its data');
});

it('what Redis did not take is kept here at once, and there when it is back', async () => {
  const redis = await startRedis();
  closeLater(() => redis.close());
  const one = await open(redis.url);
  const two = await open(redis.url, { name: one.keys.name });
  const [here, there] = [createRedisShelf(one, systemClock), createRedisShelf(two, systemClock)];
  await redis.kill();
  await waitFor(() => !one.isUp, { message: 'Redis to be away' });
  await expect(here.keep('ann', at(8n), bounds)).rejects.toThrow();
  await redis.restart();
  const brief = { lifeMs: 1, timeoutMs: 5_000 }; // whether data was lost is not what is asked here
  await waitFor(
    async () => {
      const kept = await there.read('ann', brief).catch(() => emptyToken);
      return kept.db[0]?.lsn === 8n;
    },
    { message: 'the other instance to know' },
  );
});
