import { afterEach, describe, expect, it } from 'vitest';
import { createKernel } from '../../kernel/kernel.js';
import { createFakeClock } from '../../testing/fake-clock.js';
import { TestOutlet, TestSocket } from '../../testing/suites/realtime/wires.js';
import type { Realtime } from '../api.js';
import { presenceChannel } from '../channel-name.js';
import type { SocketSession, StreamPresence } from '../connection.js';
import { createMemoryWorld, createRealtime } from '../create.js';
import type { RealtimeOptions } from '../options.js';
import type { PresenceEvent } from './presence.js';

const opened: Realtime[] = [];
afterEach(async () => {
  for (const room of opened.splice(0)) await room.close();
});

/** Clients that are told when to come back have five seconds more. */
const options: RealtimeOptions = { reconnect: { minMs: 1_000, maxMs: 5_000 } };
const LEAVE_MS = 5_000;
const COMES_BACK_MS = 5_000;
/** A timer may be as late as that. */
const TICK_MS = 1_000;

function setUp(given: RealtimeOptions = {}) {
  const clock = createFakeClock();
  const world = createMemoryWorld({ clock });
  const instance = async (): Promise<Realtime> => {
    const room = createRealtime({ ...options, ...given }, { kernel: createKernel({ clock }), world });
    opened.push(room);
    await room.start();
    return room;
  };
  /** A change goes out with one turn, and its event with the next. */
  const settle = async () => {
    for (let turn = 0; turn < 3; turn++) await clock.advance(0);
  };
  /** A stream whose client is present. */
  const stream = async (room: Realtime, presence: StreamPresence, channels: readonly string[] = ['c']) => {
    const outlet = new TestOutlet();
    const connection = await room.openSse(outlet, { channels, presence });
    await settle();
    return { outlet, connection };
  };
  const socket = async (room: Realtime, session: SocketSession<string> = {}) => {
    const wire = new TestSocket();
    const connection = room.openSocket(wire, { authorize: () => true, ...session });
    await settle();
    const say = async (frame: object) => {
      wire.say(frame);
      await settle();
    };
    return { wire, connection, say };
  };
  /** What is told on the presence channel of `c`. */
  const watch = async (room: Realtime, since?: string) => {
    const events: PresenceEvent[] = [];
    await room.subscribe(presenceChannel('c'), ({ data }) => void events.push(data as PresenceEvent), {
      since,
    });
    await settle();
    return events;
  };
  return { clock, world, instance, settle, stream, socket, watch };
}

const shortly = (events: readonly PresenceEvent[]) => events.map(({ type, id }) => `${type} ${id}`);

