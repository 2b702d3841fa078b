import { waitFor } from '@pando/core/testing';
import { Cluster, Redis } from 'ioredis';
import { expect, test } from 'vitest';
import { startRedis, startRedisCluster, startSentinel } from '../../infra/redis.js';

test('a Redis server keeps its port over a kill and comes back empty', async () => {
  await using server = await startRedis();
  const { port, pid } = server;
  await server.command('set', 'key', 'value');

  await server.kill();
  expect(server.running).toBe(false);
  await expect(server.command('ping')).rejects.toThrow();

  await server.restart();
  expect(server.port).toBe(port);
  expect(server.pid).not.toBe(pid);
  expect(await server.command('get', 'key')).toBeNull();
});

test('a Redis server that keeps its data has it after a restart', async () => {
  await using server = await startRedis();
  await server.command('set', 'key', 'value');
  await server.restart({ keepData: true });
  expect(await server.command('get', 'key')).toBe('value');
});

test('a frozen Redis server accepts connections and answers once it is thawed', async () => {
  await using server = await startRedis();
  server.freeze();
  const client = server.connect();
  let answered = false;
  const answer = client.ping().then((pong) => {
    answered = true;
    return pong;
  });
  await waitFor(() => client.status === 'connect');
  expect(answered).toBe(false);
  server.thaw();
  expect(await answer).toBe('PONG');
  client.disconnect();
});

test('a Redis server with TLS and a password lets in who has both', async () => {
  await using server = await startRedis({ tls: true, password: 'open sesame' });
  expect(server.url).toMatch(/^rediss:/);
  expect(await server.command('ping')).toBe('PONG');
  const stranger = new Redis({
    host: server.host,
    port: server.port,
    retryStrategy: () => null,
    lazyConnect: true,
  });
  stranger.on('error', () => undefined);
  await expect(stranger.connect()).rejects.toThrow();
});

test('a port that is taken is reported with what the server said', async () => {
  await using server = await startRedis();
  await expect(startRedis({ port: server.port })).rejects.toThrow(/Address already in use/);
});

test('a Redis Cluster serves all slots and survives the kill of a master', async () => {
  await using cluster = await startRedisCluster({ masters: 3, replicasPerMaster: 1, nodeTimeoutMs: 500 });
  const client = new Cluster(cluster.nodes.map(({ host, port }) => ({ host, port })));
  client.on('error', () => undefined);
  const keys = Array.from({ length: 30 }, (_, index) => `key-${index}`);
  for (const key of keys) await client.set(key, key);
  expect(new Set(await Promise.all(keys.map((key) => cluster.masterOf(key)))).size).toBe(3);

  const master = await cluster.masterOf('key-0');
  await client.wait(1, 1000);
  await master.kill();
  const successor = await waitFor(
    async () => {
      const node = await cluster.masterOf('key-0');
      return node !== master && node;
    },
    { message: 'a replica to take over' },
  );
  expect(await successor.command('get', 'key-0')).toBe('key-0');
  client.disconnect();
});

test('Sentinels agree on another primary after the kill of the first', async () => {
  await using group = await startSentinel({ replicas: 1, sentinels: 3 });
  expect(await group.currentPrimary()).toBe(group.primary);
  const client = new Redis({ sentinels: group.nodes, name: group.name });
  client.on('error', () => undefined);
  await client.set('key', 'value');
  await client.wait(1, 1000);
  await group.primary.kill();
  await waitFor(async () => (await group.currentPrimary()) === group.replicas[0], { message: 'a failover' });
  expect(await client.get('key')).toBe('value');
  client.disconnect();
});
