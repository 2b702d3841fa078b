import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { partitionOf, partitionTags } from '../../packages/core/src/realtime/drivers/partitions.js';
import { createRealtime, type Realtime } from '../../packages/core/src/realtime/index.js';
import type { RealtimeOptions } from '../../packages/core/src/realtime/options.js';
import { slotOf } from '../../packages/core/src/redis/slot.js';
import { waitFor } from '../../packages/core/src/testing/index.js';
import { moveSlot, type RedisCluster, type RedisServer, startRedisCluster } from '../infra/redis.js';

let cluster: RedisCluster;
beforeAll(async () => {
  cluster = await startRedisCluster({ masters: 3, replicasPerMaster: 0 });
});
afterAll(() => cluster?.close());

const opened: Realtime[] = [];
afterEach(async () => {
  for (const room of opened.splice(0)) await room.close();
});

async function instance(name: string, options: RealtimeOptions): Promise<Realtime> {
  const nodes = cluster.nodes.map(({ host, port }) => ({ host, port }));
  const room = createRealtime({ ...options, name, redis: { nodes } });
  opened.push(room);
  await room.start();
  return room;
}

/** A message that is heard again, or after one that is not its predecessor, without a reset in between. */
function expectRun(heard: readonly unknown[]): void {
  const numbers = heard.filter((each) => each !== 'reset') as number[];
  expect(numbers).toEqual([...new Set(numbers)].sort((a, b) => a - b));
  for (const [index, each] of heard.entries()) {
    const before = heard[index - 1];
    if (index > 0 && each !== 'reset' && before !== 'reset') expect(each).toBe(Number(before) + 1);
  }
}

describe.each(['verify', 'reset'] as const)(
  'a slot that moves under a hot channel (failover: %s)',
  (failover) => {
    it('loses nothing: publishes wait for it, and listeners get each message once, or are told', async () => {
      const name = `slot-${failover}`;
      const options: RealtimeOptions = {
        failover,
        onUnavailable: 'wait',
        publishWaitMs: 60_000,
        sweepMs: 1_000,
      };
      const [here, there] = [await instance(name, options), await instance(name, options)];
      const heard = { hot: [] as unknown[], quiet: [] as unknown[] };
      const follow = (channel: 'hot' | 'quiet') => {
        const onReset = () => void heard[channel].push('reset');
        return there.subscribe(channel, ({ data }) => void heard[channel].push(data), { onReset });
      };
      await Promise.all([follow('hot'), follow('quiet')]);

      const slotOfChannel = (channel: string) => slotOf(partitionTags(name)[partitionOf(channel)] ?? '');
      const masterOf = (channel: string) =>
        cluster.masterOf(`{${partitionTags(name)[partitionOf(channel)]}}`);
      const [from, bystander] = [await masterOf('hot'), await masterOf('quiet')];
      expect(bystander).not.toBe(from);
      const to = cluster.nodes.find((node) => node !== from && node !== bystander) as RedisServer;
      let isMoved = false;
      const publish = async (channel: 'hot' | 'quiet') => {
        let published = 0;
        for (let after = 0; after < 100; after += Number(isMoved)) {
          await here.publish(channel, published + 1);
          published++;
        }
        return published;
      };
      const publishing = [publish('hot'), publish('quiet')];
      await waitFor(() => heard.hot.length > 50 && heard.quiet.length > 50, { message: 'channels in use' });
      await moveSlot(cluster, slotOfChannel('hot'), from, to);
      expect(await masterOf('hot')).toBe(to);
      isMoved = true;
      const [hot, quiet] = await Promise.all(publishing);
      const isHeard = () => heard.hot.at(-1) === hot && heard.quiet.at(-1) === quiet;
      await waitFor(isHeard, { timeoutMs: 30_000, message: 'the last message' });

      const upTo = (last = 0) => Array.from({ length: last }, (_, number) => number + 1);
      expectRun(heard.hot);
      if (failover === 'verify') expect(heard.hot).toEqual(upTo(hot));
      expect(heard.quiet).toEqual(upTo(quiet)); // another node keeps it: it notices nothing
    });
  },
);
