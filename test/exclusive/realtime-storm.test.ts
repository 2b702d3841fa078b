import { waitFor } from '@pando/core/testing';
import { expect, it } from 'vitest';
import { logReads } from '../followers/log-reads.js';
import { Site } from '../followers/site.js';
import { testSize } from '../infra/context.js';
import { startRedis } from '../infra/redis.js';

const isFull = testSize() === 'full';
const CLIENTS = isFull ? 5_000 : 300;
/** Several pages of the log. */
const BEHIND = isFull ? 500 : 260;
const PAGE_ENTRIES = 128;

it('thousands who come back at once, far behind, to an instance that knows nothing, share what is read for them', async () => {
  await using redis = await startRedis();
  await using site = await Site.start({ redis: () => redis.url, instances: 2 });
  const starts: Record<string, string> = {};
  for (const channel of site.channels) [starts[channel]] = (await site.publish(0, channel)) as [string];
  for (let n = 0; n < BEHIND; n++)
    await Promise.all(site.channels.map((channel) => site.publish(0, channel, { bytes: 20 })));
  const readsBefore = await logReads(redis);
  await site.vitals(1); // forgets what the event loop did until now
  const startedAt = performance.now();
  for (let n = 0; n < CLIENTS; n++) {
    const channel = site.channels[n % site.channels.length] as string;
    const since = { [channel]: starts[channel] as string };
    if (n % 2 === 0) site.followSocket([channel], [site.instance(1).url], since);
    else site.followLive(n % 4 === 1 ? 'ws' : 'sse', [channel], site.instance(1).url, { since });
  }
  await waitFor(() => site.ears.every(({ listener }) => listener.messages >= BEHIND), {
    timeoutMs: 120_000,
    message: 'everybody to have what they had missed',
  });
  const tookMs = Math.round(performance.now() - startedAt);
  const reads = (await logReads(redis)) - readsBefore;
  const { loopDelayP99Ms } = await site.vitals(1);
  await site.caughtUp();
  expect(site.verifier.resets().flat()).toEqual([]);
  console.log(
    `${CLIENTS} clients, ${tookMs} ms, ${reads} reads, event loop p99 ${Math.round(loopDelayP99Ms)} ms`,
  );
  // A page is kept for a second at least: a slow machine, on which the storm lasts, reads it again.
  const pages = site.channels.length * Math.ceil((BEHIND + 1) / PAGE_ENTRIES);
  expect(reads).toBeLessThanOrEqual(pages * (2 + tookMs / 1_000));
});
