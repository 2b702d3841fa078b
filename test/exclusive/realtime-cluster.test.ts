import { randomBytes } from 'node:crypto';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { createKernel } from '../../packages/core/src/kernel/kernel.js';
import { RedisBroker } from '../../packages/core/src/realtime/drivers/redis.js';
import { packMessage } from '../../packages/core/src/realtime/packing.js';
import { createRedisFloor } from '../../packages/core/src/redis/index.js';
import { presenceStoreSuite } from '../../packages/core/src/testing/suites/presence.js';
import { brokerSuite, brokerSuiteRetention } from '../../packages/core/src/testing/suites/realtime.js';
import { type RedisCluster, startRedisCluster } from '../infra/redis.js';

let cluster: RedisCluster;
beforeAll(async () => {
  cluster = await startRedisCluster();
});
afterAll(() => cluster?.close());

const opened: AsyncDisposable[] = [];
afterEach(async () => {
  for (const broker of opened.splice(0).reverse()) await broker[Symbol.asyncDispose]();
});

const silent = { onRestored: () => undefined, onBlind: () => undefined };

/** Brokers of one kit, whose name decides in which slot it is. */
async function setup() {
  const name = `cluster-${randomBytes(4).toString('hex')}`;
  const nodes = cluster.nodes.map(({ host, port }) => ({ host, port }));
  const broker = async () => {
    const floor = createRedisFloor({ nodes, commandTimeoutMs: 2_000 }, createKernel({ name }));
    const joined = new RedisBroker(floor, brokerSuiteRetention, { ownsFloor: true });
    opened.push(joined);
    await joined.start(silent);
    return joined;
  };
  return { broker };
}

brokerSuite('the Redis broker on a cluster', setup);
presenceStoreSuite('the presence of the Redis broker on a cluster', setup);

it('durable appends wait for a replica of the master that has the channel', async () => {
  const { broker } = await setup();
  const joined = await broker();
  const append = (id: string | undefined, replicas: number) =>
    joined.append('c', [{ id, packed: packMessage('', '1') }], {
      durability: { replicas, timeoutMs: 5_000 },
    });
  for (const id of [undefined, 'row:1']) await append(id, 1);
  await expect(append(undefined, 2)).rejects.toMatchObject({ code: 'PANDO_REALTIME_UNAVAILABLE' });
  expect((await joined.read('c', { from: '0-0', limit: 10 })).entries).toHaveLength(3);
});