describe('a list of who is present', () => {
  it('is the same on every instance, sorted, with counts', async () => {
    const { instance, stream } = setUp();
    const [one, two] = [await instance(), await instance()];
    await stream(one, { id: 'bob', info: { name: 'Bob' } });
    await stream(two, { id: 'ann' });
    await stream(two, { id: 'bob', info: { name: 'Bob' } });
    await stream(one, {});
    const list = await one.presence('c');
    expect(list).toEqual({
      channel: 'c',
      position: expect.stringMatching(/^\d+-\d+~/),
      users: 2,
      connections: 4,
      members: [
        { id: 'ann', connections: 1 },
        { id: 'bob', connections: 2, info: { name: 'Bob' } },
      ],
      truncated: false,
    });
    expect(await two.presence('c')).toEqual(list);
    expect(await two.presence('other')).toMatchObject({ users: 0, connections: 0, members: [] });
  });

  it('goes on with the messages after its position, which are exactly those that it lacks', async () => {
    const { instance, stream, watch, settle } = setUp();
    const [one, two] = [await instance(), await instance()];
    await stream(one, { id: 'ann' });
    const { position } = await two.presence('c');
    await stream(two, { id: 'bob', info: 1 });
    const events = await watch(one, position);
    await stream(one, { id: 'eve' });
    await settle();
    expect(events).toEqual([
      { type: 'join', id: 'bob', info: 1, users: 2, connections: 2 },
      { type: 'join', id: 'eve', users: 3, connections: 3 },
    ]);
  });

  it('says when it is not of everybody', async () => {
    const { instance, stream } = setUp({ presence: { maxMembers: 2 } });
    const room = await instance();
    for (const id of ['a', 'b', 'c']) await stream(room, { id });
    const list = await room.presence('c');
    expect(list).toMatchObject({ users: 3, truncated: true });
    expect(list.members).toHaveLength(2);
  });

  it('is refused for a name that nobody may use, to a caller that gave up, and after the end', async () => {
    const { instance } = setUp();
    const room = await instance();
    await expect(room.presence('c#p')).rejects.toMatchObject({ code: 'PANDO_REALTIME_INVALID_CHANNEL' });
    const signal = AbortSignal.abort(new Error('gone'));
    await expect(room.presence('c', { signal })).rejects.toThrow('gone');
    await room.close();
    await expect(room.presence('c')).rejects.toMatchObject({ code: 'PANDO_CLOSED' });
  });

  it('is refused while the log is away, and right again afterwards', async () => {
    const { world, instance, stream, watch, settle } = setUp();
    const room = await instance();
    const events = await watch(room);
    world.cut();
    await stream(room, { id: 'ann' });
    await expect(room.presence('c')).rejects.toMatchObject({
      code: 'PANDO_REALTIME_UNAVAILABLE',
      status: 503,
    });
    world.restore();
    await settle();
    expect(await room.presence('c')).toMatchObject({ users: 1 });
    expect(shortly(events)).toEqual(['join ann']);
  });
});

describe('a connection that ends', () => {
  it('leaves after a while', async () => {
    const { clock, instance, socket, watch } = setUp();
    const room = await instance();
    const events = await watch(room);
    const { wire, say } = await socket(room, { presence: () => ({ id: 'ann' }) });
    await say({ t: 'sub', c: 'c', presence: true });
    wire.cut();
    await clock.advance(LEAVE_MS - 1);
    expect(await room.presence('c')).toMatchObject({ users: 1 });
    await clock.advance(1 + TICK_MS);
    expect(shortly(events)).toEqual(['join ann', 'leave ann']);
    expect(await room.presence('c')).toMatchObject({ users: 0, connections: 0 });
  });

  it('and comes back in time, to any instance, has neither left nor joined', async () => {
    const { clock, instance, stream, watch } = setUp();
    const rooms = [await instance(), await instance(), await instance()] as const;
    const events = await watch(rooms[0]);
    let { outlet } = await stream(rooms[0], { id: 'ann' });
    for (let n = 1; n < 12; n++) {
      outlet.cut();
      // A browser waits as long as it was told, at most.
      await clock.advance(COMES_BACK_MS);
      ({ outlet } = await stream(rooms[(n % 3) as 0], { id: 'ann' }));
      await clock.advance(n * 1_000);
    }
    await clock.advance(30_000);
    expect(shortly(events)).toEqual(['join ann']);
    expect(await rooms[0].presence('c')).toMatchObject({ users: 1, connections: 1 });
  });

  it('and was one of several of its user is not missed', async () => {
    const { clock, instance, stream, watch } = setUp();
    const [one, two] = [await instance(), await instance()];
    const events = await watch(one);
    const first = await stream(one, { id: 'ann' });
    const second = await stream(two, { id: 'ann' });
    first.outlet.cut();
    await clock.advance(60_000);
    expect(await one.presence('c')).toMatchObject({ users: 1, connections: 1 });
    second.outlet.cut();
    await clock.advance(60_000);
    expect(events).toEqual([
      { type: 'join', id: 'ann', users: 1, connections: 1 },
      { type: 'leave', id: 'ann', users: 0, connections: 0 },
    ]);
  });

  it('before the others had heard of it leaves no trace', async () => {
    const { clock, world, instance, stream, watch } = setUp();
    const room = await instance();
    const events = await watch(room);
    world.cut();
    const { outlet } = await stream(room, { id: 'ann' });
    outlet.cut();
    await clock.advance(LEAVE_MS + COMES_BACK_MS + TICK_MS);
    world.restore();
    await clock.advance(TICK_MS);
    expect(events).toEqual([]);
    expect(await room.presence('c')).toMatchObject({ users: 0, connections: 0 });
  });

  it('while its stream is being opened is not present', async () => {
    const { instance, settle } = setUp();
    const room = await instance();
    const outlet = new TestOutlet();
    outlet.cut();
    await room.openSse(outlet, { channels: ['c'], presence: { id: 'ann' } });
    await settle();
    expect(await room.presence('c')).toMatchObject({ connections: 0 });
  });
});

