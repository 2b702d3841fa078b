import { afterEach, describe, expect, it } from 'vitest';
import { createKernel } from '../kernel/kernel.js';
import { createFakeClock } from '../testing/fake-clock.js';
import { TestOutlet, TestSocket } from '../testing/suites/realtime/wires.js';
import type { Realtime } from './api.js';
import type { SocketSession } from './connection.js';
import { createMemoryWorld, createRealtime } from './create.js';
import type { RealtimeOptions } from './options.js';

const opened: Realtime[] = [];
afterEach(async () => {
  for (const room of opened.splice(0)) await room.close();
});

const anyone = { authorize: () => true };

function setUp(options: RealtimeOptions = {}) {
  const clock = createFakeClock();
  const world = createMemoryWorld({ clock });
  const instance = async (): Promise<Realtime> => {
    const room = createRealtime(options, { kernel: createKernel({ clock }), world });
    opened.push(room);
    await room.start();
    return room;
  };
  const settle = async () => {
    for (let turn = 0; turn < 4; turn++) await clock.advance(0);
  };
  const open = async <Identity>(
    room: Realtime,
    session: SocketSession<Identity> = anyone,
    socket = new TestSocket(),
  ) => {
    const connection = room.openSocket(socket, session);
    const ask = async (...frames: object[]) => {
      const before = socket.received.length;
      for (const frame of frames) socket.say(frame);
      await settle();
      return socket.frames.slice(before);
    };
    return { socket, connection, ask };
  };
  return { clock, world, instance, open, settle };
}

