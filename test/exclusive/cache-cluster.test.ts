import { sharedLevelSuite } from '@pando/core/testing/suites';
import { beforeAll, onTestFinished } from 'vitest';
import { RedisLevel } from '../../packages/core/src/cache/drivers/redis.js';
import { createKernel } from '../../packages/core/src/kernel/kernel.js';
import { createRedisFloor } from '../../packages/core/src/redis/index.js';
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