describe('an event stream', () => {
  it('is present on its own channels, or on those that it names', async () => {
    const { instance, stream } = setUp();
    const room = await instance();
    await stream(room, { id: 'ann' }, ['c', 'd', 'c#p']);
    await stream(room, { id: 'bob', channels: ['d'] }, ['c', 'd']);
    expect((await room.presence('c')).members.map(({ id }) => id)).toEqual(['ann']);
    expect((await room.presence('d')).members.map(({ id }) => id)).toEqual(['ann', 'bob']);
  });

  it('carries who comes and leaves beside other channels', async () => {
    const { instance, stream } = setUp();
    const room = await instance();
    const { outlet } = await stream(room, { id: 'ann' }, ['c', 'c#p']);
    await stream(room, { id: 'bob' });
    const messages = outlet.client.events.filter(({ type }) => type === 'message');
    expect(messages.map(({ data }) => JSON.parse(data))).toMatchObject([
      { c: 'c#p', d: { type: 'join', id: 'ann' } },
      { c: 'c#p', d: { type: 'join', id: 'bob', users: 2 } },
    ]);
  });

  it.each<[what: string, presence: StreamPresence, why: string]>([
    ['an empty id', { id: '' }, 'id must be a string of 1 to 128 characters'],
    ['a long id', { id: 'x'.repeat(129) }, 'id must be a string of 1 to 128 characters'],
    ['an id that is no text', { id: 5 as never }, 'id must be a string'],
    ['large info', { id: 'a', info: 'x'.repeat(1_023) }, 'info has 1025 bytes, more than the 1024'],
    ['info that is no JSON', { id: 'a', info: 1n }, 'info must be JSON'],
    ['info without a JSON form', { id: 'a', info: () => 1 }, 'info must be JSON'],
  ])('is refused with %s before its head', async (_, presence, why) => {
    const { instance } = setUp();
    const room = await instance();
    const refused = {
      code: 'PANDO_REALTIME_INVALID_PRESENCE',
      message: expect.stringContaining(why),
      status: 400,
    };
    expect(room.refusal({ channels: ['c'], presence })).toMatchObject(refused);
    await expect(room.openSse(new TestOutlet(), { channels: ['c'], presence })).rejects.toMatchObject(
      refused,
    );
    expect(room.connections).toBe(0);
  });

  it('is refused where it wants to be present on what is no channel', async () => {
    const { instance } = setUp();
    const room = await instance();
    expect(room.refusal({ channels: ['c'], presence: { id: 'a', channels: ['has space'] } })).toMatchObject({
      code: 'PANDO_REALTIME_INVALID_CHANNEL',
    });
  });
});