describe('a socket that speaks pando.v1', () => {
  it('subscribes, and gets each event of the channel with its position', async () => {
    const { instance, open, settle } = setUp();
    const room = await instance();
    const { socket, connection, ask } = await open(room);
    expect(await ask({ t: 'sub', id: 1, c: ['a', 'b'] })).toEqual([
      { t: 'sub', id: 1, c: 'a', i: expect.any(String), recovered: false },
      { t: 'sub', id: 1, c: 'b', i: expect.any(String), recovered: false },
    ]);
    expect(connection.channels).toEqual(['a', 'b']);
    const { position } = await room.publish('a', { x: [1] });
    await settle();
    expect(socket.frames.at(-1)).toEqual({ t: 'm', c: 'a', i: position, d: { x: [1] } });
  });

  it('publishes; the sender gets its own event in the order of all, and an answer with its position', async () => {
    const { instance, open } = setUp();
    const [one, two] = [await instance(), await instance()];
    const [sender, other] = [await open(one), await open(two)];
    await Promise.all([sender.ask({ t: 'sub', c: 'room' }), other.ask({ t: 'sub', c: 'room' })]);
    const answers = await sender.ask({ t: 'pub', id: 'p', c: 'room', d: 'hello' });
    const ack = answers.find(({ t }) => t === 'ack');
    expect(ack).toEqual({ t: 'ack', id: 'p', c: 'room', i: expect.any(String) });
    const message = { t: 'm', c: 'room', i: ack?.i, d: 'hello' };
    expect(answers).toContainEqual(message);
    expect(other.socket.frames.at(-1)).toEqual(message);
  });

  it('is written to once in a turn, whatever comes on however many channels', async () => {
    const { instance, open, settle } = setUp();
    const room = await instance();
    const { socket, ask } = await open(room);
    await ask({ t: 'sub', c: ['a', 'b', 'c'] });
    const { writes } = socket;
    const published = ['a', 'b', 'c', 'a'].map((channel, n) => room.publish(channel, n));
    await Promise.all(published);
    await settle();
    expect(socket.frames.slice(-4).map(({ c, d }) => [c, d])).toEqual(
      expect.arrayContaining([
        ['a', 0],
        ['b', 1],
        ['c', 2],
        ['a', 3],
      ]),
    );
    expect(socket.writes - writes).toBe(1);
  });

  it('publishes once what it sends twice with one key', async () => {
    const { instance, open } = setUp();
    const { socket, ask } = await open(await instance());
    await ask({ t: 'sub', c: 'c' });
    const [first] = (await ask({ t: 'pub', id: 1, c: 'c', d: 'x', key: 'k' })).filter(({ t }) => t === 'ack');
    const second = await ask({ t: 'pub', id: 2, c: 'c', d: 'x', key: 'k' });
    expect(second).toEqual([{ t: 'ack', id: 2, c: 'c', i: first?.i, duplicate: true }]);
    expect(socket.frames.filter(({ t }) => t === 'm')).toHaveLength(1);
  });

  it('keeps the order in which one client publishes, however slow its authorisation is', async () => {
    const { instance, open, settle } = setUp();
    let calls = 0;
    const authorize = () =>
      new Promise<boolean>((resolve) => (calls++ % 2 ? setImmediate(resolve, true) : resolve(true)));
    const { socket } = await open(await instance(), { authorize });
    socket.say({ t: 'sub', c: 'c' });
    for (let n = 0; n < 20; n++) socket.say({ t: 'pub', c: 'c', d: n });
    for (let n = 0; n < 40; n++) await settle();
    expect(socket.frames.filter(({ t }) => t === 'm').map(({ d }) => d)).toEqual(
      Array.from({ length: 20 }, (_, n) => n),
    );
  });

  it('goes on from a position, on any instance', async () => {
    const { instance, open } = setUp();
    const [one, two] = [await instance(), await instance()];
    const { position } = await one.publish('c', 'seen');
    await one.publish('c', 'missed');
    const { ask } = await open(two);
    const answers = await ask({ t: 'sub', c: ['c', 'd'], since: { c: position } });
    expect(answers).toContainEqual({ t: 'sub', c: 'c', i: position, recovered: true });
    expect(answers).toContainEqual({ t: 'sub', c: 'd', i: expect.any(String), recovered: false });
    expect(answers.filter(({ t }) => t === 'm').map(({ d }) => d)).toEqual(['missed']);
  });

  it('is told why it cannot go on from a position', async () => {
    const { instance, open } = setUp();
    const { ask } = await open(await instance());
    const answers = await ask({ t: 'sub', c: ['a', 'b'], since: { a: 'nonsense', b: '5-0~elsewhere' } });
    expect(answers).toMatchObject([
      { t: 'sub', c: 'a', recovered: false, reason: 'malformed' },
      { t: 'sub', c: 'b', recovered: false, reason: 'failover' },
    ]);
  });

  it('is reset once, and goes on, when the data is gone', async () => {
    const { world, instance, open, settle } = setUp();
    const room = await instance();
    const { socket, ask } = await open(room);
    await ask({ t: 'sub', c: 'c' });
    await room.publish('c', 1);
    await settle();
    world.restart({ keepsData: false });
    world.restore();
    await settle();
    await room.publish('c', 2);
    await settle();
    expect(socket.frames.slice(1)).toMatchObject([
      { t: 'm', d: 1 },
      { t: 'reset', c: 'c', reason: 'failover', i: expect.stringMatching(/^0-0~/) },
      { t: 'm', d: 2 },
    ]);
  });

  it('unsubscribes', async () => {
    const { instance, open, settle } = setUp();
    const room = await instance();
    const { socket, connection, ask } = await open(room);
    await ask({ t: 'sub', c: ['a', 'b'] });
    expect(await ask({ t: 'unsub', id: 1, c: ['a', 'x'] })).toMatchObject([
      { t: 'unsub', id: 1, c: 'a' },
      { t: 'err', id: 1, c: 'x', code: 'not-subscribed' },
    ]);
    const before = socket.received.length;
    await room.publish('a', 1);
    await settle();
    expect(socket.received).toHaveLength(before);
    expect(connection.channels).toEqual(['b']);
  });

  it('answers pings', async () => {
    const { instance, open } = setUp();
    const { ask } = await open(await instance());
    expect(await ask({ t: 'ping', id: 9 })).toEqual([{ t: 'pong', id: 9 }]);
  });

  it('follows the channels that the application chose for it', async () => {
    const { instance, open, settle } = setUp();
    const room = await instance();
    const { socket } = await open(room, { channels: ['lobby'] });
    await settle();
    await room.publish('lobby', 1);
    await settle();
    expect(socket.frames).toMatchObject([
      { t: 'sub', c: 'lobby' },
      { t: 'm', d: 1 },
    ]);
  });
});

