import { randomBytes } from 'node:crypto';
import { createRealtime, type Realtime, type RealtimeOptions } from '@pando/core/realtime';
import { waitFor } from '@pando/core/testing';
import { afterEach, describe, expect, it } from 'vitest';
import { randomOf } from '../../../packages/core/src/testing/random.js';
import { TestOutlet, TestSocket } from '../../../packages/core/src/testing/suites/realtime/wires.js';
import { seed, testRedis } from '../../infra/context.js';
import { startRedis } from '../../infra/redis.js';
import { PresentList } from './present-list.js';

const { url } = testRedis();
const opened: { close(): Promise<unknown> }[] = [];
afterEach(async () => {
  for (const room of opened.splice(0).reverse()) await room.close();
});

const freshName = () => `presence-${randomBytes(4).toString('hex')}`;
/** Nobody who goes away comes back later than that in these tests. */
const patient: RealtimeOptions = { presence: { leaveMs: 60_000 }, drainMs: 50 };
const quick: RealtimeOptions = { presence: { leaveMs: 50 }, reconnect: { minMs: 1, maxMs: 50 } };

async function open(name: string, options: RealtimeOptions, redis = url): Promise<Realtime> {
  const room = createRealtime({ redis: { url: redis, commandTimeoutMs: 2_000 }, name, ...options });
  opened.push(room);
  await room.start();
  return room;
}

/** A client with an event stream on `c`. */
async function arrive(room: Realtime, id: string, info?: unknown): Promise<TestOutlet> {
  const outlet = new TestOutlet();
  await room.openSse(outlet, { channels: ['c'], presence: { id, info } });
  return outlet;
}

const idsOn = async (room: Realtime) => (await room.presence('c')).members.map(({ id }) => id);

