import { randomBytes } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createKernel } from '../../packages/core/src/kernel/kernel.js';
import { createPando } from '../../packages/core/src/pando.js';
import { RedisBroker } from '../../packages/core/src/realtime/drivers/redis.js';
import type { RealtimeOptions } from '../../packages/core/src/realtime/index.js';
import { packMessage, unpackEntry } from '../../packages/core/src/realtime/packing.js';
import { createRedisFloor } from '../../packages/core/src/redis/index.js';
import { presenceStoreSuite } from '../../packages/core/src/testing/suites/presence.js';
import { TestOutlet, TestSocket } from '../../packages/core/src/testing/suites/realtime/wires.js';
import { brokerSuite, brokerSuiteRetention } from '../../packages/core/src/testing/suites/realtime.js';
import { waitFor } from '../../packages/core/src/testing/wait-for.js';
import { type RedisCluster, type RedisServer, startRedisCluster } from '../infra/redis.js';
import { RealtimeFleet } from '../integration/realtime/fleet.js';

let cluster: RedisCluster;
beforeAll(async () => {
  cluster = await startRedisCluster();
});
afterAll(() => cluster?.close());

const opened: AsyncDisposable[] = [];
afterEach(async () => {
  for (const broker of opened.splice(0).reverse()) await broker[Symbol.asyncDispose]();
});

const silent = { onRestored: () => undefined, onBlind: () => undefined };

/** Brokers of one kit, whose name decides in which slot it is. */
async function setup() {
  const name = `cluster-${randomBytes(4).toString('hex')}`;
  const nodes = cluster.nodes.map(({ host, port }) => ({ host, port }));
  const broker = async () => {
    const floor = createRedisFloor({ nodes, commandTimeoutMs: 2_000 }, createKernel({ name }));
    const joined = new RedisBroker(floor, brokerSuiteRetention, { ownsFloor: true });
    opened.push(joined);
    await joined.start(silent);
    return joined;
  };
  return { name, broker };
}

/** A kit on that cluster, and what it has logged. */
async function openKit(on: RedisCluster, realtime: RealtimeOptions) {
  const messages: unknown[] = [];
  const say = (_fields: unknown, text: unknown) => void messages.push(text);
  const pando = await createPando({
    name: `cluster-${randomBytes(4).toString('hex')}`,
    redis: { nodes: on.nodes.map(({ host, port }) => ({ host, port })), startTimeoutMs: 1_000 },
    logger: { debug: () => undefined, info: say, warn: say, error: say },
    lifecycle: { signals: false },
    secret: 'of this cluster alone, thirty-two bytes',
    realtime,
  });
  opened.push(pando);
  return { pando, messages };
}

const message = (id?: string) => ({ id, packed: packMessage('', '1') });
const masters = () => cluster.nodes.slice(0, 3);
const found = async (node: RedisServer, ...command: readonly [string, ...string[]]) =>
  (await node.command(...command)) as string[];

brokerSuite('the Redis broker on a cluster', setup);
presenceStoreSuite('the presence of the Redis broker on a cluster', setup);

it('durable appends wait for a replica of the master that has the channel', async () => {
  const { broker } = await setup();
  const joined = await broker();
  const append = (id: string | undefined, replicas: number) =>
    joined.append('c', [{ id, packed: packMessage('', '1') }], {
      durability: { replicas, timeoutMs: 5_000 },
    });
  for (const id of [undefined, 'row:1']) await append(id, 1);
  await expect(append(undefined, 2)).rejects.toMatchObject({ code: 'PANDO_REALTIME_UNAVAILABLE' });
  expect((await joined.read('c', { from: '0-0', limit: 10 })).entries).toHaveLength(3);
});

