import { afterEach, describe, expect, it } from 'vitest';
import { createKernel } from '../kernel/kernel.js';
import { createFakeClock } from '../testing/fake-clock.js';
import { TestOutlet, TestSocket } from '../testing/suites/realtime/wires.js';
import type { Realtime } from './api.js';
import { closeCodes } from './close-codes.js';
import type { SocketSession, SseSession } from './connection.js';
import { createMemoryWorld, createRealtime } from './create.js';
import type { RealtimeOptions } from './options.js';
import { readOrder } from './orders.js';

const opened: Realtime[] = [];
afterEach(async () => {
  for (const room of opened.splice(0)) await room.close();
});

function setUp() {
  const clock = createFakeClock();
  /** What stops announcements while a test says so. */
  const lossy = { isLost: false };
  const world = createMemoryWorld({
    clock,
    carry: (deliver) => {
      if (!lossy.isLost) queueMicrotask(deliver);
    },
  });
  const settle = async () => {
    for (let turn = 0; turn < 4; turn++) await clock.advance(0);
  };
  const instance = async (options: RealtimeOptions = {}): Promise<Realtime> => {
    const room = createRealtime(options, { kernel: createKernel({ clock }), world });
    opened.push(room);
    await room.start();
    await settle();
    return room;
  };
  const socket = async <Identity>(room: Realtime, session: SocketSession<Identity>) => {
    const socket = new TestSocket();
    const connection = room.openSocket(socket, { authorize: () => true, ...session });
    await settle();
    return { socket, connection };
  };
  const stream = async (room: Realtime, session: SseSession) => {
    const outlet = new TestOutlet();
    await room.openSse(outlet, session);
    await settle();
    return outlet;
  };
  return { clock, world, lossy, instance, socket, stream, settle };
}

describe('disconnecting a user', () => {
  it('ends what is theirs on every instance, and nothing else', async () => {
    const { instance, socket, stream, settle } = setUp();
    const [one, two] = [await instance(), await instance()];
    const [here, there] = [
      await socket(one, { identity: 'ann' }),
      await socket(two, { identity: { id: 'ann' } }),
    ];
    const following = await stream(two, { channels: ['c'], identity: { id: 'ann' } });
    const others = [await socket(one, { identity: 'bob' }), await socket(two, { identity: { name: 'ann' } })];
    const other = await stream(two, { channels: ['c'] });
    await one.disconnectUser('ann', { reason: 'signed out' });
    await settle();
    for (const { closed } of [here.socket, there.socket]) {
      expect(closed).toEqual({ code: closeCodes.forbidden.code, reason: 'signed out' });
    }
    expect(following.ended).toBe('ended');
    expect(others.map(({ socket: { closed } }) => closed)).toEqual([undefined, undefined]);
    expect([other.ended, one.connections, two.connections]).toEqual([undefined, 1, 2]);
  });

  it('reaches an instance whose announcements were lost, once it looks', async () => {
    const { clock, lossy, instance, socket } = setUp();
    const [one, two] = [await instance(), await instance()];
    const ann = await socket(two, { identity: 'ann', channels: ['c'] });
    lossy.isLost = true;
    await one.disconnectUser('ann');
    expect(ann.socket.closed).toBeUndefined();
    lossy.isLost = false;
    await clock.advance(31_000);
    expect(ann.socket.closed?.code).toBe(closeCodes.forbidden.code);
  });

  it('ends a connection as well about which the application was asked before', async () => {
    const { clock, instance, socket, stream, settle } = setUp();
    const [one, two] = [await instance(), await instance()];
    const askedAt = clock.monotonic();
    await clock.advance(5);
    await one.disconnectUser('ann');
    await settle();
    const late = await socket(two, { identity: 'ann', askedAt });
    const lateStream = await stream(two, { channels: ['c'], identity: 'ann', askedAt });
    expect(late.socket.closed?.code).toBe(closeCodes.forbidden.code);
    expect([lateStream.ended, lateStream.client.events]).toEqual(['ended', []]);
    await clock.advance(5);
    const again = await socket(two, { identity: 'ann', askedAt: clock.monotonic() });
    expect([again.socket.closed, two.connections]).toEqual([undefined, 1]);
  });

  it('is refused while Redis is away, having been carried out here', async () => {
    const { world, instance, socket, settle } = setUp();
    const [one, two] = [await instance(), await instance()];
    const [here, there] = [await socket(one, { identity: 'ann' }), await socket(two, { identity: 'ann' })];
    world.cut();
    await expect(one.disconnectUser('ann')).rejects.toMatchObject({ code: 'PANDO_REALTIME_UNAVAILABLE' });
    expect(here.socket.closed?.code).toBe(closeCodes.forbidden.code);
    world.restore();
    await settle();
    expect(there.socket.closed).toBeUndefined();
    await one.disconnectUser('ann');
    await settle();
    expect(there.socket.closed?.code).toBe(closeCodes.forbidden.code);
  });

  it('takes a name, and a reason that fits', async () => {
    const { instance } = setUp();
    const room = await instance();
    await expect(room.disconnectUser('')).rejects.toMatchObject({ code: 'PANDO_REALTIME_OPTIONS' });
    await expect(room.disconnectUser('ann', { reason: 'ä'.repeat(61) })).rejects.toThrow(/120 bytes/);
    await expect(
      room.disconnectUser('ann', { signal: AbortSignal.abort(new Error('gone')) }),
    ).rejects.toThrow('gone');
    await room.close();
    await expect(room.disconnectUser('ann')).rejects.toMatchObject({ code: 'PANDO_CLOSED' });
  });
});

