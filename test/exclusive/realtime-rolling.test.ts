import { expect, it } from 'vitest';
import { logReads } from '../followers/log-reads.js';
import { Site } from '../followers/site.js';
import { testSize } from '../infra/context.js';
import { startRedis } from '../infra/redis.js';

const isFull = testSize() === 'full';
const CLIENTS = isFull ? 900 : 90;
const DRAIN_MS = isFull ? 6_000 : 1_200;

it('instances that are restarted one after the other send their clients away bit by bit, and nobody loses or repeats anything', async () => {
  await using redis = await startRedis();
  const realtime = { drainMs: DRAIN_MS, reconnect: { minMs: 1, maxMs: 300 } };
  await using site = await Site.start({ redis: () => redis.url, realtime });
  for (let n = 0; n < CLIENTS; n++) {
    const channels = n % 2 === 0 ? site.channels : [site.channels[n % 3] as string];
    if (n % 3 === 0) site.followStream(n % 2 === 0 ? 'eventsource' : 'undici', channels);
    else if (n % 3 === 1) site.followLive(n % 2 === 0 ? 'sse' : 'ws', channels);
    else site.followSocket(channels);
  }
  await site.settled();
  const readsBefore = await logReads(redis);
  const load = site.load({ everyMs: 40 });
  for (const [index, instance] of site.instances.entries()) {
    const from = performance.now();
    await instance.restart();
    const ends = site.ears
      .flatMap(({ endedAt }) => endedAt.find((at) => at >= from) ?? [])
      .sort((a, b) => a - b);
    expect(ends.length, `clients of instance ${index + 1}`).toBeGreaterThan(CLIENTS / 10);
    // Evenly spread it would be half of them in half of the time. A machine that stops for a moment may add to it.
    const most = Math.max(
      ...ends.map((at) => ends.filter((end) => end >= at && end < at + DRAIN_MS / 2).length),
    );
    expect(most / ends.length, 'share of the clients sent away in half of the time').toBeLessThan(0.8);
    await site.published(30);
  }
  await load.stop();
  await site.caughtUp();
  expect(site.verifier.resets().flat()).toEqual([]);
  expect(site.ears.some(({ hasGivenUp }) => hasGivenUp)).toBe(false);
  const reads = (await logReads(redis)) - readsBefore;
  expect(reads, 'reads of the log').toBeLessThan(CLIENTS); // they share them
  console.log(
    `${site.verifier.confirmed} published, ${site.verifier.messages} seen, ${reads} reads of the log`,
  );
});