it('on a cluster without sharded pub/sub a kit starts, and only channels are refused, by an error that says why', async () => {
  const args = ['--rename-command', 'SPUBLISH', ''];
  await using old = await startRedisCluster({ masters: 1, replicasPerMaster: 0, args });
  const { pando, messages } = await openKit(old, { channels: { 'plain:*': { plain: true } } });
  const { realtime } = pando;
  const tooOld = {
    code: 'PANDO_REDIS_VERSION',
    message: expect.stringContaining('Update its nodes to Redis 7'),
  };
  expect(messages).toContainEqual(expect.stringContaining('Update its nodes to Redis 7'));

  expect(await pando.cache.getOrLoad('k', async () => 'loaded')).toBe('loaded');
  const heard: unknown[] = [];
  await realtime.subscribe('plain:a', ({ data }) => void heard.push(data));
  await realtime.publish('plain:a', 1);
  await waitFor(() => heard.length === 1);
  expect(await realtime.presence('room')).toMatchObject({ users: 0 });

  await expect(realtime.publish('room', 1)).rejects.toMatchObject(tooOld);
  await expect(realtime.position('room')).rejects.toMatchObject(tooOld);
  await expect(realtime.subscribe('room', () => undefined)).rejects.toMatchObject(tooOld);
  const outlet = new TestOutlet();
  await expect(realtime.openSse(outlet, { channels: ['plain:a', 'room'] })).rejects.toMatchObject(tooOld);
  expect(outlet.writes).toBe(0);
  expect(() => realtime.openSocket(new TestSocket(), { channels: ['room'] })).toThrow(
    expect.objectContaining(tooOld),
  );
  const socket = new TestSocket();
  realtime.openSocket(socket, { authorize: () => true });
  for (const [id, c] of ['room', 'plain:a'].entries()) socket.say({ t: 'sub', id, c });
  await waitFor(() => socket.frames.length === 2);
  expect(socket.frames).toMatchObject([
    { t: 'err', id: 0, c: 'room', code: 'unavailable' },
    { t: 'sub', id: 1, c: 'plain:a' },
  ]);
  expect(await realtime.checks()[0]?.run({ signal: AbortSignal.timeout(5_000) })).toMatchObject({
    status: 'degraded',
    detail: tooOld.message,
  });
});

it('a kit that started while its cluster was away learns afterwards that the cluster is too old', async () => {
  const args = ['--rename-command', 'SPUBLISH', ''];
  await using old = await startRedisCluster({ masters: 1, replicasPerMaster: 0, args });
  const [master] = old.nodes as [RedisServer];
  await master.kill();
  const { pando } = await openKit(old, {});
  const check = () => pando.realtime.checks()[0]?.run({ signal: AbortSignal.timeout(5_000) });
  await master.restart({ keepData: true });
  await waitFor(async () => String((await check())?.detail).includes('Update its nodes'), {
    timeoutMs: 30_000,
  });
});

