import { waitFor } from '@pando/core/testing';
import { expect, it } from 'vitest';
import { RedisChannels } from '../../../packages/core/src/realtime/drivers/redis-channels.js';
import type { RedisScript } from '../../../packages/core/src/redis/index.js';
import { testRedis } from '../../infra/context.js';
import { floorsOfThisFile, patiently } from '../redis/floors.js';

const { url, name } = testRedis();
const { open } = floorsOfThisFile();

/** Fails as the scripts of the log do where there is no epoch. */
const needsEpoch: RedisScript = {
  name: 'needs-epoch',
  source: `local id = redis.call('HGET', KEYS[1], 'id')
           return id or redis.error_reply('NOEPOCH the data set has lost its epoch')`,
};

it('an epoch that is lost begins anew once, also for who hears of the new one before its own call fails', async () => {
  const [one, other] = await Promise.all([open(patiently(url), { name }), open(patiently(url), { name })]);
  const lost = one.epoch;
  await one.call(['DEL', one.epochKey]);
  const late = new RedisChannels(one);
  let calls = 0;
  const read = async (): Promise<unknown> => {
    calls++;
    try {
      return await one.run(needsEpoch, [one.epochKey], []);
    } catch (cause) {
      await new RedisChannels(other).renewEpoch();
      await waitFor(() => one.epoch !== lost && one.epoch === other.epoch);
      throw cause;
    }
  };
  const epoch = await late.ask('reading failed', read);
  expect(calls).toBe(2);
  expect(epoch).toBe(other.epoch);
  expect([one.epoch, other.epoch]).toEqual([epoch, epoch]);
});
