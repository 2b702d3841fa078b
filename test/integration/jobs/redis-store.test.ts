import { jobStoreSuite } from '@pando/core/testing/suites';
import { RedisJobStore } from '../../../packages/core/src/jobs/drivers/redis.js';
import { testRedis } from '../../infra/context.js';
import { floorsOfThisFile, patiently } from '../redis/floors.js';

const { open } = floorsOfThisFile();

jobStoreSuite('a store of jobs in Redis', async () => {
  const { url, name } = testRedis();
  return {
    store: async () => new RedisJobStore({ redis: await open(patiently(url), { name }), isOwner: false }),
  };
});
