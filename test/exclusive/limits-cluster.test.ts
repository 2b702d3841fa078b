import { createLimits } from '@pando/core/limits';
import { expect, it, onTestFinished } from 'vitest';
import { startRedisCluster } from '../infra/redis.js';

it('limits count together in a cluster, each key on the node of its slot', async () => {
  const cluster = await startRedisCluster();
  onTestFinished(() => cluster.close());
  const nodes = cluster.nodes.slice(0, 3).map(({ host, port }) => ({ host, port }));
  const options = { redis: { nodes }, policies: { write: ['3/min', '5/h'] }, decisionTimeoutMs: 5_000 };
  const rooms = [createLimits(options), createLimits(options)];
  for (const room of rooms) {
    onTestFinished(() => room.close());
    await room.start();
  }
  const keys = Array.from({ length: 50 }, (_, index) => `user:${index}`);
  const decisions = await Promise.all(
    keys.flatMap((key) => [0, 1, 2, 3].map((call) => rooms[call % 2]?.consume('write', key))),
  );
  expect(new Set(decisions.map((decision) => decision?.source))).toEqual(new Set(['redis']));
  expect(decisions.filter((decision) => decision?.allowed)).toHaveLength(3 * keys.length);
  for (const node of cluster.nodes.slice(0, 3))
    expect(Number(await node.command('DBSIZE'))).toBeGreaterThan(10);
});