describe('instances that share a Redis', () => {
  it('agree on who is present, and keep the list without gaps while everybody comes and goes', async () => {
    const name = freshName();
    const random = randomOf(seed());
    const below = (end: number) => Math.floor(random() * end);
    const rooms = await Promise.all([0, 1, 2].map(() => open(name, quick)));
    const lists = await Promise.all(rooms.map((room) => PresentList.keep(room, 'c')));
    const clients = new Map<TestOutlet, string>();
    for (let step = 0; step < 300; step++) {
      const [some] = [...clients.keys()].slice(below(clients.size));
      if (some !== undefined && random() < 0.5) {
        clients.delete(some);
        some.cut();
      } else {
        const id = `user ${below(12)}`;
        clients.set(await arrive(rooms[below(3)] as Realtime, id, below(3)), id);
      }
      if (random() < 0.1) lists.push(await PresentList.keep(rooms[below(3)] as Realtime, 'c'));
      // Some time passes, so that some leave before the end.
      for (let pause = below(4); pause > 0; pause--) await rooms[below(3)]?.presence('c');
    }
    const present = [...new Set(clients.values())].sort();
    const shown = (infos: Readonly<Record<string, unknown>>) => JSON.stringify(Object.entries(infos).sort());
    const agree = async () => {
      const [first, ...others] = await Promise.all(rooms.map((room) => room.presence('c')));
      const infos = Object.fromEntries((first?.members ?? []).map(({ id, info }) => [id, info]));
      return (
        first?.connections === clients.size &&
        String(Object.keys(infos)) === String(present) &&
        others.every((other) => JSON.stringify(other) === JSON.stringify(first)) &&
        lists.every((list) => shown(list.infos) === shown(infos))
      );
    };
    await waitFor(agree, { message: 'everybody to agree' });
    expect(lists.every(({ resets }) => resets === 0)).toBe(true);
    for (const list of lists) await list[Symbol.asyncDispose]();
  });

  it('take a client that moves between them for the same', async () => {
    const name = freshName();
    const [one, two] = [await open(name, patient), await open(name, patient)];
    await using list = await PresentList.keep(one, 'c');
    const first = await arrive(one, 'ann');
    await waitFor(() => list.ids.includes('ann'));
    first.cut();
    await arrive(two, 'ann');
    await arrive(one, 'bob');
    await waitFor(() => list.ids.includes('bob'));
    await waitFor(async () => (await one.presence('c')).connections === 3); // the first one still counts
    expect(list.told).toEqual(['join ann', 'join bob']);
  });

  it('are replaced one after the other, and nobody flickers', async () => {
    const name = freshName();
    let rooms = await Promise.all([0, 1, 2].map(() => open(name, patient)));
    const observer = await open(name, patient);
    await using list = await PresentList.keep(observer, 'c');
    const ids = Array.from({ length: 9 }, (_, n) => `user ${n}`);
    const streams = new Map<string, TestOutlet>();
    const visit = async (id: string, n: number) =>
      void streams.set(id, await arrive(rooms[n % rooms.length] as Realtime, id));
    for (const [n, id] of ids.entries()) await visit(id, n);
    await waitFor(() => list.ids.length === ids.length);
    for (let round = 0; round < 3; round++) {
      const [oldest, ...others] = rooms as [Realtime, Realtime, Realtime];
      rooms = [...others, await open(name, patient)];
      await oldest.drain();
      const moved = ids.filter((id) => streams.get(id)?.ended !== undefined);
      expect(moved.length).toBeGreaterThan(0);
      await oldest.close();
      for (const [n, id] of moved.entries()) await visit(id, n);
    }
    await arrive(rooms[0] as Realtime, 'last');
    await waitFor(() => list.ids.includes('last'));
    expect(list.told.filter((told) => told.startsWith('join'))).toHaveLength(ids.length + 1);
    expect(list.told.filter((told) => told.startsWith('leave'))).toEqual([]);
    expect(await idsOn(observer)).toEqual([...ids, 'last'].sort());
  });

  it('see those of an instance that has ended leave, unless they come back', async () => {
    const name = freshName();
    const options = { ...quick, presence: { leaveMs: 400, leaseMs: 300 }, drainMs: 10 };
    const [one, two] = [await open(name, options), await open(name, options)];
    await using list = await PresentList.keep(two, 'c');
    await arrive(one, 'ann');
    await arrive(two, 'bob');
    await waitFor(() => list.ids.length === 2);
    await one.close();
    await waitFor(() => list.ids.length === 1, { message: 'ann to leave' });
    expect(list.told.filter((told) => told.startsWith('leave'))).toEqual(['leave ann']);
    expect(await two.presence('c')).toMatchObject({ users: 1, connections: 1 });
  });

  it('tell WebSocket clients the same as streams', async () => {
    const name = freshName();
    const [one, two] = [await open(name, quick), await open(name, quick)];
    const socket = new TestSocket();
    one.openSocket<string>(socket, {
      identity: 'ann',
      authorize: () => true,
      presence: (id) => ({ id, info: { from: 'socket' } }),
    });
    socket.say({ t: 'sub', c: 'c#p' });
    await waitFor(() => socket.frames.length === 1);
    socket.say({ t: 'sub', c: 'c', presence: true });
    await waitFor(() => socket.frames.filter(({ t }) => t === 'm').length === 1);
    const outlet = await arrive(two, 'bob');
    await waitFor(() => socket.frames.filter(({ t }) => t === 'm').length === 2);
    outlet.cut();
    const events = () => socket.frames.flatMap(({ t, c, d }) => (t === 'm' ? [[c, d]] : []));
    await waitFor(() => events().length === 3);
    expect(events()).toEqual([
      ['c#p', { type: 'join', id: 'ann', info: { from: 'socket' }, users: 1, connections: 1 }],
      ['c#p', { type: 'join', id: 'bob', users: 2, connections: 2 }],
      ['c#p', { type: 'leave', id: 'bob', users: 1, connections: 1 }],
    ]);
    socket.say({ t: 'presence', id: 1, c: 'c' });
    await waitFor(() => socket.frames.at(-1)?.t === 'presence');
    expect(socket.frames.at(-1)).toMatchObject({
      members: [{ id: 'ann', connections: 1, info: { from: 'socket' } }],
    });
  });
});

describe('what presence leaves in Redis', () => {
  it('expires, and is gone at once when the last connection of the last instance is', async () => {
    await using server = await startRedis();
    const name = freshName();
    const room = await open(name, quick, server.url);
    const outlet = await arrive(room, 'ann');
    await waitFor(async () => (await room.presence('c')).users === 1);
    const keys = async () => (await server.command('KEYS', 'pando:*:presence-*')) as string[];
    expect(await keys()).toHaveLength(4); // rows, users, leases, places
    for (const key of await keys()) expect(Number(await server.command('PTTL', key)), key).toBeGreaterThan(0);
    outlet.cut();
    await waitFor(async () => (await room.presence('c')).connections === 0);
    await room.close();
    expect(await keys()).toEqual([]);
  });

  it('is nothing where nobody is present', async () => {
    await using server = await startRedis();
    const room = await open(freshName(), {}, server.url);
    await room.openSse(new TestOutlet(), { channels: ['c'] });
    await room.publish('c', 1);
    expect(await server.command('KEYS', 'pando:*:presence-*')).toEqual([]);
  });
});