describe('a WebSocket of pando.v1', () => {
  it('is present where it asks for it, as whom the application says, until it leaves', async () => {
    const { clock, instance, socket, watch } = setUp();
    const room = await instance();
    const events = await watch(room);
    const asked: string[] = [];
    const { wire, say, connection } = await socket(room, {
      identity: 'ann',
      authorize: (identity, channel, action) => {
        asked.push(`${identity} ${action} ${channel}`);
        return action === 'presence' ? undefined : true;
      },
      presence: (identity) => ({ id: identity, info: { at: 1 } }),
    });
    await say({ t: 'sub', id: 1, c: ['c', 'c#p'], presence: true });
    expect(asked).toEqual([
      'ann subscribe c',
      'ann presence c',
      'ann subscribe c',
      'ann presence c',
      'ann subscribe c',
    ]);
    expect(wire.frames.filter(({ t }) => t === 'sub').map(({ c }) => c)).toEqual(['c', 'c#p']);
    expect(wire.frames.filter(({ t }) => t === 'm')).toMatchObject([
      { c: 'c#p', d: { type: 'join', id: 'ann', info: { at: 1 } } },
    ]);
    expect(connection.updatePresence('c', { at: 2 })).toBe(true);
    await say({ t: 'unsub', c: 'c' });
    expect(connection.updatePresence('c', { at: 3 })).toBe(false);
    await clock.advance(LEAVE_MS + TICK_MS);
    expect(shortly(events)).toEqual(['join ann', 'update ann', 'leave ann']);
  });

  it('that subscribes again in time has not left', async () => {
    const { clock, instance, socket, watch } = setUp();
    const room = await instance();
    const events = await watch(room);
    let info = 1;
    const { say } = await socket(room, { presence: () => ({ id: 'ann', info }) });
    await say({ t: 'sub', c: 'c', presence: true });
    await say({ t: 'unsub', c: 'c' });
    await clock.advance(LEAVE_MS - 1);
    info = 2;
    await say({ t: 'sub', c: 'c', presence: true });
    await clock.advance(60_000);
    expect(events.map((event) => (event.type === 'leave' ? event : [event.type, event.info]))).toEqual([
      ['join', 1],
      ['update', 2],
    ]);
  });

  it('that comes back as somebody else is somebody else', async () => {
    const { instance, socket, watch } = setUp();
    const room = await instance();
    const events = await watch(room);
    let id = 'guest';
    const { say } = await socket(room, { presence: () => ({ id }) });
    await say({ t: 'sub', c: 'c', presence: true });
    await say({ t: 'unsub', c: 'c' });
    id = 'ann';
    await say({ t: 'sub', c: 'c', presence: true });
    expect(shortly(events).sort()).toEqual(['join ann', 'join guest', 'leave guest']);
  });

  it('is counted without a name where the application names nobody', async () => {
    const { instance, socket } = setUp();
    const room = await instance();
    for (const presence of [undefined, () => undefined]) {
      const { say } = await socket(room, { presence });
      await say({ t: 'sub', c: 'c', presence: true });
    }
    const { say, connection } = await socket(room);
    await say({ t: 'sub', c: 'c' });
    expect(connection.updatePresence('c', 1)).toBe(false);
    expect(await room.presence('c')).toMatchObject({ users: 0, connections: 2, members: [] });
  });

  it.each<[when: string, session: SocketSession<string>, code: string]>([
    ['presence is not allowed', { authorize: (_, __, action) => action !== 'presence' }, 'forbidden'],
    ['the application wants it nowhere', { presence: () => false }, 'forbidden'],
    ['the application fails', { presence: () => Promise.reject(new Error('no')) }, 'failed'],
    ['the application names it badly', { presence: () => ({ id: '' }) }, 'failed'],
  ])('is refused, and not subscribed, where %s', async (_, session, code) => {
    const { instance, socket } = setUp();
    const room = await instance();
    const { wire, say, connection } = await socket(room, session);
    await say({ t: 'sub', id: 9, c: 'c', presence: true });
    expect(wire.frames).toMatchObject([{ t: 'err', id: 9, c: 'c', code }]);
    expect(connection.channels).toEqual([]);
    expect(await room.presence('c')).toMatchObject({ connections: 0 });
  });

  it('may not see who is present where it may not, and may not tell it', async () => {
    const { instance, socket } = setUp();
    const room = await instance();
    const { wire, say } = await socket(room, { authorize: (_, __, action) => action !== 'presence' });
    await say({ t: 'sub', id: 1, c: 'c#p' });
    await say({ t: 'presence', id: 2, c: 'c' });
    await say({ t: 'pub', id: 3, c: 'c#p', d: { type: 'join', id: 'nobody' } });
    expect(wire.frames.map(({ id, c, code }) => [id, c, code])).toEqual([
      [1, 'c#p', 'forbidden'],
      [2, 'c', 'forbidden'],
      [3, undefined, 'invalid-channel'],
    ]);
  });

  it('asks who is present', async () => {
    const { world, instance, socket, stream } = setUp();
    const room = await instance();
    await stream(room, { id: 'ann', info: 1 });
    const { wire, say } = await socket(room);
    await say({ t: 'presence', id: 1, c: 'c' });
    const { position } = await room.presence('c');
    expect(wire.frames).toEqual([
      {
        ...{ t: 'presence', id: 1, c: 'c', i: position },
        ...{ users: 1, connections: 1, members: [{ id: 'ann', connections: 1, info: 1 }], truncated: false },
      },
    ]);
    world.cut();
    await say({ t: 'presence', id: 2, c: 'c' });
    expect(wire.frames.at(-1)).toMatchObject({ t: 'err', id: 2, c: 'c', code: 'unavailable' });
  });
});

