import { waitFor } from '@pando/core/testing';
import { Cluster as Cluster5 } from 'ioredis5';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type RedisFloor,
  type RedisOption,
  type RedisPlace,
  type RedisScript,
  RedisVersionError,
} from '../../packages/core/src/redis/index.js';
import { slotOf } from '../../packages/core/src/redis/slot.js';
import { moveSlot, type RedisCluster, type RedisServer, startRedisCluster } from '../infra/redis.js';
import {
  floorsOfThisFile,
  patiently,
  recordAnnouncements,
  recordEvents,
} from '../integration/redis/floors.js';

const { open, closeLater } = floorsOfThisFile();

let cluster: RedisCluster;
beforeAll(async () => {
  // Else all masters refuse commands while one of them is being replaced.
  cluster = await startRedisCluster({ args: ['--cluster-require-full-coverage', 'no'] });
});
afterAll(() => cluster.close());

const nodes = () => cluster.nodes.map(({ host, port }) => ({ host, port }));

/** So many places of a kit for each master of the cluster, by the order of their slots. */
function placesOf(floor: RedisFloor, each: number): readonly (readonly RedisPlace[])[] {
  const found: RedisPlace[][] = [[], [], []];
  const third = (place: RedisPlace) => Math.floor((slotOf(place.tag) * 3) / 16_384);
  for (let at = 0; found.some((places) => places.length < each); at++) {
    const place = floor.place(`${floor.keys.name}.${at}`);
    const places = found[third(place)];
    if (places !== undefined && places.length < each) places.push(place);
  }
  return found;
}

function onePerMaster(floor: RedisFloor): readonly [RedisPlace, RedisPlace, RedisPlace] {
  return placesOf(floor, 1).flat() as unknown as [RedisPlace, RedisPlace, RedisPlace];
}

const live = (...places: readonly RedisPlace[]) =>
  waitFor(() => places.every((place) => place.isUp && place.isLive), {
    timeoutMs: 30_000,
    message: 'the places to be live',
  });

/** Announces by a script, as rooms do. */
const announce: RedisScript = {
  name: 'announce',
  keyCount: 1,
  source: "return redis.call('SPUBLISH', KEYS[1], ARGV[1])",
};

describe.each<[string, () => RedisOption]>([
  ['nodes', () => ({ nodes: nodes() })],
  [
    'an ioredis 5 cluster client',
    () => {
      const client = new Cluster5(nodes());
      closeLater(() => client.quit());
      return client;
    },
  ],
])('places of a floor on %s', (_, option) => {
  it('carry out commands, batches and scripts, and hear announcements, each on its own node', async () => {
    const name = `places-${Math.random().toString(36).slice(2)}`;
    const [floor, other] = await Promise.all([
      open(patiently(option()), { name }),
      open(patiently(option()), { name }),
    ]);
    expect(await floor.provePlaces()).toBe(true);
    for (const place of onePerMaster(floor)) {
      const [a, channel] = [place.key('test', 'a'), place.key('test', 'channel')];
      expect(await place.call(['INCR', a])).toBe(1);
      expect(
        await place.batch([
          ['INCR', a],
          ['GET', a],
        ]),
      ).toEqual([2, '2']);
      const heard = await recordAnnouncements(place, channel);
      expect(place).toMatchObject({ isUp: true, isLive: true, isSharded: true });
      const there = other.place(place.tag);
      await there.run(announce, [channel], ['scripted']);
      await there.publish(channel, 'published');
      await waitFor(() => heard.length === 2);
      expect(heard).toEqual(['scripted', 'published']); // one order, that of the slot's master
      expect(place.epoch).toBe(there.epoch);
      const copied = { replicas: 1, timeoutMs: 5_000 };
      expect(await place.runConfirmed(announce, [channel], ['confirmed'], copied)).toBeGreaterThanOrEqual(0);
      await waitFor(() => heard.length === 3);
    }
    const epochs = onePerMaster(floor).map(({ epoch }) => epoch);
    expect(new Set([...epochs, floor.epoch]).size).toBe(4);
  });
});

