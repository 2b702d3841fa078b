import { waitFor } from '@pando/core/testing';
import { describe, expect, it } from 'vitest';
import { Site } from '../followers/site.js';
import { startRedis } from '../infra/redis.js';

/** The time that a publish may take before it is refused, and what a busy machine may add. */
const REFUSED_MS = 150 + 2_000;

describe('Redis that stands still under load', () => {
  it('makes publishes fail within their deadline; connections stay, and nothing is lost or repeated', async () => {
    await using redis = await startRedis();
    await using site = await Site.start({ redis: () => redis.url });
    for (let n = 0; n < 3; n++) site.followEveryWay(site.channels.slice(n));
    await site.settled();
    const before = site.ears.map(({ connections }) => connections);
    const load = site.load();
    await site.published(50);
    redis.freeze();
    await waitFor(() => (site.refusals.get(503) ?? 0) > 30, { message: 'refusals' });
    redis.thaw();
    await site.published(100);
    await load.stop();
    await site.caughtUp();
    expect(site.verifier.resets().flat()).toEqual([]);
    expect(site.ears.map(({ connections }) => connections)).toEqual(before);
    expect([...site.refusals.keys()]).toEqual([503]);
    expect(site.slowestMs).toBeLessThan(REFUSED_MS);
  });

  it('makes publishes wait, where that is wanted, and each is carried out once', async () => {
    await using redis = await startRedis();
    const realtime = { onUnavailable: 'wait', publishWaitMs: 20_000 } as const;
    await using site = await Site.start({ redis: () => redis.url, realtime });
    for (let n = 0; n < 3; n++) site.followEveryWay(site.channels.slice(n));
    await site.settled();
    const before = site.ears.map(({ connections }) => connections);
    const load = site.load();
    await site.published(50);
    redis.freeze();
    const frozenAt = performance.now();
    await waitFor(() => performance.now() - frozenAt > 1_500);
    redis.thaw();
    await site.published(100);
    await load.stop();
    await site.caughtUp();
    expect(site.verifier.resets().flat()).toEqual([]);
    expect(site.ears.map(({ connections }) => connections)).toEqual(before);
    expect(site.refusals.size).toBe(0);
    expect(site.slowestMs).toBeGreaterThan(1_000); // some did wait
  });
});
