import { sharedLevelSuite } from '@pando/core/testing/suites';
import { expect, it, onTestFinished } from 'vitest';
import { RedisLevel } from '../../../packages/core/src/cache/drivers/redis.js';
import { createKernel } from '../../../packages/core/src/kernel/kernel.js';
import { createRedisFloor } from '../../../packages/core/src/redis/index.js';
import { type TestRedis, testRedis } from '../../infra/context.js';

const limits = { maxTags: 20, doubtMs: 300 };

async function open({ url, name }: TestRedis) {
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
}

sharedLevelSuite(
  'the Redis level',
  async () => {
    const redis = testRedis();
    const { floor: admin } = await open(redis);
    return {
      level: async () => (await open(redis)).level,
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

it('has nothing that Redis could evict without its values, and forget on which history they stand', async () => {
  const on = (timeline: number) => ({ shard: 'main', system: '7', timeline, isOther: false });
  for (let lost = 0; ; lost++) {
    const redis = testRedis();
    const { floor, level } = await open(redis);
    await level.follow(on(3));
    await level.follow({ ...on(1), shard: 'a shard; of another name' });
    const { epoch } = await level.invalidate({ tags: ['x'], written: [], settles: ['id'] });
    const keys = (await floor.call(['KEYS', `*${redis.name}*`])) as string[];
    const key = keys.sort()[lost];
    if (key === undefined) break;
    await floor.call(['DEL', key]);
    const { level: newcomer } = await open(redis); // does not know that it ever was another one
    expect({ key, epoch: (await newcomer.follow(on(4))).clock.epoch }).not.toEqual({ key, epoch });
  }
});