describe('places of a floor on a cluster', () => {
  it('share one connection for announcements on each node, and nodes without places in use have none', async () => {
    const floor = await open(patiently({ nodes: nodes() }));
    const many = placesOf(floor, 20);
    const home = await cluster.masterOf(floor.epochKey);
    const masters = await Promise.all(many.map(([place]) => cluster.masterOf(place?.epochKey ?? '')));
    const listening = () =>
      Promise.all(
        masters.map(async (node) => {
          const list = String(await node.command('CLIENT', 'LIST'));
          return list.split(`name=pando:${floor.keys.name}:subscriber`).length - 1 - Number(node === home);
        }),
      );
    expect(await listening()).toEqual([0, 0, 0]);
    await Promise.all(many[0]?.map((place) => place.call(['SET', place.key('test', 'a'), '1'])) ?? []);
    expect(await listening()).toEqual([1, 0, 0]);
    const all = many.flat();
    const heard = await Promise.all(all.map((place) => recordAnnouncements(place, place.key('test', 'c'))));
    await live(...all);
    expect(await listening()).toEqual([1, 1, 1]);
    await Promise.all(all.map((place) => place.run(announce, [place.key('test', 'c')], [place.tag])));
    await waitFor(() => heard.every(({ length }) => length > 0));
    expect(heard).toEqual(all.map(({ tag }) => [tag]));
  });

  it('are one with the floor where their tag is the name of the kit', async () => {
    const floor = await open(patiently({ nodes: nodes() }));
    expect(floor.place(floor.keys.name)).toBe(floor);
    expect(floor).toMatchObject({ isSharded: false, tag: floor.keys.name });
    expect(floor.key('test', 'a')).toBe(floor.keys.atomic('test', 'a'));
  });

  it('tell each other of a new epoch', async () => {
    const name = `epochs-${Math.random().toString(36).slice(2)}`;
    const [floor, other] = [
      await open({ nodes: nodes() }, { name }),
      await open({ nodes: nodes() }, { name }),
    ];
    const [place, beside] = onePerMaster(floor);
    const there = other.place(place.tag);
    await Promise.all([place, beside, there].map((each) => recordAnnouncements(each, each.key('test', 'c'))));
    await live(place, beside, there);
    const [epoch, epochBeside] = [place.epoch ?? '', beside.epoch];
    const events = recordEvents(there);
    const renewed = await place.renewEpoch(epoch);
    expect(renewed).not.toBe(epoch);
    expect(await place.renewEpoch(epoch)).toBe(renewed);
    await waitFor(() => there.epoch === renewed && there.isLive, { message: 'the new epoch there' });
    expect(events).toEqual(['blind', 'up', 'live']);
    expect(beside.epoch).toBe(epochBeside);
  });

  it('hear what is published after a broken connection has been made again, under the same epoch', async () => {
    const floor = await open({ nodes: nodes() });
    const [place, beside] = onePerMaster(floor);
    const channel = place.key('test', 'channel');
    const heard = await recordAnnouncements(place, channel);
    await recordAnnouncements(beside, beside.key('test', 'channel'));
    await live(place, beside);
    const { epoch } = place;
    const [events, eventsBeside] = [recordEvents(place), recordEvents(beside)];
    const master = await cluster.masterOf(channel);
    for (const type of ['normal', 'pubsub']) {
      const list = String(await master.command('CLIENT', 'LIST', 'TYPE', type)).split('\n');
      for (const [, id = ''] of list.map((line) => /^id=(\d+) .* name=pando/.exec(line) ?? []))
        if (id !== '') await master.command('CLIENT', 'KILL', 'ID', id);
    }
    await waitFor(() => events.includes('blind') && events.includes('down'));
    await live(place);
    await place.publish(channel, 'after');
    await waitFor(() => heard.includes('after'));
    expect(place.epoch).toBe(epoch);
    expect(eventsBeside).toEqual([]);
  });

  it('follow a slot that moves: blind, then live on the other node, while others hear on', async () => {
    const name = `moves-${Math.random().toString(36).slice(2)}`;
    const [floor, other] = [
      await open({ nodes: nodes() }, { name }),
      await open({ nodes: nodes() }, { name }),
    ];
    const [[place, neighbour], [beside]] = placesOf(floor, 2) as unknown as [
      [RedisPlace, RedisPlace],
      [RedisPlace],
    ];
    const others = [neighbour, beside] as RedisPlace[];
    const all = [place as RedisPlace, ...others];
    const channel = all[0]?.key('test', 'channel') ?? '';
    const heard = await recordAnnouncements(all[0] as RedisPlace, channel);
    for (const each of others) await recordAnnouncements(each, each.key('test', 'channel'));
    await live(...all);
    const [moving] = all as [RedisPlace];
    const epochs = others.map(({ epoch }) => epoch);
    const events = recordEvents(moving);
    const eventsOfOthers = others.map(recordEvents);

    const from = await cluster.masterOf(channel);
    const to = await cluster.masterOf((beside as RedisPlace).epochKey);
    const slot = slotOf(moving.tag);
    await moveSlot(cluster, slot, from, to);
    await waitFor(() => events.includes('blind'), { message: 'it to be blind' });
    await live(moving);
    expect(events.indexOf('blind')).toBeLessThan(events.lastIndexOf('live'));
    const numbers = Array.from({ length: 100 }, (_, at) => `after ${at}`);
    for (const each of numbers) await announcing(other.place(moving.tag), channel, each);
    await waitFor(() => heard.at(-1) === 'after 99');
    expect(heard).toEqual(numbers);
    expect(await to.command('PUBSUB', 'SHARDNUMSUB', channel)).toEqual([channel, 1]);
    expect(eventsOfOthers).toEqual([[], []]);
    expect(others.map(({ epoch }) => epoch)).toEqual(epochs);

    await moveSlot(cluster, slot, to, from); // as the other tests expect it
  });

  it('hand out no reply of a node that the slot has left meanwhile', async () => {
    const floor = await open(patiently({ nodes: nodes() }));
    const [[place, neighbour], [beside]] = placesOf(floor, 2) as unknown as [
      [RedisPlace, RedisPlace],
      [RedisPlace],
    ];
    const [moving, staying, there] = [place, neighbour, beside] as [RedisPlace, RedisPlace, RedisPlace];
    for (const each of [moving, staying]) await each.call(['SET', each.key('test', 'a'), '1']);
    const [from, to] = [await cluster.masterOf(moving.epochKey), await cluster.masterOf(there.epochKey)];
    // Waits for more replicas than there are.
    const asked = moving.call(['WAIT', 2, 4_000], { timeoutMs: 30_000 });
    const outcome = asked.then(String, String);
    await moveSlot(cluster, slotOf(moving.tag), from, to);
    expect(await outcome).toMatch(/moved while a command was on its way/);
    await live(moving);
    expect(await moving.call(['GET', moving.key('test', 'a')])).toBe('1');

    await moveSlot(cluster, slotOf(moving.tag), to, from); // as the other tests expect it
  });

  it.each(['failover', 'kill', 'freeze'] as const)(
    'begin a new epoch when their master is replaced after a %s, and only they do',
    async (fault) => {
      const floor = await open({ nodes: nodes() });
      const [first, ...others] = onePerMaster(floor).filter(
        (place) =>
          Math.floor((slotOf(floor.keys.name) * 3) / 16_384) !== Math.floor((slotOf(place.tag) * 3) / 16_384),
      ) as [RedisPlace, RedisPlace];
      const channel = first.key('test', 'channel');
      const heard = await recordAnnouncements(first, channel);
      for (const each of others) await recordAnnouncements(each, each.key('test', 'channel'));
      await live(first, ...others);
      const [{ epoch }, epochs] = [first, others.map((place) => place.epoch)];
      const events = recordEvents(first);
      const eventsOfOthers = others.map(recordEvents);
      const replies: [epoch: string | undefined, port: string][] = [];
      const asking = async () => {
        const port = String(await first.run(whoami, [first.key('test', 'x')], []));
        replies.push([first.epoch, port]);
      };
      await asking();

      const master = await cluster.masterOf(channel);
      if (fault === 'failover') await (await replicasOf(master))[0]?.command('CLUSTER', 'FAILOVER');
      else await master[fault]();
      let refusedBeside = 0;
      await waitFor(
        async () => {
          await asking().catch(() => undefined);
          for (const each of others)
            await each.call(['INCR', each.key('test', 'n')]).catch(() => refusedBeside++);
          return first.epoch !== epoch && first.isLive;
        },
        { timeoutMs: 30_000, intervalMs: 5, message: 'a new epoch' },
      );
      await asking();
      const old = String(master.port);
      for (const [during, port] of replies) expect(during === epoch).toBe(port === old);
      expect(events.indexOf('blind')).toBeLessThan(events.indexOf('up'));
      expect(events.lastIndexOf('up')).toBeLessThan(events.lastIndexOf('live'));
      await first.run(announce, [channel], ['after']);
      await waitFor(() => heard.includes('after'));
      expect(others.map((place) => place.epoch)).toEqual(epochs);
      expect(eventsOfOthers).toEqual(others.map(() => []));
      expect(refusedBeside).toBe(0);

      if (fault === 'kill') await master.restart({ keepData: true });
      else if (fault === 'freeze') master.thaw();
      await waitFor(
        async () => String(await master.command('INFO', 'replication')).includes('master_link_status:up'),
        { timeoutMs: 30_000, message: 'the old master to follow the new one' },
      );
    },
  );

  it('begin a new epoch when their master comes back at once without its data', async () => {
    const floor = await open({ nodes: nodes() });
    const [place] = onePerMaster(floor);
    const channel = place.key('test', 'channel');
    const heard = await recordAnnouncements(place, channel);
    await live(place);
    const { epoch } = place;
    await (await cluster.masterOf(channel)).restart();
    await waitFor(() => place.epoch !== epoch && place.isLive, { timeoutMs: 30_000 });
    await announcing(place, channel, 'after');
    await waitFor(() => heard.includes('after'));
  });

  it('end with the floor', async () => {
    const floor = await open({ nodes: nodes() });
    const [place] = onePerMaster(floor);
    await place.call(['PING']);
    await floor.close();
    expect(place).toMatchObject({ isUp: false, isLive: false });
    await expect(place.call(['PING'])).rejects.toMatchObject({ code: 'PANDO_CLOSED' });
    await expect(place.subscribe(place.key('c'), () => undefined)).rejects.toMatchObject({
      code: 'PANDO_CLOSED',
    });
  });
});

