import { waitFor } from '@pando/core/testing';
import { describe, expect, it } from 'vitest';
import { startRedis } from '../infra/redis.js';
import { RealtimeFleet } from '../integration/realtime/fleet.js';

/** What a busy machine may add to a promised deadline. */
const SLACK_MS = 500;
const DEADLINE_MS = 150;

describe('Redis that stands still under load', () => {
  it('makes publishes fail within their deadline; connections stay, and nothing is lost or repeated', async () => {
    await using redis = await startRedis();
    await using fleet = await RealtimeFleet.start({ redis: redis.url });
    await fleet.connectAll();
    await fleet.settled();
    const load = fleet.load();
    await waitFor(() => fleet.ledger.size > 100);
    redis.freeze();
    await waitFor(() => (fleet.refusals.get('PANDO_REALTIME_UNAVAILABLE') ?? 0) > 50, {
      message: 'refusals',
    });
    expect(fleet.areAllConnected).toBe(true);
    redis.thaw();
    const before = fleet.ledger.size;
    await waitFor(() => fleet.ledger.size > before + 100, { message: 'publishes to go on' });
    await load.stop();
    await fleet.caughtUp();
    expect(fleet.violations({ isCaughtUp: true })).toEqual([]);
    expect(fleet.resets().flat()).toEqual([]);
    expect(fleet.areAllConnected).toBe(true);
    expect(fleet.slowestMs).toBeLessThan(DEADLINE_MS + SLACK_MS);
    expect([...fleet.refusals.keys()]).toEqual(['PANDO_REALTIME_UNAVAILABLE']);
  });

  it('makes publishes wait, where that is wanted, and each is carried out once', async () => {
    await using redis = await startRedis();
    const options = { onUnavailable: 'wait', publishWaitMs: 20_000 } as const;
    await using fleet = await RealtimeFleet.start({ redis: redis.url, options });
    await fleet.connectAll();
    await fleet.settled();
    const load = fleet.load();
    const published = () => fleet.ledger.size;
    await waitFor(() => published() > 100);
    redis.freeze();
    const frozenAt = performance.now();
    await waitFor(() => performance.now() - frozenAt > 1_500);
    redis.thaw();
    const before = published();
    await waitFor(() => published() > before + 100, { message: 'publishes to go on' });
    await load.stop();
    await fleet.caughtUp();
    expect(fleet.violations({ isCaughtUp: true })).toEqual([]);
    expect(fleet.resets().flat()).toEqual([]);
    expect(fleet.refusals.size).toBe(0);
  });
});
