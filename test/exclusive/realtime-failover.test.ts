import { waitFor } from '@pando/core/testing';
import { describe, expect, it } from 'vitest';
import { startRedisCluster, startSentinel } from '../infra/redis.js';
import { RealtimeFleet } from '../integration/realtime/fleet.js';

/** Publishes go on, everybody has everything since, and was told once that something may be missing before. */
async function heals(fleet: RealtimeFleet, load: { stop(): Promise<void> }): Promise<void> {
  const before = fleet.ledger.size;
  await waitFor(() => fleet.ledger.size > before + 100, { timeoutMs: 30_000, message: 'publishes to go on' });
  await load.stop();
  await fleet.caughtUp();
  expect(fleet.violations({ isCaughtUp: true })).toEqual([]);
  for (const reasons of fleet.resets()) expect(reasons).toEqual(['failover']);
  expect(fleet.areAllConnected).toBe(true);
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

  it('in a cluster: what it may lack is told, and nothing else', async () => {
    await using cluster = await startRedisCluster();
    const nodes = cluster.nodes.map(({ host, port }) => ({ host, port }));
    await using fleet = await RealtimeFleet.start({ redis: { nodes } });
    await fleet.connectAll();
    await fleet.settled();
    const load = fleet.load();
    await waitFor(() => fleet.ledger.size > 100);
    const master = await cluster.masterOf(`{${fleet.name}}`);
    await master.kill();
    await heals(fleet, load);
  });
});
