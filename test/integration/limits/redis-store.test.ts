import { limitStoreSuite } from '@pando/core/testing/suites';
import { createRedisStore } from '../../../packages/core/src/limits/drivers/redis.js';
import { testRedis } from '../../infra/context.js';
import { floorsOfThisFile } from '../redis/floors.js';

const { open } = floorsOfThisFile();

limitStoreSuite('a store in Redis', async () => {
  const { url, name } = testRedis();
  return {
    store: async () =>
      createRedisStore({ redis: await open(url, { name }), isOwner: false, timeoutMs: 5_000 }),
  };
});
