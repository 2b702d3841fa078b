import { createPando, type Pando } from '@pando/core';
import { type Cache, createCache } from '@pando/core/cache';
import { waitFor } from '@pando/core/testing';
import { Redis } from 'ioredis';
import { Client } from 'pg';
import { beforeEach, expect, it, onTestFinished } from 'vitest';
import { type TestRedis, testDatabase, testRedis } from '../../infra/context.js';

let redis: TestRedis;
let channel: string;
/** A service that knows nothing of Pando. */
let other: Redis;
const post7 = '{"resource_type": "post", "resource_id": 7}';

beforeEach(() => {
  redis = testRedis();
  channel = `${redis.prefix}cache_invalidation`;
  other = new Redis(redis.url);
  return () => other.disconnect();
});

async function start(name = redis.name): Promise<Cache> {
  const cache = createCache({ redis: redis.url, name, ttlMs: 600_000, doubtMs: 1, interop: { channel } });
  onTestFinished(() => cache.close());
  await cache.start();
  return cache;
}

/** Reads until the value comes from the cache: twice the same. */
async function settled(cache: Cache, load: () => Promise<unknown>): Promise<unknown> {
  let loads = 0;
  const counted = () => {
    loads++;
    return load();
  };
  let value: unknown;
  await waitFor(async () => {
    const before = loads;
    value = await cache.getOrLoad('post:7', counted);
    return loads === before;
  });
  return value;
}

it('what another service publishes is invalidated on every instance, which then share one value again', async () => {
  const caches = [await start(), await start(), await start()];
  for (const cache of caches) expect(await settled(cache, async () => 'old')).toBe('old');
  await other.publish(channel, post7);
  for (const cache of caches) {
    // It may be served already what was loaded for another one: "newer".
    await waitFor(async () => (await cache.getOrLoad('post:7', () => 'new')) !== 'old');
    expect(await settled(cache, async () => 'newer')).toMatch(/^newe?r?$/);
  }
  const values = new Set(await Promise.all(caches.map((cache) => settled(cache, async () => 'newest'))));
  expect(values.size).toBe(1);
  expect(values).not.toContain('old');
});

it('what is invalidated here is published once, and two fleets that listen to each other come to rest', async () => {
  const heard: string[] = [];
  const ear = other.duplicate();
  onTestFinished(() => ear.disconnect());
  ear.on('message', (_, message: string) => heard.push(message));
  await ear.subscribe(channel);
  const [here, there] = [await start(), await start(`${redis.name}-too`)];
  for (const cache of [here, there]) expect(await settled(cache, async () => 'old')).toBe('old');

  await here.invalidate(['post:7', 'posts']);
  await waitFor(async () => (await there.getOrLoad('post:7', () => 'new')) === 'new');
  expect(await settled(there, async () => 'new')).toBe('new');
  await there.invalidate(['user:1']); // comes behind whatever else was said
  await waitFor(() => heard.some((message) => message.includes('user')));
  expect(heard.map((message) => JSON.parse(message))).toEqual([
    { resource_type: 'post', resource_id: '7', origin: redis.name },
    { resource_type: 'user', resource_id: '1', origin: `${redis.name}-too` },
  ]);
});

it('values that other services write are read from replicas only where those have come so far', async () => {
  const { primary, replicas } = await testDatabase();
  const writer = new Client({ connectionString: primary });
  await writer.connect();
  onTestFinished(() => writer.end());
  await writer.query('create table posts (id int primary key, title text)');
  await writer.query(`insert into posts values (7, 'old')`);
  const pandos: Pando[] = [];
  for (let index = 0; index < 2; index++) {
    const pando = await createPando({
      ...{ name: redis.name, redis: redis.url, db: { primary, replicas }, lifecycle: { signals: false } },
      cache: { ttlMs: 600_000, doubtMs: 1, interop: { channel } },
    });
    onTestFinished(() => pando.close());
    pandos.push(pando);
  }
  const title = async ({ db }: Pando) =>
    (await db.read('select title from posts where id = 7')).rows[0]?.title;
  for (const pando of pandos) await settled(pando.cache, () => title(pando));
  for (let round = 0; round < 5; round++) {
    await writer.query('update posts set title = $1 where id = 7', [`${round}`]);
    await other.publish(channel, post7);
    for (const pando of pandos) {
      await waitFor(async () => (await settled(pando.cache, () => title(pando))) === `${round}`);
    }
  }
});
