import { waitFor } from '@pando/core/testing';
import { expect, it, onTestFinished } from 'vitest';
import { CutProxy } from '../followers/cut-proxy.js';
import { StreamEar } from '../followers/ears.js';
import { type Follower, Site } from '../followers/site.js';
import { launchBrowser } from '../infra/browser.js';
import { testSize } from '../infra/context.js';
import { startRedis } from '../infra/redis.js';

const isFull = testSize() === 'full';
/** How far the cuts go: from the first byte of the answer's head to behind the first messages. */
const BYTES = 900;
/** After every byte, in the long form; else after some, and others for each client. */
const STEP = isFull ? 1 : 13;
const CUTS = Math.floor(BYTES / STEP);
/** Who is cut so often should not wait longer each time. */
const hasty = { minDelayMs: 1, maxDelayMs: 10 };
/** Before the first cut a client has to hear how soon it may come back. */
const BEFORE_BYTES = 2_000;
/** A browser takes the beginning of a head for the answer of a server that is none, and never comes back. */
const HEAD_BYTES = 450;
/** And after sockets that never opened it waits for seconds. */
const UPGRADE_BYTES = 200;

/** After how many bytes the connection with this number is cut. */
const limitOf = (fromByte: number) => (connection: number) => {
  if (connection === 0) return BEFORE_BYTES;
  return connection <= CUTS ? fromByte + connection * STEP : undefined;
};

it('connections that are cut after any number of bytes: every client resumes where it was, to the message', async () => {
  await using redis = await startRedis();
  await using site = await Site.start({
    redis: () => redis.url,
    instances: 2,
    // Who is cut before the first message makes no way: history must reach back to where it began.
    realtime: { reconnect: { minMs: 1, maxMs: 5 }, history: { size: 50_000 } },
  });
  const all: CutProxy[] = [];
  const open = async (index: number, fromByte = 0) => {
    const proxy = await CutProxy.open(site.instance(index).port, limitOf(fromByte + (all.length % STEP)));
    onTestFinished(() => proxy[Symbol.asyncDispose]());
    all.push(proxy);
    return proxy.url;
  };
  await using chromium = await launchBrowser();
  const followers: Follower[] = [];
  for (const channels of [site.channels, site.channels.slice(0, 1)]) {
    followers.push(site.followStream('eventsource', channels, await open(0)));
    followers.push(site.followStream('undici', channels, await open(1)));
    followers.push(site.followSocket(channels, [await open(followers.length % 2)]));
    followers.push(site.followLive('sse', channels, await open(0), hasty));
    followers.push(site.followLive('ws', channels, await open(1), hasty));
    await site.followInPage(
      await chromium.browser.newPage(),
      channels,
      await open(0, HEAD_BYTES),
      await open(1, UPGRADE_BYTES),
    );
  }
  const startedAt = performance.now();
  const load = site.load({ burst: 1, everyMs: isFull ? 40 : 10, bytes: 10 });
  await waitFor(() => all.every(({ cuts }) => cuts >= CUTS), {
    timeoutMs: isFull ? 400_000 : 40_000,
    message: () => `each connection to be cut ${CUTS} times: ${all.map(({ cuts }) => cuts)}`,
  });
  const tookMs = Math.round(performance.now() - startedAt);
  await load.stop();
  // Each connection brought a message or two, while the others went on.
  await site.caughtUp({ timeoutMs: isFull ? 120_000 : 20_000 });
  expect(site.verifier.resets().flat()).toEqual([]);
  expect(site.ears.some(({ hasGivenUp }) => hasGivenUp)).toBe(false);
  const repeated = site.ears.map((ear) => (ear instanceof StreamEar ? ear.repeated : 0));
  console.log(
    `${CUTS} cuts each in ${tookMs} ms; ${site.verifier.messages} seen over ${site.ears.map(({ connections }) => connections)} connections;`,
  );
  console.log(`heard again by an EventSource on several channels: ${repeated}`);
});
