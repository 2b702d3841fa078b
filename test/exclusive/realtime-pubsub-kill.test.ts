import { waitFor } from '@pando/core/testing';
import { expect, it } from 'vitest';
import { Site } from '../followers/site.js';
import { testSize } from '../infra/context.js';
import { startRedis } from '../infra/redis.js';

const isFull = testSize() === 'full';
const KILLS = isFull ? 60 : 8;
const KILL_EVERY_MS = isFull ? 1_000 : 400;

it('subscribers cut from Redis again and again under load: no client loses, repeats or notices anything', async () => {
  await using redis = await startRedis();
  await using site = await Site.start({ redis: () => redis.url });
  for (let n = 0; n < 24; n++) {
    if (n % 2 === 0) site.followStream(n % 4 === 0 ? 'eventsource' : 'undici', site.channels.slice(n % 3));
    else if (n % 4 === 1) site.followSocket(site.channels.slice(n % 3));
    else site.followLive(n % 8 === 3 ? 'sse' : 'ws', site.channels.slice(n % 3));
  }
  await site.settled();
  const before = site.ears.map(({ connections }) => connections);
  const load = site.load({ burst: 1, everyMs: 10 });
  for (let kill = 0; kill < KILLS; kill++) {
    const killedAt = performance.now();
    await waitFor(async () => Number(await redis.command('CLIENT', 'KILL', 'TYPE', 'pubsub')) > 0);
    await waitFor(() => performance.now() - killedAt > KILL_EVERY_MS);
  }
  await load.stop();
  await site.caughtUp();
  expect(site.verifier.resets().flat()).toEqual([]);
  expect(site.ears.map(({ connections }) => connections)).toEqual(before);
  expect(await site.counted('pando_realtime_gaps_total')).toBeGreaterThan(0);
  console.log(`${site.verifier.confirmed} published, ${site.verifier.messages} seen, ${KILLS} kills`);
});
