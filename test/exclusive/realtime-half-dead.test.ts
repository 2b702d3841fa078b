import { waitFor } from '@pando/core/testing';
import { describe, expect, it } from 'vitest';
import { Site } from '../followers/site.js';
import { startTcpBalancer } from '../infra/balancers.js';
import { BusProxy } from '../infra/bus-proxy.js';
import { startRedis } from '../infra/redis.js';

/** What is promised: an instance that hears nothing any more finds that out within this time. */
const NOTICED_MS = 10_000;

function follow(site: Site): void {
  for (const { url } of site.instances) site.followEveryWay(site.channels, url);
}

describe('an instance that hears no announcements any more, while its connection looks alive', () => {
  it('says so, finds a way around, and brings its clients everything they have missed', async () => {
    await using redis = await startRedis();
    await using proxy = await BusProxy.open({ host: redis.host, port: redis.port });
    await using site = await Site.start({
      redis: (index) => (index === 0 ? proxy.url : redis.url),
      instances: 2,
    });
    follow(site);
    await site.settled();
    const before = site.ears.map(({ connections }) => connections);
    const load = site.load();
    await site.published(20);
    proxy.strand({ andNew: true });
    const strandedAt = performance.now();
    await waitFor(async () => (await site.health(0)) === 'degraded', {
      timeoutMs: 2 * NOTICED_MS,
      message: 'the instance to say that it may be late',
    });
    expect(performance.now() - strandedAt).toBeLessThan(NOTICED_MS);
    expect(await site.health(1)).toBe('healthy');
    await site.published(50);
    proxy.heal();
    await waitFor(async () => (await site.health(0)) === 'healthy', { timeoutMs: 20_000 });
    await load.stop();
    await site.caughtUp();
    expect(site.verifier.resets().flat()).toEqual([]);
    expect(site.ears.map(({ connections }) => connections)).toEqual(before);
  });

  it('because it listens to a server that nobody publishes to any more, moves on', async () => {
    await using old = await startRedis();
    await using next = await startRedis({ args: ['--replicaof', old.host, String(old.port)] });
    await using address = await startTcpBalancer({ ports: [old.port] });
    await using site = await Site.start({ redis: () => `redis://127.0.0.1:${address.port}`, instances: 2 });
    follow(site);
    await site.settled();
    const before = site.ears.map(({ connections }) => connections);
    await waitFor(async () => Number(await old.command('wait', 1, 1_000)) === 1);
    await next.command('replicaof', 'no', 'one');
    address.lead([next.port]);
    // Demoted, and out of reach of the new primary. Announcements go to the new one from now on; those who listen stay here.
    await old.command('replicaof', '127.0.0.1', 1);
    await old.command('client', 'kill', 'type', 'normal');
    const load = site.load();
    await site.published(100);
    await load.stop();
    await site.caughtUp();
    for (const reasons of site.verifier.resets()) expect(reasons).toEqual(['failover']);
    expect(site.ears.map(({ connections }) => connections)).toEqual(before);
    const pubsub = String(await old.command('client', 'list', 'type', 'pubsub'));
    expect(pubsub.trim()).toBe('');
  });
});