describe('revoking a channel', () => {
  it('ends the subscription and the presence of a user, on every instance', async () => {
    const { clock, instance, socket, settle } = setUp();
    const [one, two] = [await instance(), await instance()];
    const ann = await socket(two, { identity: 'ann', presence: () => ({ id: 'ann' }) });
    ann.socket.say({ t: 'sub', c: ['a', 'a#p', 'b'], presence: true });
    await settle();
    expect((await two.presence('a')).users).toBe(1);
    await one.revoke('ann', 'a');
    await settle();
    expect(ann.connection.channels).toEqual(['b']);
    expect(ann.socket.frames.slice(-2)).toEqual([
      { t: 'unsub', c: 'a', reason: 'revoked' },
      { t: 'unsub', c: 'a#p', reason: 'revoked' },
    ]);
    const before = ann.socket.received.length;
    await one.publish('a', 1);
    await settle();
    expect(ann.socket.received.length).toBe(before);
    await clock.advance(7_000);
    expect((await two.presence('a')).users).toBe(0);
  });

  it('ends streams and raw sockets that follow it, for the application to decide again', async () => {
    const { instance, socket, stream, settle } = setUp();
    const room = await instance();
    const identity = 'ann';
    const [one, several] = [
      await stream(room, { identity, channels: ['a'] }),
      await stream(room, { identity, channels: ['b', 'c'] }),
    ];
    const [raw, other] = [
      await socket(room, { identity, protocol: 'raw', channels: ['a'] }),
      await socket(room, { identity, protocol: 'raw', channels: ['d'] }),
    ];
    await room.revoke('ann', ['a', 'c']);
    await settle();
    expect([one.ended, several.ended]).toEqual(['ended', 'ended']);
    expect(raw.socket.closed?.code).toBe(closeCodes.restart.code);
    expect(other.socket.closed).toBeUndefined();
  });

  it('asks again where an answer from before it was on its way', async () => {
    const { instance, socket, settle } = setUp();
    const room = await instance();
    const answers: ((may: boolean) => void)[] = [];
    const authorize = () => new Promise<boolean>((resolve) => answers.push(resolve));
    const ann = await socket(room, { identity: 'ann', authorize });
    ann.socket.say({ t: 'sub', id: 1, c: 'a' });
    await settle();
    await room.revoke('ann', 'a');
    answers[0]?.(true);
    await settle();
    expect([answers.length, ann.connection.channels]).toEqual([2, []]);
    answers[1]?.(false);
    await settle();
    expect(ann.socket.frames).toMatchObject([{ t: 'err', id: 1, code: 'forbidden' }]);
  });

  it('does not let in who was given the channel before it, and arrives after it', async () => {
    const { clock, instance, stream } = setUp();
    const room = await instance();
    const askedAt = clock.monotonic();
    await room.revoke('ann', 'a');
    const outlet = await stream(room, { identity: 'ann', channels: ['a'], askedAt });
    expect([outlet.ended, outlet.client.events, outlet.client.retryMs]).toEqual([
      'ended',
      [],
      expect.any(Number),
    ]);
    const other = await stream(room, { identity: 'ann', channels: ['b'], askedAt });
    expect(other.ended).toBeUndefined();
  });

  it('refuses what is no channel', async () => {
    const { instance } = setUp();
    const room = await instance();
    await expect(room.revoke('ann', ['a', 'has space'])).rejects.toMatchObject({
      code: 'PANDO_REALTIME_INVALID_CHANNEL',
    });
  });
});