it('places on a cluster without sharded pub/sub are refused with an error that says so', async () => {
  const args = ['--rename-command', 'SPUBLISH', ''];
  await using old = await startRedisCluster({ masters: 1, replicasPerMaster: 0, args });
  const floor = await open({ nodes: old.nodes.map(({ host, port }) => ({ host, port })) });
  await expect(floor.provePlaces()).rejects.toThrow(RedisVersionError);
});

/** Tells who carried it out. */
const whoami: RedisScript = {
  name: 'whoami',
  keyCount: 1,
  source: "return string.match(redis.call('INFO', 'server'), 'tcp_port:(%d+)')",
};

/** Announces as soon as the place takes it. */
async function announcing(place: RedisPlace, channel: string, payload: string): Promise<void> {
  await waitFor(
    () =>
      place.run(announce, [channel], [payload]).then(
        () => true,
        () => false,
      ),
    { timeoutMs: 20_000, message: 'the place to take an announcement' },
  );
}

async function replicasOf(master: RedisServer): Promise<readonly RedisServer[]> {
  const replicas = String(await master.command('INFO', 'replication'));
  const ports = [...replicas.matchAll(/slave\d+:ip=[^,]*,port=(\d+)/g)].map(([, port]) => Number(port));
  return cluster.nodes.filter(({ port }) => ports.includes(port));
}
