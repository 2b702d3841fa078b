import { waitFor } from '@pando/core/testing';
import { expect, it } from 'vitest';
import { Site } from '../followers/site.js';
import {
  moveSlot,
  type RedisCluster,
  type RedisServer,
  startRedisCluster,
  startSentinel,
} from '../infra/redis.js';

/** Clients of every kind on a site, each of which knows where it is. */
async function followed(redis: object): Promise<Site> {
  const realtime = { onUnavailable: 'wait', publishWaitMs: 60_000 } as const;
  const site = await Site.start({ redis: () => redis, realtime });
  for (let n = 0; n < 3; n++) site.followEveryWay(site.channels.slice(n));
  await site.settled();
  return site;
}

const addressesOf = (cluster: RedisCluster) => ({
  nodes: cluster.nodes.map(({ host, port }) => ({ host, port })),
});

/** A key of the channel, whose slot is the channel's. */
async function keyOf(cluster: RedisCluster, channel: string): Promise<string> {
  for (const node of cluster.nodes) {
    const [key] = (await node.command('keys', `*:realtime:*${channel}`)) as string[];
    if (key !== undefined) return key;
  }
  throw new Error(`Nothing was ever published to "${channel}".`);
}

/** What each channel's clients were told, channel by channel. */
function told(site: Site): ReadonlyMap<string, readonly (readonly string[])[]> {
  return new Map(
    site.channels.map((channel) => [
      channel,
      site.ears.flatMap(({ listener }) => {
        const reasons = listener.resets.get(channel);
        return reasons === undefined ? [] : [reasons];
      }),
    ]),
  );
}

it('clients of every kind stay where they are while a replica takes over behind sentinels, and each is told once', async () => {
  await using group = await startSentinel();
  await using site = await followed({ sentinels: group.nodes, name: group.name });
  const before = site.ears.map(({ connections }) => connections);
  const load = site.load();
  await site.published(50);
  await group.primary.kill();
  await waitFor(() => group.hasFailedOver(), { timeoutMs: 20_000 });
  await site.published(100);
  await load.stop();
  await site.caughtUp();
  for (const reasons of site.verifier.resets()) expect(reasons).toEqual(['failover']);
  expect(site.ears.map(({ connections }) => connections)).toEqual(before);
});

it('clients of every kind stay where they are while a master of a cluster is replaced, and are told of its channels alone', async () => {
  await using cluster = await startRedisCluster();
  await using site = await followed(addressesOf(cluster));
  const before = site.ears.map(({ connections }) => connections);
  const masters = new Map<string, RedisServer>();
  for (const channel of site.channels)
    masters.set(channel, await cluster.masterOf(await keyOf(cluster, channel)));
  const [failed] = [...masters.values()] as [RedisServer];
  const load = site.load();
  await site.published(50);
  await failed.kill();
  await site.published(200);
  await load.stop();
  await site.caughtUp();
  for (const [channel, resets] of told(site)) {
    const expected = masters.get(channel) === failed ? ['failover'] : [];
    for (const reasons of resets) expect(reasons, channel).toEqual(expected);
  }
  expect(site.ears.map(({ connections }) => connections)).toEqual(before);
});

it('clients of every kind stay where they are while the slot of a channel moves, and nobody is told of channels elsewhere', async () => {
  await using cluster = await startRedisCluster({ replicasPerMaster: 0 });
  await using site = await followed(addressesOf(cluster));
  const before = site.ears.map(({ connections }) => connections);
  const slots = new Map<string, number>();
  for (const channel of site.channels)
    slots.set(
      channel,
      Number(await cluster.nodes[0]?.command('cluster', 'keyslot', await keyOf(cluster, channel))),
    );
  const [hot] = site.channels as [string];
  const slot = slots.get(hot) as number;
  const from = await cluster.masterOf(await keyOf(cluster, hot));
  const to = cluster.nodes.find((node) => node !== from) as RedisServer;
  const load = site.load();
  await site.published(50);
  await moveSlot(cluster, slot, from, to);
  await site.published(200);
  await load.stop();
  await site.caughtUp();
  for (const [channel, resets] of told(site)) {
    const allowed = slots.get(channel) === slot ? [[], ['failover']] : [[]];
    for (const reasons of resets) expect(allowed, channel).toContainEqual(reasons);
  }
  expect(site.ears.map(({ connections }) => connections)).toEqual(before);
});