describe('what a socket may do', () => {
  it('is nothing, unless the application says so', async () => {
    const { instance, open } = setUp();
    const { ask, connection } = await open(await instance(), {});
    const answers = await ask({ t: 'sub', id: 1, c: 'a' }, { t: 'pub', id: 2, c: 'a', d: 1 });
    expect(answers).toMatchObject([
      { t: 'err', id: 1, c: 'a', code: 'forbidden' },
      { t: 'err', id: 2, c: 'a', code: 'forbidden' },
    ]);
    expect(connection.channels).toEqual([]);
  });

  it('is asked for each channel and action, with the identity', async () => {
    const { instance, open } = setUp();
    const asked: unknown[] = [];
    const authorize = async (identity: { user: number }, channel: string, action: string) => {
      asked.push([identity.user, channel, action]);
      if (channel === 'broken') throw new Error('lookup failed at db-internal:5432');
      return channel === 'mine' && action === 'subscribe';
    };
    const { ask } = await open(await instance(), { identity: { user: 7 }, authorize });
    const answers = await ask({ t: 'sub', c: ['mine', 'other', 'broken'] }, { t: 'pub', c: 'mine', d: 1 });
    expect(asked).toEqual([
      [7, 'mine', 'subscribe'],
      [7, 'other', 'subscribe'],
      [7, 'broken', 'subscribe'],
      [7, 'mine', 'publish'],
    ]);
    expect(answers.filter(({ t }) => t === 'sub')).toMatchObject([{ c: 'mine' }]);
    expect(answers.filter(({ t }) => t === 'err')).toMatchObject([
      { t: 'err', c: 'other', code: 'forbidden' },
      { t: 'err', c: 'broken', code: 'failed' },
      { t: 'err', c: 'mine', code: 'forbidden' },
    ]);
    expect(JSON.stringify(answers)).not.toContain('db-internal');
  });

  it('is bounded: channels, repeated subscriptions, sizes', async () => {
    const { instance, open } = setUp({ maxChannelsPerConnection: 2, maxEventBytes: 100 });
    const { ask } = await open(await instance());
    const answers = await ask(
      { t: 'sub', c: ['a', 'b', 'c'] },
      { t: 'sub', c: 'a' },
      { t: 'pub', c: 'a', d: 'x'.repeat(99) },
    );
    expect(answers.filter(({ t }) => t === 'err')).toMatchObject([
      { c: 'c', code: 'too-many-channels' },
      { c: 'a', code: 'already-subscribed' },
      { c: 'a', code: 'too-large' },
    ]);
  });

  it('ends with a message larger than the limit', async () => {
    const { instance, open } = setUp({ maxMessageBytes: 100 });
    const { socket } = await open(await instance());
    socket.say('é'.repeat(51));
    expect(socket.closed).toMatchObject({ code: 1009 });
  });

  it('ends with what is no frame: the client speaks another protocol', async () => {
    const { instance, open, settle } = setUp();
    const room = await instance();
    const [text, binary] = [await open(room), await open(room)];
    text.socket.say('hello');
    binary.socket.say(Uint8Array.of(1, 2));
    await settle();
    expect(text.socket.frames).toMatchObject([{ t: 'err', code: 'malformed' }]);
    expect([text, binary].map(({ socket }) => socket.closed?.code)).toEqual([4400, 4400]);
  });

  it('ends when it sends faster than it can be served', async () => {
    const { instance, open, settle } = setUp({ maxMessagesPerSecond: false });
    const { socket } = await open(await instance(), {
      authorize: () => new Promise<boolean>(() => undefined),
    });
    for (let n = 0; n < 300; n++) socket.say({ t: 'sub', c: `c${n}` });
    await settle();
    expect(socket.closed).toMatchObject({ code: 4429 });
  });

  it('ends when it asks and does not read the answers', async () => {
    const { instance, open, settle } = setUp();
    const { socket, connection } = await open(await instance());
    socket.hold();
    connection.send('x'.repeat(3_000_000));
    expect(socket.closed).toBeUndefined();
    socket.say({ t: 'ping' });
    await settle();
    expect(socket.closed).toMatchObject({ code: 4408 });
  });
});