describe('a WebSocket that follows channels from the start', () => {
  it.each(['raw', 'pando.v1'] as const)(
    'is present there as whom the application says (%s)',
    async (protocol) => {
      const { instance, socket } = setUp();
      const room = await instance();
      const session = { protocol, channels: ['c', 'd', 'c#p'] };
      const presence = async (_: string, channel: string) =>
        channel === 'c' ? { id: 'ann' } : (false as const);
      await socket(room, { ...session, presence });
      await socket(room, session);
      expect(await room.presence('c')).toMatchObject({ users: 1, connections: 1 });
      expect(await room.presence('d')).toMatchObject({ connections: 0 });
    },
  );

  it('stays open where the application fails, and is present nowhere', async () => {
    const { instance, socket } = setUp();
    const room = await instance();
    const presence = () => Promise.reject(new Error('no'));
    const { wire } = await socket(room, { protocol: 'raw', channels: ['c'], presence });
    expect(wire.closed).toBeUndefined();
    expect(await room.presence('c')).toMatchObject({ connections: 0 });
  });
});

describe('an instance that', () => {
  it('drains and ends hands over: whoever comes back elsewhere in time has not left', async () => {
    const { clock, instance, stream, watch } = setUp({ drainMs: 6_000 });
    const [one, two, three] = [await instance(), await instance(), await instance()];
    const events = await watch(three);
    const { outlet } = await stream(one, { id: 'ann' });
    await stream(one, { id: 'bob' });
    const drained = one.drain();
    await clock.advance(6_000);
    await drained;
    await one.close();
    expect(outlet.ended).toBe('ended');
    await clock.advance(COMES_BACK_MS - 1_000);
    await stream(two, { id: 'ann' });
    await clock.advance(60_000);
    expect(shortly(events)).toEqual(['join ann', 'join bob', 'leave bob']);
  });

  it('drains gives its WebSockets the time, too, after which it tells them to come back', async () => {
    const { clock, instance, socket } = setUp({ drainMs: 1 });
    const [one, two] = [await instance(), await instance()];
    const { wire, say } = await socket(one, { presence: () => ({ id: 'ann' }) });
    await say({ t: 'sub', c: 'c', presence: true });
    const drained = one.drain();
    await clock.advance(10);
    await drained;
    expect(wire.frames.at(-1)).toMatchObject({ t: 'bye' });
    await clock.advance(LEAVE_MS + COMES_BACK_MS - 11);
    expect(await two.presence('c')).toMatchObject({ users: 1 });
    await clock.advance(2 * TICK_MS);
    expect(await two.presence('c')).toMatchObject({ users: 0 });
  });

  it('dies is swept by another: each of its connections leaves once', async () => {
    const { clock, instance, stream, watch, world } = setUp();
    const [one, two] = [await instance(), await instance()];
    const events = await watch(one);
    await watch(two);
    await stream(one, { id: 'ann' });
    const dead = { life: 'dead', leaseMs: 15_000 };
    const row = { kind: 'enter', row: 'dead.1', user: '"bob"', info: undefined } as const;
    world.attendances.lease(dead);
    world.attendances.change('c', [row]);
    await clock.advance(14_000);
    expect(await one.presence('c')).toMatchObject({ users: 2 });
    await clock.advance(1_000 + 5_000 + TICK_MS);
    expect(shortly(events)).toEqual(['join ann', 'leave bob']);
  });

  it('died long ago is swept before anybody sees its list', async () => {
    const { clock, instance, world } = setUp();
    const room = await instance();
    world.attendances.lease({ life: 'dead', leaseMs: 10 });
    world.attendances.change('c', [{ kind: 'enter', row: 'dead.1', user: '"bob"', info: undefined }]);
    await clock.advance(1_000);
    expect(await room.presence('c')).toMatchObject({ users: 0, connections: 0 });
  });

  it('stood still for so long that others took it for dead tells everything again', async () => {
    const { clock, instance, stream, watch, world, settle } = setUp();
    const [one, two] = [await instance(), await instance()];
    const events = await watch(two);
    await stream(one, { id: 'ann' });
    // What another instance did meanwhile.
    const [, life = ''] = world.attendances.lives();
    world.attendances.lease({ life, leaseMs: 0 });
    await two.presence('c');
    await settle();
    expect(shortly(events)).toEqual(['join ann', 'leave ann']);
    await clock.advance(5_000 + TICK_MS);
    expect(shortly(events)).toEqual(['join ann', 'leave ann', 'join ann']);
    expect(await two.presence('c')).toMatchObject({ users: 1, connections: 1 });
  });

  it('lost its lease together with all others, while Redis stood still, takes nobody for dead', async () => {
    const { clock, instance, stream, watch, world, settle } = setUp();
    const rooms = [await instance(), await instance(), await instance()] as const;
    const events = await watch(rooms[0]);
    for (const [n, id] of ['ann', 'bob', 'eve'].entries()) await stream(rooms[n as 0], { id });
    for (const life of world.attendances.lives()) world.attendances.lease({ life, leaseMs: 0 });
    expect((await rooms[1].presence('c')).members.map(({ id }) => id)).toEqual(['ann', 'bob', 'eve']);
    await clock.advance(60_000);
    await settle();
    expect(shortly(events)).toEqual(['join ann', 'join bob', 'join eve']);
  });

  it('finds Redis without its data tells everything again', async () => {
    const { instance, stream, world, settle } = setUp();
    const [one, two] = [await instance(), await instance()];
    await stream(one, { id: 'ann' });
    await stream(two, { id: 'bob' });
    world.cut();
    world.restart({ keepsData: false });
    world.restore();
    await settle();
    expect((await one.presence('c')).members.map(({ id }) => id)).toEqual(['ann', 'bob']);
  });

  it('finds the data gone under a standing connection tells everything again with its next renewal', async () => {
    const { clock, instance, stream, world } = setUp();
    const room = await instance();
    await stream(room, { id: 'ann' });
    world.attendances.clear();
    expect(await room.presence('c')).toMatchObject({ users: 0 });
    await clock.advance(5_000 + TICK_MS);
    expect(await room.presence('c')).toMatchObject({ users: 1 });
  });

  it('tells everything again every few hours, whatever happened to it in between', async () => {
    const { clock, instance, stream, world } = setUp();
    const room = await instance();
    await stream(room, { id: 'ann' });
    const [life = ''] = world.attendances.lives();
    for (const [channel, rows] of world.attendances.rowsOf(life)) {
      world.attendances.change(
        channel,
        rows.map((row) => ({ kind: 'leave', row })),
      );
    }
    expect(await room.presence('c')).toMatchObject({ connections: 0 });
    await clock.advance(6 * 3_600_000 + 10_000);
    expect(await room.presence('c')).toMatchObject({ users: 1, connections: 1 });
  });

  it('serves nobody who is present does nothing for it', async () => {
    const { clock, instance, world, settle } = setUp();
    const room = await instance();
    await room.openSse(new TestOutlet(), { channels: ['c'] });
    room.openSocket(new TestSocket(), { authorize: () => true });
    const timers = clock.pending;
    await clock.advance(60_000);
    await settle();
    expect(clock.pending).toBe(timers);
    expect(world.attendances.lives()).toEqual([]);
  });
});
