import { waitFor } from '@pando/core/testing';
import { expect, it } from 'vitest';
import { Site } from '../followers/site.js';
import { testSize } from '../infra/context.js';
import { startRedis } from '../infra/redis.js';

const isFull = testSize() === 'full';
const SLOW = isFull ? 60 : 12;
const FAST = isFull ? 1_000 : 40;
/** Of the fast ones: who takes all that the slow ones take. */
const EVERYTHING = isFull ? 40 : 10;
const SECONDS = isFull ? 60 : 3;
const BURST = 4;
/** Of the larger messages, in a round. */
const BURSTS = 4;
const LARGE_BYTES = 8_192;
/** Whoever waited for a slow one to take a round would wait for two minutes. */
const HEARD_MS = 10_000;
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
  const [news, heavy] = site.channels as [string, string];
  const fast = Array.from({ length: EVERYTHING / 5 }, () => site.followEveryWay([news, heavy], url)).flat();
  while (fast.length < FAST) fast.push(...site.followEveryWay([news], url));
  await site.settled();
  const slow = Array.from({ length: SLOW }, (_, n) =>
    site.followSlowly(1_024, n % 2 === 0 ? [heavy] : site.channels, url),
  );
  await waitFor(() => slow.every(({ ear }) => ear.connections > 0));
  await site.publishEverywhere();
  const of = fast.map(({ ear }) => ear.listener);
  await waitFor(() => site.verifier.violations({ isCaughtUp: true, of }).length === 0);
  const connections = fast.map(({ ear }) => ear.connections);
  const before = await site.vitals(0);

  let largestQueueBytes = 0;
  let slowestMs = 0;
  let isParked = false;
  const due = of.map(({ messages }) => messages);
  const end = performance.now() + SECONDS * 1_000;
  // The system takes megabytes for each before the process notices that nobody reads.
  while (!isParked || performance.now() < end) {
    const startedAt = performance.now();
    await site.publish(0, news, { burst: BURST });
    for (let n = 0; n < BURSTS; n++) await site.publish(0, heavy, { burst: BURST, bytes: LARGE_BYTES });
    for (const [index, { channels }] of of.entries())
      due[index] = (due[index] ?? 0) + (channels.includes(heavy) ? BURST * (1 + BURSTS) : BURST);
    await waitFor(() => of.every(({ messages }, index) => messages >= (due[index] ?? 0)), {
      timeoutMs: HEARD_MS,
      message: 'the fast ones to hear what the slow ones cannot have taken yet',
    });
    slowestMs = Math.max(slowestMs, performance.now() - startedAt);
    const vitals = await site.vitals(0);
    largestQueueBytes = Math.max(largestQueueBytes, vitals.largestQueueBytes);
    isParked = (await site.counted('pando_realtime_parked_total')) >= SLOW;
  }
  const after = await site.vitals(0);
  const least = Math.min(...fast.slice(0, EVERYTHING).map(({ ear }) => ear.listener.messages));
  for (const { ear } of slow) expect(ear.listener.messages).toBeLessThan(least / 2);
  expect(fast.map(({ ear }) => ear.connections)).toEqual(connections);
  expect(largestQueueBytes).toBeLessThanOrEqual(2 * SOFT_LIMIT_BYTES);
  expect(after.rss - before.rss).toBeLessThan(SLOW * 2 * SOFT_LIMIT_BYTES + SLACK_BYTES);

  for (const { hurry } of slow) hurry();
  await site.caughtUp({ timeoutMs: isFull ? 120_000 : 20_000 });
  for (const { ear } of fast) expect([...ear.listener.resets.values()].flat()).toEqual([]);
  for (const { ear } of slow)
    for (const reasons of ear.listener.resets.values())
      expect(reasons.filter((reason) => reason !== 'slow' && reason !== 'trimmed')).toEqual([]);
  console.log(
    `${site.verifier.confirmed} published, each heard by ${FAST} within ${Math.round(slowestMs)} ms; largest queue ${largestQueueBytes} bytes, ${(after.rss - before.rss) >> 10} KiB more`,
  );
});
