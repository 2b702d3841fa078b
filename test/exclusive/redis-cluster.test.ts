import { waitFor } from '@pando/core/testing';
import { Cluster as Cluster6 } from 'ioredis';
import { Cluster as Cluster5 } from 'ioredis5';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { RedisFloor, RedisOption, RedisScript } from '../../packages/core/src/redis/index.js';
import { slotOf } from '../../packages/core/src/redis/slot.js';
import { type RedisCluster, startRedisCluster } from '../infra/redis.js';
import {
  floorsOfThisFile,
  patiently,
  recordAnnouncements,
  recordEvents,
} from '../integration/redis/floors.js';

const { open, closeLater } = floorsOfThisFile();

let cluster: RedisCluster;
beforeAll(async () => {
  cluster = await startRedisCluster();
});
afterAll(() => cluster.close());

const nodes = () => cluster.nodes.map(({ host, port }) => ({ host, port }));
const healed = (floor: RedisFloor) =>
  waitFor(() => floor.isUp && floor.isLive, { timeoutMs: 20_000, message: 'the floor to heal' });

const options: Record<string, () => RedisOption> = {
  nodes: () => ({ nodes: nodes() }),
  'an ioredis 6 cluster client': () => {
    const client = new Cluster6(nodes());
    closeLater(() => client.quit());
    return client;
  },
  'an ioredis 5 cluster client': () => {
    const client = new Cluster5(nodes());
    closeLater(() => client.quit());
    return client;
  },
};

describe.each(Object.entries(options))('a floor on %s', (_, option) => {
  it('carries out commands in any slot, and batches and scripts in its own', async () => {
    const floor = await open(patiently(option()));
    expect(floor).toMatchObject({ isUp: true, isLive: true });
    const keys = Array.from({ length: 30 }, (_, index) => floor.keys.spread('test', String(index)));
    await Promise.all(keys.map((key, index) => floor.call(['SET', key, index])));
    expect(await Promise.all(keys.map((key) => floor.call(['GET', key])))).toEqual(
      keys.map((_, index) => String(index)),
    );
    const [a, b] = [floor.keys.atomic('test', 'a'), floor.keys.atomic('test', 'b')];
    expect(
      await floor.batch([
        ['SET', a, '1'],
        ['SET', b, '2'],
        ['MGET', a, b],
      ]),
    ).toEqual(['OK', 'OK', ['1', '2']]);
    const source = "redis.call('INCR', KEYS[1]) return redis.call('MGET', KEYS[1], KEYS[2])";
    const script: RedisScript = { name: 'both', keyCount: 2, source };
    expect(await floor.run(script, [a, b], [])).toEqual(['2', '2']);
  });

  it('hears announcements of scripts and of other instances', async () => {
    const name = 'announcing';
    const [floor, other] = await Promise.all([
      open(patiently(option()), { name }),
      open(patiently(option()), { name }),
    ]);
    const channel = floor.keys.atomic('test', 'channel');
    const heard = await recordAnnouncements(floor, channel);
    const script: RedisScript = {
      name: 'announce',
      keyCount: 1,
      source: "return redis.call('PUBLISH', KEYS[1], 'scripted')",
    };
    await other.run(script, [channel], []);
    await other.publish(channel, 'published');
    await waitFor(() => heard.length === 2);
    expect(heard).toEqual(['scripted', 'published']); // one order, that of the slot's master
    expect(floor.epoch).toBe(other.epoch);
  });
});

describe('a floor on a cluster', () => {
  it('knows the slot of its keys', async () => {
    const [node] = cluster.nodes;
    for (const tag of ['app', 'a', 'blog-api', 'Ünï', '0'.repeat(64)]) {
      expect(slotOf(tag)).toBe(await node?.command('CLUSTER', 'KEYSLOT', `pando:{${tag}}:epoch`));
    }
  });

  it('begins a new epoch when another node becomes master of its slot, before any reply of that node is used', async () => {
    const floor = await open({ nodes: nodes() });
    const channel = floor.keys.atomic('test', 'channel');
    const heard = await recordAnnouncements(floor, channel);
    const epoch = floor.epoch;
    const master = await cluster.masterOf(floor.epochKey);
    const replies: { epoch: string | undefined; master: string }[] = [];
    // The script tells who carried it out; the floor tells which epoch it believed in when it handed the reply out.
    const source = "return string.match(redis.call('INFO', 'server'), 'tcp_port:(%d+)')";
    const whoami: RedisScript = { name: 'whoami', keyCount: 1, source };
    const asking = async () => {
      const port = await floor.run(whoami, [floor.keys.atomic('test', 'x')], []);
      replies.push({ epoch: floor.epoch, master: String(port) });
      return port;
    };
    await asking();

    const replicas = await replicasOf(master);
    await replicas[0]?.command('CLUSTER', 'FAILOVER');
    await waitFor(async () => (await asking().catch(() => undefined)) === String(replicas[0]?.port), {
      timeoutMs: 20_000,
      intervalMs: 2,
    });
    await healed(floor);

    expect(floor.epoch).not.toBe(epoch);
    for (const reply of replies) expect(reply.epoch === epoch).toBe(reply.master === String(master.port));
    await floor.publish(channel, 'after');
    await waitFor(() => heard.includes('after'));
  });

  it.each(['kill', 'freeze'] as const)(
    'follows the failover after a %s of its master, and keeps deadlines meanwhile',
    async (fault) => {
      const floor = await open({ nodes: nodes() });
      const channel = floor.keys.atomic('test', 'channel');
      const heard = await recordAnnouncements(floor, channel);
      const events = recordEvents(floor);
      const epoch = floor.epoch;
      const master = await cluster.masterOf(floor.epochKey);
      const key = floor.keys.atomic('test', 'count');
      let slowestMs = 0;

      await master[fault]();
      await waitFor(
        async () => {
          const startedAt = performance.now();
          await floor.call(['INCR', key]).catch(() => undefined);
          slowestMs = Math.max(slowestMs, performance.now() - startedAt);
          return floor.isUp && floor.epoch !== epoch;
        },
        { timeoutMs: 20_000, message: 'a new epoch' },
      );
      await healed(floor);

      expect(slowestMs).toBeLessThan(150 + 250);
      expect(events.lastIndexOf('up')).toBeLessThan(events.lastIndexOf('live'));
      await floor.publish(channel, 'after');
      await waitFor(() => heard.includes('after'));
      expect(await floor.call(['INCR', key])).toBeGreaterThan(0);

      if (fault === 'kill') await master.restart({ keepData: true });
      else master.thaw();
      await waitFor(
        async () => String(await master.command('INFO', 'replication')).includes('master_link_status:up'),
        {
          timeoutMs: 30_000,
          message: 'the old master to follow the new one',
        },
      );
    },
  );
});

async function replicasOf(master: {
  readonly port: number;
  command(name: string, ...args: string[]): Promise<unknown>;
}) {
  const ports = [
    ...String(await master.command('INFO', 'replication')).matchAll(/slave\d+:ip=[^,]*,port=(\d+)/g),
  ];
  return cluster.nodes.filter(({ port }) => ports.some(([, found]) => Number(found) === port));
}