describe('the channels of a kit in a cluster', () => {
  const channels = Array.from({ length: 60 }, (_, number) => `room:${number}`);

  it("are kept by all masters, and Pando's own by the one that has the home", async () => {
    const { name, broker } = await setup();
    const joined = await broker();
    await Promise.all(channels.map((channel) => joined.append(channel, [message()])));
    for (const master of masters()) {
      const logs = await found(master, 'keys', `pando:{${name}.*}:realtime:log:*`);
      expect(logs.length).toBeGreaterThan(10);
    }
    await joined.append('#orders', [message()]);
    const home = await cluster.masterOf(`{${name}}`);
    expect(await found(home, 'keys', `pando:{${name}}:realtime:log:*`)).toEqual([
      `pando:{${name}}:realtime:log:#orders`,
    ]);
  });

  it('are announced to those nodes alone that keep them', async () => {
    const { name, broker } = await setup();
    const [here, there] = [await broker(), await broker()];
    const heard: string[] = [];
    for (const channel of channels) await there.subscribe(channel, () => heard.push(channel));
    await Promise.all(channels.map((channel) => here.append(channel, [message()])));
    await waitFor(() => heard.length === channels.length, { message: 'all announcements' });
    const announced = await Promise.all(
      masters().map(async (master) => {
        expect(await found(master, 'pubsub', 'channels', `pando:{${name}.*:channel:*`)).toEqual([]);
        return await found(master, 'pubsub', 'shardchannels', `pando:{${name}.*:channel:*`);
      }),
    );
    for (const topics of announced) expect(topics.length).toBeGreaterThan(10);
    expect(announced.flat()).toHaveLength(channels.length);
  });

  it('are asked for together, each with the life of its own data', async () => {
    const { broker } = await setup();
    const [here, there] = [await broker(), await broker()];
    const places = await Promise.all(channels.map((channel) => here.append(channel, [message('k')])));
    const heads = await there.heads([...channels, 'never used']);
    expect(heads.slice(0, -1)).toEqual(places.map(([place]) => ({ lineage: place?.lineage, id: place?.id })));
    expect(heads.at(-1)?.id).toBe('0-0');
    expect(new Set(heads.map((head) => head?.lineage)).size).toBeGreaterThan(3);
  });

  it('forget the ids that were held for them, wherever they are', async () => {
    const { name, broker } = await setup();
    const joined = await broker();
    const held = { ...message('row:1'), isHeld: true };
    await Promise.all(channels.map((channel) => joined.append(channel, [held])));
    const lives = async () => {
      const of = async (master: RedisServer) =>
        Promise.all(
          (await found(master, 'keys', `pando:{${name}*:realtime:id:*`)).map((key) =>
            master.command('pttl', key),
          ),
        );
      return (await Promise.all(masters().map(of))).flat().map(Number);
    };
    const { heldIdMs, idempotencyMs } = brokerSuiteRetention;
    const isHeld = (leftMs: number) => leftMs > idempotencyMs && leftMs <= heldIdMs;
    expect((await lives()).filter(isHeld)).toHaveLength(channels.length);
    await joined.release(channels.map((channel) => ({ channel, id: 'row:1' })));
    expect((await lives()).filter(isHeld)).toEqual([]);
  });

  it('carry what others publish, on whatever node, where they are plain', async () => {
    const { name, broker } = await setup();
    const [here, there] = [await broker(), await broker()];
    const heard: unknown[] = [];
    const note = ({ packed }: { readonly packed: Buffer }) =>
      heard.push(JSON.parse(String(unpackEntry(packed)?.messages[0]?.data)));
    await there.subscribe(`${name}-prices`, note, { isPlain: true });
    for (const [number, node] of cluster.nodes.entries())
      await node.command('publish', `${name}-prices`, String(number));
    await here.announce(`${name}-prices`, [message()], { isPlain: true });
    await waitFor(() => heard.length === 7, { message: 'what was published on each node' });
    expect(heard.sort()).toEqual([0, 1, 1, 2, 3, 4, 5]);
  });

  it('are gone on with by clients that come back to another instance, whichever masters keep them', async () => {
    const nodes = cluster.nodes.map(({ host, port }) => ({ host, port }));
    await using fleet = await RealtimeFleet.start({ redis: { nodes } });
    await fleet.connectAll();
    await fleet.settled();
    const load = fleet.load();
    for (let round = 1; round <= 5; round++) {
      const before = fleet.ledger.size;
      await waitFor(() => fleet.ledger.size > before + 20, { message: 'publishes' });
      for (const [index, client] of fleet.clients.entries()) {
        client.cut();
        await client.connect(fleet.room(index + round));
      }
    }
    await load.stop();
    await fleet.caughtUp();
    expect(fleet.violations({ isCaughtUp: true })).toEqual([]);
    expect(fleet.resets().flat()).toEqual([]);
  });

  it.each(['verify', 'reset'] as const)(
    'are begun anew, and that is told, at a position that another channel gave out (failover: %s)',
    async (failover) => {
      const nodes = cluster.nodes.map(({ host, port }) => ({ host, port }));
      await using fleet = await RealtimeFleet.start({
        redis: { nodes },
        instances: 1,
        options: { failover },
      });
      const room = fleet.room(0);
      const [{ position }] = [await room.publish('news', 1), await room.publish('room:1', 1)];
      const heard: unknown[] = [];
      const onReset = () => void heard.push('reset');
      await room.subscribe('room:1', ({ data }) => void heard.push(data), { since: position, onReset });
      await room.publish('room:1', 2);
      await waitFor(() => heard.at(-1) === 2, { message: 'what comes after it' });
      expect(heard).toEqual(['reset', 2]);
    },
  );
});
