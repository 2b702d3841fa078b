import { createCache } from '@pando/core/cache';
import { waitFor } from '@pando/core/testing';
import { sharedLevelSuite } from '@pando/core/testing/suites';
import { Redis } from 'ioredis';
import { beforeAll, expect, it, onTestFinished } from 'vitest';
import { RedisLevel } from '../../packages/core/src/cache/drivers/redis.js';
import { createKernel } from '../../packages/core/src/kernel/kernel.js';
import { createRedisFloor } from '../../packages/core/src/redis/index.js';
import { CacheFleet, type CacheProcess, Source } from '../infra/cache-processes.js';
import { type RedisCluster, startRedisCluster } from '../infra/redis.js';

const limits = { maxTags: 20, doubtMs: 300 };
let cluster: RedisCluster;
let worlds = 0;
beforeAll(async () => {
  cluster = await startRedisCluster();
  return () => cluster.close();
});

sharedLevelSuite(
  'the Redis level on a cluster',
  async () => {
    const kernel = createKernel({ name: `cache-cluster-${++worlds}` });
    const open = async () => {
      const floor = createRedisFloor(
        { nodes: cluster.nodes.map(({ host, port }) => ({ host, port })) },
        kernel,
      );
      const onError = (cause: unknown) => {
        throw cause;
      };
      const level = new RedisLevel(floor, { ...limits, ownsFloor: true, onError });
      onTestFinished(() => level.close());
      await level.start();
      return { floor, level };
    };
    const { floor: admin } = await open();
    return {
      level: async () => (await open()).level,
      lose: async () => {
        const { keys } = admin;
        const names = [
          keys.atomic('cache', 'state'),
          keys.atomic('cache', 'demands'),
          keys.atomic('cache', 'settled', 'id'),
          keys.spread('cache', 'v', 'k'),
        ];
        for (const name of names) await admin.call(['DEL', name]);
      },
    };
  },
  limits,
);

it('services that know nothing of Pando are heard on any node, and told on every one', async () => {
  const channel = 'cache-cluster-interop';
  const nodes = cluster.nodes.map(({ host, port }) => ({ host, port }));
  const start = async () => {
    const cache = createCache({
      ...{ redis: { nodes }, name: 'cache-cluster-interop', ttlMs: 3_600_000, doubtMs: 1 },
      interop: { channel },
    });
    onTestFinished(() => cache.close());
    await cache.start();
    return cache;
  };
  const [a, b] = [await start(), await start()];
  const services = nodes.map(({ host, port }) => new Redis({ host, port }));
  onTestFinished(() => {
    for (const service of services) service.disconnect();
  });

  for (const [index, service] of services.entries()) {
    const key = `post:${index}`;
    for (const cache of [a, b]) await cache.getOrLoad(key, () => 'old');
    await service.publish(channel, JSON.stringify({ resource_type: 'post', resource_id: index }));
    for (const cache of [a, b]) {
      await waitFor(async () => (await cache.getOrLoad(key, () => 'new')) === 'new');
    }
  }

  const heard = services.map(() => new Set<string>());
  for (const [index, service] of services.entries()) {
    await service.subscribe(channel);
    service.on('message', (_, text) => {
      const { resource_type, resource_id } = JSON.parse(text) as Record<string, string>;
      heard[index]?.add(`${resource_type}:${resource_id}`);
    });
  }
  await a.invalidate(['author:7']);
  await waitFor(() => heard.every((tags) => tags.has('author:7')));
});

it('whoever holds the token of a write reads it while the master of the state is replaced, and all do afterwards', async () => {
  const name = 'cache-cluster';
  await using source = await Source.open();
  await using fleet = await CacheFleet.start({
    name,
    source,
    options: {
      redis: { nodes: cluster.nodes.map(({ host, port }) => ({ host, port })) },
      cache: { ttlMs: 3_600_000, doubtMs: 1 },
    },
  });
  const [a, b] = fleet.processes as [CacheProcess, CacheProcess];
  const raced = async (key: string) => {
    source.set(key, 'old');
    const gate = source.gate(key);
    const first = a.get(key);
    await gate.arrived();
    source.set(key, 'new');
    const token = await b.invalidate([key]);
    gate.open();
    await first;
    for (const process of [b, a]) expect(await process.read(key, { token })).toBe('new');
    return token;
  };
  await raced('before');

  const { keys } = createKernel({ name: `${name}-sound` });
  const master = await cluster.masterOf(keys.atomic('epoch'));
  await master.kill();
  const token = await raced('during'); // nobody confirms it, perhaps
  await waitFor(
    async () => (await Promise.all([a.state(), b.state()])).every(({ isUp, isLive }) => isUp && isLive),
    { timeoutMs: 30_000, message: 'both processes to have their Redis back' },
  );
  for (const process of [a, b]) {
    expect(await process.read('during', { token })).toBe('new');
    await waitFor(async () => (await process.read('during')) === 'new');
    expect(await process.read('before')).toBe('new');
  }
  await raced('after');
});
