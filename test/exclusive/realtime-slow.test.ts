import { waitFor } from '@pando/core/testing';
import { expect, it } from 'vitest';
import { Site } from '../followers/site.js';
import { testSize } from '../infra/context.js';
import { startRedis } from '../infra/redis.js';

const isFull = testSize() === 'full';
const SLOW = isFull ? 60 : 12;
const FAST = isFull ? 40 : 8;
const SECONDS = isFull ? 60 : 3;
const SOFT_LIMIT_BYTES = 65_536;
/** What the rest of the process may grow by meanwhile: its heap is not collected to the last byte. */
const SLACK_BYTES = 80 * 1_048_576;

it('clients that take a kilobyte a second cost no more than their share, hold up nobody, and have everything in the end', async () => {
  await using redis = await startRedis();
  await using site = await Site.start({
    redis: () => redis.url,
    instances: 1,
    watchesSockets: true,
    realtime: { sendBufferBytes: SOFT_LIMIT_BYTES },
  });
  const { url } = site.instance(0);
  const [channel] = site.channels as [string];
  const slow = Array.from({ length: SLOW }, (_, n) =>
    site.followSlowly(1_024, n % 2 === 0 ? [channel] : site.channels, url),
  );
  const fast = Array.from({ length: FAST }, (_, n) =>
    n % 2 === 0 ? site.followStream('eventsource', [channel], url) : site.followSocket([channel], [url]),
  );
  await waitFor(async () => (await site.vitals(0)).sockets >= SLOW + FAST);
  await site.publishEverywhere();
  const before = await site.vitals(0);

  let largestQueueBytes = 0;
  let isParked = false;
  const end = performance.now() + SECONDS * 1_000;
  // The system takes megabytes for each before the process notices that nobody reads.
  while (!isParked || performance.now() < end) {
    await site.publish(0, channel, { burst: 4, bytes: 8_192 });
    const vitals = await site.vitals(0);
    largestQueueBytes = Math.max(largestQueueBytes, vitals.largestQueueBytes);
    isParked = (await site.counted('pando_realtime_parked_total')) >= SLOW;
  }
  await waitFor(
    () => {
      const of = fast.map(({ ear }) => ear.listener);
      return site.verifier.violations({ isCaughtUp: true, of }).length === 0;
    },
    { message: 'the fast ones to have everything, while the slow ones have not' },
  );
  const after = await site.vitals(0);
  const least = Math.min(...fast.map(({ ear }) => ear.listener.messages));
  for (const { ear } of slow) expect(ear.listener.messages).toBeLessThan(least / 2);
  expect(largestQueueBytes).toBeLessThanOrEqual(2 * SOFT_LIMIT_BYTES);
  expect(after.rss - before.rss).toBeLessThan(SLOW * 2 * SOFT_LIMIT_BYTES + SLACK_BYTES);

  for (const { hurry } of slow) hurry();
  await site.caughtUp({ timeoutMs: isFull ? 120_000 : 20_000 });
  for (const { ear } of fast) expect([...ear.listener.resets.values()].flat()).toEqual([]);
  for (const { ear } of slow)
    for (const reasons of ear.listener.resets.values())
      expect(reasons.filter((reason) => reason !== 'slow' && reason !== 'trimmed')).toEqual([]);
  console.log(
    `${site.verifier.confirmed} published, largest queue ${largestQueueBytes} bytes, ${(after.rss - before.rss) >> 10} KiB more`,
  );
});