describe('a client that says who it is once it is connected', () => {
  const refresh = (credential: string) => ({ identity: { id: credential } });

  it('is that user from then on, for orders and for limits', async () => {
    const { instance, socket, settle } = setUp();
    const room = await instance({ maxConnectionsPerUser: 1 });
    const session = { identity: {}, refresh };
    const [first, second] = [await socket(room, session), await socket(room, session)];
    first.socket.say({ t: 'auth', id: 1, credential: 'ann' });
    await settle();
    second.socket.say({ t: 'auth', id: 2, credential: 'ann' });
    await settle();
    expect(first.socket.frames).toEqual([{ t: 'auth', id: 1 }]);
    expect(second.socket.frames).toMatchObject([{ t: 'err', id: 2, code: 'forbidden' }]);
    expect(room.refusal({ identity: 'ann' })).toMatchObject({ status: 429 });
    await room.disconnectUser('ann');
    expect([first.socket.closed?.code, second.socket.closed]).toEqual([closeCodes.forbidden.code, undefined]);
    expect([room.connections, room.refusal({ identity: 'ann' })]).toEqual([1, undefined]);
  });

  it('is refused where the user was disconnected while the application was asked', async () => {
    const { instance, socket, settle } = setUp();
    const room = await instance();
    let answer = (): void => undefined;
    const asked = () =>
      new Promise<{ identity: string }>((resolve) => {
        answer = () => resolve({ identity: 'ann' });
      });
    const { socket: client } = await socket(room, { identity: undefined, refresh: asked });
    client.say({ t: 'auth', id: 1, credential: 'x' });
    await settle();
    await room.disconnectUser('ann');
    answer();
    await settle();
    expect(client.frames).toMatchObject([{ t: 'err', id: 1, code: 'forbidden' }]);
  });
});

describe('orders', () => {
  it('cannot be given, nor heard, by clients', async () => {
    const { instance, socket, settle } = setUp();
    const { socket: client } = await socket(await instance(), { identity: 'eve' });
    const disconnect = { kind: 'disconnect', user: 'ann', reason: 'x' };
    client.say({ t: 'pub', id: 1, c: '#orders', d: disconnect });
    client.say({ t: 'sub', id: 2, c: '#orders' });
    client.say({ t: 'sub', id: 3, c: '#orders#p' });
    await settle();
    expect(client.frames).toMatchObject([1, 2, 3].map((id) => ({ t: 'err', id, code: 'invalid-channel' })));
  });

  it('of a newer release are passed over', () => {
    expect(readOrder({ kind: 'revoke', user: 'ann', channels: ['a'], more: 1 })).toEqual({
      kind: 'revoke',
      user: 'ann',
      channels: ['a'],
    });
    for (const data of [
      undefined,
      null,
      7,
      { kind: 'promote', user: 'ann' },
      { kind: 'disconnect', user: 7, reason: 'x' },
      { kind: 'disconnect', user: 'ann' },
      { kind: 'revoke', user: 'ann', channels: [7] },
    ])
      expect(readOrder(data)).toBeUndefined();
  });
});
