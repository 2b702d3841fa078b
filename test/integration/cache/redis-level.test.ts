import { sharedLevelSuite } from '@pando/core/testing/suites';
import { onTestFinished } from 'vitest';
import { RedisLevel } from '../../../packages/core/src/cache/drivers/redis.js';
import { createKernel } from '../../../packages/core/src/kernel/kernel.js';
import { createRedisFloor } from '../../../packages/core/src/redis/index.js';
import { testRedis } from '../../infra/context.js';

const limits = { maxTags: 20, doubtMs: 300 };

sharedLevelSuite(
  'the Redis level',
  async () => {
    const { url, name } = testRedis();
    const open = async () => {
      const floor = createRedisFloor(url, createKernel({ name }));
      const level = new RedisLevel(floor, {
        ...limits,
        ownsFloor: true,
        onError: (cause) => {
          throw cause;
        },
      });
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
