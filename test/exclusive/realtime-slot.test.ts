import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createRealtime, type Realtime } from '../../packages/core/src/realtime/index.js';
import type { RealtimeOptions } from '../../packages/core/src/realtime/options.js';
import { waitFor } from '../../packages/core/src/testing/index.js';
import { type RedisCluster, type RedisServer, startRedisCluster } from '../infra/redis.js';

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

/** Moves a slot as resharding does: key by key, while it is in use. */
async function moveSlot(slot: number, from: RedisServer, to: RedisServer): Promise<void> {
  const idOf = async (node: RedisServer) => String(await node.command('cluster', 'myid'));
  const [source, target] = [await idOf(from), await idOf(to)];
  await to.command('cluster', 'setslot', slot, 'importing', source);
  await from.command('cluster', 'setslot', slot, 'migrating', target);
  for (let keys = ['']; keys.length > 0; ) {
    keys = (await from.command('cluster', 'getkeysinslot', slot, 1)) as string[];
    if (keys.length > 0) await from.command('migrate', to.host, to.port, '', 0, 5_000, 'keys', ...keys);
  }
  for (const node of [to, from, ...cluster.nodes])
    await node.command('cluster', 'setslot', slot, 'node', target);
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
      const heard: unknown[] = [];
      const onReset = () => void heard.push('reset');
      await there.subscribe('hot', ({ data }) => void heard.push(data), { onReset });

      const from = await cluster.masterOf(`{${name}}`);
      const to = cluster.nodes.find((node) => node !== from) as RedisServer;
      const slot = Number(await from.command('cluster', 'keyslot', `{${name}}`));
      let published = 0;
      let isMoved = false;
      const publishing = (async () => {
        for (let after = 0; after < 100; after += Number(isMoved)) {
          await here.publish('hot', published + 1);
          published++;
        }
      })();
      await waitFor(() => heard.length > 50, { message: 'a channel in use' });
      await moveSlot(slot, from, to);
      isMoved = true;
      await publishing;
      await waitFor(() => heard.at(-1) === published, { timeoutMs: 30_000, message: 'the last message' });

      const numbers = heard.filter((each) => each !== 'reset') as number[];
      expect(numbers).toEqual([...new Set(numbers)].sort((a, b) => a - b));
      for (const [index, each] of heard.entries()) {
        const before = heard[index - 1];
        if (index > 0 && each !== 'reset' && before !== 'reset') expect(each).toBe(Number(before) + 1);
      }
      if (failover === 'verify') expect(heard).toEqual(Array.from({ length: published }, (_, n) => n + 1));
    });
  },
);
