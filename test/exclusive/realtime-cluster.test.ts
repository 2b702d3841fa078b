import { randomBytes } from 'node:crypto';
import { afterAll, afterEach, beforeAll } from 'vitest';
import { createKernel } from '../../packages/core/src/kernel/kernel.js';
import { RedisBroker } from '../../packages/core/src/realtime/drivers/redis.js';
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