describe('a socket without a protocol', () => {
  it('gets the events as they are, and its messages go to the application', async () => {
    const { instance, open, settle } = setUp();
    const room = await instance();
    const heard: string[] = [];
    const { socket } = await open(room, {
      protocol: 'raw',
      channels: ['chat'],
      onMessage: async (data, connection) => {
        heard.push(data);
        if (data === 'direct') connection.send('only for you');
        else await room.publish('chat', { said: data });
      },
    });
    await settle();
    socket.say('hi');
    socket.say(Buffer.from('bytes'));
    socket.say('direct');
    for (let n = 0; n < 10; n++) await settle();
    expect(heard).toEqual(['hi', 'bytes', 'direct']);
    expect(socket.received.sort()).toEqual(['only for you', '{"said":"bytes"}', '{"said":"hi"}']);
  });

  it('hears itself, also when it speaks before its channel has begun', async () => {
    const { instance, open, settle } = setUp();
    const room = await instance();
    const session: SocketSession = {
      protocol: 'raw',
      channels: ['chat'],
      onMessage: async (data) => void (await room.publish('chat', data)),
    };
    const { socket } = await open(room, session);
    socket.say('first');
    socket.say('second');
    for (let n = 0; n < 10; n++) await settle();
    expect(socket.received).toEqual(['"first"', '"second"']);
  });

  it('is heard after a while although its channel cannot begin', async () => {
    const { clock, world, instance, open } = setUp();
    const room = await instance();
    world.cut();
    const heard: string[] = [];
    const onMessage = (data: string) => void heard.push(data);
    const { socket } = await open(room, { protocol: 'raw', channels: ['chat'], onMessage });
    socket.say('anyone?');
    await clock.advance(0);
    expect(heard).toEqual([]);
    await clock.advance(3_000);
    expect(heard).toEqual(['anyone?']);
  });

  it('is closed, to come back, when messages may be missing', async () => {
    const { world, instance, open, settle } = setUp();
    const { socket } = await open(await instance(), { protocol: 'raw', channels: ['c'] });
    await settle();
    world.restart({ keepsData: false });
    world.restore();
    await settle();
    expect(socket.closed).toEqual({ code: 4409, reason: 'reset' });
  });

  it('is closed when the handler of its messages fails', async () => {
    const { instance, open, settle } = setUp();
    const onMessage = () => Promise.reject(new Error('broken'));
    const { socket } = await open(await instance(), { protocol: 'raw', onMessage });
    socket.say('x');
    await settle();
    expect(socket.closed).toMatchObject({ code: 1011 });
  });
});

