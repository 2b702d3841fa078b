import { waitFor } from '@pando/core/testing';
import { describe, expect, it } from 'vitest';
import { partitionOf, partitionTags } from '../../packages/core/src/realtime/drivers/partitions.js';
import { type RedisCluster, type RedisServer, startRedisCluster, startSentinel } from '../infra/redis.js';
import { channels, RealtimeFleet } from '../integration/realtime/fleet.js';

/** Publishes go on, everybody has everything since, and was told once that something may be missing before. */
async function heals(
  fleet: RealtimeFleet,
  load: { stop(): Promise<void> },
  lost: readonly string[] = channels,
) {
  const before = fleet.ledger.size;
  await waitFor(() => fleet.ledger.size > before + 100, { timeoutMs: 30_000, message: 'publishes to go on' });
  await load.stop();
  await fleet.caughtUp();
  expect(fleet.violations({ isCaughtUp: true })).toEqual([]);
  for (const channel of channels)
    for (const reasons of fleet.resets(channel))
      expect(reasons, channel).toEqual(lost.includes(channel) ? ['failover'] : []);
  expect(fleet.areAllConnected).toBe(true);
}

/** The master of each channel. */
async function mastersOf(cluster: RedisCluster, { name }: RealtimeFleet): Promise<Map<string, RedisServer>> {
  const tags = partitionTags(name);
  const masters = channels.map(async (channel) => {
    const master = await cluster.masterOf(`{${tags[partitionOf(channel)]}}`);
    return [channel, master] as const;
  });
  return new Map(await Promise.all(masters));
}

describe('a replica that takes over under load', () => {
  it('behind sentinels: what it may lack is told, and nothing else', async () => {
    await using group = await startSentinel();
    await using fleet = await RealtimeFleet.start({ redis: { sentinels: group.nodes, name: group.name } });
    await fleet.connectAll();
    await fleet.settled();
    const load = fleet.load();
    await waitFor(() => fleet.ledger.size > 100);
    await group.primary.kill();
    await waitFor(async () => (await group.currentPrimary()) !== group.primary, { timeoutMs: 20_000 });
    await heals(fleet, load);
  });
});

describe('a replica that takes over in a cluster under load', () => {
  it.each(['the home', 'none'] as const)(
    'from a master with channels and with %s: what it may lack is told on these channels, and nothing else',
    async (besides) => {
      await using cluster = await startRedisCluster();
      const nodes = cluster.nodes.map(({ host, port }) => ({ host, port }));
      await using fleet = await RealtimeFleet.start({ redis: { nodes } });
      await fleet.connectAll();
      await fleet.settled();
      const load = fleet.load();
      await waitFor(() => fleet.ledger.size > 100);
      const home = await cluster.masterOf(`{${fleet.name}}`);
      const masters = await mastersOf(cluster, fleet);
      const [lost, victim] = [...masters].find(
        ([, master]) => (master === home) === (besides === 'the home'),
      ) as [string, RedisServer];
      expect(new Set(masters.values()).size).toBe(channels.length); // each has one of its own
      await victim.kill();
      await heals(fleet, load, [lost]);
    },
  );

  it('late: until then the channels of the others go on, and miss nothing', async () => {
    // Else all nodes refuse commands while one is missing.
    await using cluster = await startRedisCluster({ args: ['--cluster-require-full-coverage', 'no'] });
    const nodes = cluster.nodes.map(({ host, port }) => ({ host, port }));
    await using fleet = await RealtimeFleet.start({ redis: { nodes } });
    await fleet.connectAll();
    await fleet.settled();
    const load = fleet.load();
    await waitFor(() => fleet.ledger.size > 100);
    const home = await cluster.masterOf(`{${fleet.name}}`);
    const masters = await mastersOf(cluster, fleet);
    const [lost, victim] = [...masters].find(([, master]) => master !== home) as [string, RedisServer];
    for (const node of cluster.nodes)
      await node.command('config', 'set', 'cluster-replica-no-failover', 'yes');
    await victim.kill();
    const published = (channel: string) => fleet.ledger.log(channel).length;
    const others = channels.filter((channel) => channel !== lost);
    const before = new Map<string, number>(channels.map((channel) => [channel, published(channel)]));
    const hasGrown = (channel: string) => published(channel) > Number(before.get(channel)) + 50;
    await waitFor(() => others.every(hasGrown), { timeoutMs: 30_000, message: 'publishes of the others' });
    expect(published(lost)).toBeLessThan(Number(before.get(lost)) + 50); // what was on its way
    await waitFor(
      () =>
        fleet.clients.every((client) => {
          client.release();
          return others.every(
            (channel) => client.seen.get(channel)?.some(isAfter(before, fleet, channel)) ?? true,
          );
        }),
      { timeoutMs: 30_000, message: 'what the others have published' },
    );
    for (const node of cluster.nodes) {
      if (node.running) await node.command('config', 'set', 'cluster-replica-no-failover', 'no');
    }
    await heals(fleet, load, [lost]);
  });
});

/** Whether somebody saw what was published on a channel after these many. */
function isAfter(before: ReadonlyMap<string, number>, fleet: RealtimeFleet, channel: string) {
  const later = new Set(
    fleet.ledger
      .log(channel)
      .slice(before.get(channel))
      .map(({ position }) => position),
  );
  return (seen: { readonly kind: string; readonly position?: string }) => later.has(seen.position ?? '');
}
