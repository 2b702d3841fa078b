import { describe, expect, it } from 'vitest';
import { Site } from '../followers/site.js';
import type { RedisServer } from '../infra/redis.js';
import { startRedis } from '../infra/redis.js';

/** The time that a publish may take before it is refused, and what a busy machine may add. */
const REFUSED_MS = 150 + 2_000;

describe('Redis that loses everything under load', () => {
  it.each([
    ['because it is killed and starts empty', (redis: RedisServer) => redis.restart()],
    ['under standing connections', async (redis: RedisServer) => void (await redis.command('FLUSHALL'))],
  ])('%s: each client is told exactly once, and goes on', async (_, lose) => {
    await using redis = await startRedis();
    await using site = await Site.start({ redis: () => redis.url });
    for (let n = 0; n < 12; n++) {
      const channels = site.channels.slice(0, 1 + (n % 3));
      if (n % 2 === 0) site.followStream(n % 4 === 0 ? 'eventsource' : 'undici', channels);
      else if (n % 4 === 1) site.followSocket(channels);
      else site.followLive(n % 8 === 3 ? 'sse' : 'ws', channels);
    }
    await site.settled();
    const before = site.ears.map(({ connections }) => connections);
    const load = site.load();
    await site.published(50);
    await lose(redis);
    await site.published(100);
    await load.stop();
    await site.caughtUp();
    for (const reasons of site.verifier.resets()) expect(reasons).toEqual(['failover']);
    expect(site.ears.map(({ connections }) => connections)).toEqual(before);
    for (const status of site.refusals.keys()) expect(status).toBe(503);
    expect(site.slowestMs).toBeLessThan(REFUSED_MS);
  });
});