describe('the life of a socket', () => {
  it('goes on as long as the peer answers pings, and no longer', async () => {
    const { clock, instance, open } = setUp({ pingMs: 25_000 });
    const room = await instance();
    const following = { channels: ['c'] };
    const [alive, dead] = [await open(room, following), await open(room, following)];
    dead.socket.isAlive = false;
    await clock.advance(60_000);
    expect(dead.socket.pings).toBe(2);
    expect(dead.socket.closed).toBeUndefined();
    await clock.advance(20_000);
    expect(dead.socket.closed?.code).toBe(1006);
    await clock.advance(600_000);
    expect(alive.socket.closed).toBeUndefined();
    expect(alive.socket.pings).toBeGreaterThan(20);
    expect(room.connections).toBe(1);
  });

  it('takes anything that the peer says for a sign of life', async () => {
    const { clock, instance, open } = setUp({ pingMs: 25_000 });
    const { socket } = await open(await instance());
    socket.isAlive = false;
    for (let n = 0; n < 20; n++) {
      socket.say({ t: 'ping' });
      await clock.advance(20_000);
    }
    expect(socket.closed).toBeUndefined();
  });

  it('uses one timer for all connections', async () => {
    const { clock, instance, open } = setUp();
    const room = await instance();
    await open(room);
    const timers = clock.pending;
    for (let n = 0; n < 50; n++) {
      await open(room);
      await room.openSse(new TestOutlet(), { channels: ['c'] });
    }
    expect(clock.pending).toBe(timers);
  });

  it('a slow one is parked and catches up; a stuck one is cut', async () => {
    const { clock, instance, open, settle } = setUp({ sendBufferBytes: 8_192, stallMs: 10_000 });
    const room = await instance();
    const slow = await open(room, anyone, new TestSocket({ highWaterBytes: 4_096 }));
    await slow.ask({ t: 'sub', c: 'c' });
    slow.socket.hold();
    for (let n = 0; n < 100; n++) {
      await room.publish('c', { n, pad: 'x'.repeat(1_000) });
      await settle();
    }
    expect(slow.socket.queuedBytes).toBeLessThan(12_000);
    slow.socket.release();
    await clock.advance(50);
    const numbers = slow.socket.frames.filter(({ t }) => t === 'm').map(({ d }) => (d as { n: number }).n);
    expect(numbers).toEqual(Array.from({ length: 100 }, (_, n) => n));
    slow.socket.hold();
    for (let n = 0; n < 20; n++) await room.publish('c', 'x'.repeat(1_000));
    await clock.advance(15_000);
    expect(slow.socket.closed?.code).toBe(1006);
  });

  it('ends with a farewell when the instance drains', async () => {
    const { clock, instance, open } = setUp({ drainMs: 100, reconnect: { minMs: 500, maxMs: 900 } });
    const room = await instance();
    const { socket } = await open(room);
    const drained = room.drain();
    const late = await open(room);
    await clock.advance(200);
    await drained;
    const [bye] = socket.frames;
    expect(bye).toMatchObject({ t: 'bye' });
    expect(bye?.afterMs).toBeGreaterThanOrEqual(500);
    expect(bye?.afterMs).toBeLessThanOrEqual(900);
    expect(socket.closed).toEqual({ code: 1012, reason: 'restart' });
    expect(late.socket.closed).toMatchObject({ code: 1012 });
    expect(room.connections).toBe(0);
  });

  it('is refused when the instance has enough', async () => {
    const { instance, open } = setUp({ maxConnections: 1 });
    const room = await instance();
    await open(room);
    expect(room.refusal()).toMatchObject({ code: 'PANDO_REALTIME_FULL', status: 503, retryable: true });
    const { socket } = await open(room);
    expect(socket.closed).toMatchObject({ code: 1013 });
    expect(room.connections).toBe(1);
  });

  it('can be ended by the application, with a code of its own', async () => {
    const { instance, open } = setUp();
    const room = await instance();
    const { socket, connection } = await open(room);
    connection.close(4401, 'signed out');
    connection.close();
    expect(socket.closed).toEqual({ code: 4401, reason: 'signed out' });
    expect(connection.send('x')).toBe(false);
    expect(room.connections).toBe(0);
  });
});
