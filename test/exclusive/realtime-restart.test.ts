import { waitFor } from '@pando/core/testing';
import { describe, expect, it } from 'vitest';
import { Site } from '../followers/site.js';
import { startRedis } from '../infra/redis.js';
import { channels, RealtimeFleet } from '../integration/realtime/fleet.js';

describe('Redis that ends under load and comes back', () => {
  it('with its data: each client is told exactly once in each channel, and goes on', async () => {
    await using redis = await startRedis();
    await using site = await Site.start({ redis: () => redis.url });
    for (let n = 0; n < 3; n++) site.followEveryWay(site.channels.slice(n));
    await site.settled();
    const before = site.ears.map(({ connections }) => connections);
    const load = site.load();
    await site.published(50);
    await redis.restart({ keepData: true });
    await site.published(100);
    await load.stop();
    await site.caughtUp();
    for (const reasons of site.verifier.resets()) expect(reasons).toEqual(['failover']);
    expect(site.ears.map(({ connections }) => connections)).toEqual(before);
    for (const status of site.refusals.keys()) expect(status).toBe(503);
  });

  it('with its data: nobody is told anything, if that is to be verified instead', async () => {
    await using redis = await startRedis();
    await using fleet = await RealtimeFleet.start({ redis: redis.url, options: { failover: 'verify' } });
    await fleet.connectAll();
    await fleet.settled();
    await redis.restart({ keepData: true });
    await Promise.all(channels.map((channel) => fleet.publish(fleet.room(0), channel)));
    await fleet.caughtUp();
    expect(fleet.resets().flat()).toEqual([]);
    expect(fleet.areAllConnected).toBe(true);
  });

  it('empty: clients that come back later with an old position are told, too', async () => {
    await using redis = await startRedis();
    await using fleet = await RealtimeFleet.start({ redis: redis.url });
    await fleet.connectAll();
    await fleet.settled();
    for (const client of fleet.clients) client.cut();
    await redis.restart();
    await Promise.all(channels.map((channel) => fleet.publish(fleet.room(1), channel)));
    await fleet.connectAll();
    await Promise.all(channels.map((channel) => fleet.publish(fleet.room(2), channel)));
    await fleet.caughtUp();
    for (const reasons of fleet.resets()) expect(reasons).toEqual(['failover']);
  });

  it('clients that connect while it is away wait, and go on where they were', async () => {
    await using redis = await startRedis();
    await using fleet = await RealtimeFleet.start({ redis: redis.url, options: { failover: 'verify' } });
    await fleet.connectAll();
    await fleet.settled();
    for (const client of fleet.clients) client.cut();
    await Promise.all(channels.map((channel) => fleet.publish(fleet.room(1), channel)));
    await redis.command('save');
    await redis.kill();
    await waitFor(
      async () =>
        (await fleet.rooms[0]?.checks()[0]?.run({ signal: AbortSignal.timeout(1_000) }))?.status ===
        'degraded',
    );
    await fleet.connectAll();
    expect(fleet.areAllConnected).toBe(true);
    await redis.restart({ keepData: true });
    await fleet.caughtUp();
    expect(fleet.resets().flat()).toEqual([]);
  });
});
