import { afterEach, describe, expect, it } from 'vitest';
import { createKernel } from '../kernel/kernel.js';
import { createFakeClock } from '../testing/fake-clock.js';
import { TestOutlet, TestSocket } from '../testing/suites/realtime/wires.js';
import type { Realtime } from './api.js';
import { closeCodes } from './close-codes.js';
import type { SocketSession } from './connection.js';
import { createMemoryWorld, createRealtime } from './create.js';
import { type RealtimeOptions, resolveRealtimeOptions } from './options.js';

const opened: Realtime[] = [];
afterEach(async () => {
  for (const room of opened.splice(0)) await room.close();
});

function setUp() {
  const clock = createFakeClock();
  const world = createMemoryWorld({ clock });
  const warnings: string[] = [];
  const logger = {
    debug: () => undefined,
    info: () => undefined,
    warn: (_fields: object, message?: string) => void warnings.push(message ?? ''),
    error: () => undefined,
  };
  const instance = async (options: RealtimeOptions = {}): Promise<Realtime> => {
    const room = createRealtime(options, { kernel: createKernel({ clock, logger }), world });
    opened.push(room);
    await room.start();
    return room;
  };
  const socket = async (room: Realtime, session: SocketSession = {}) => {
    const socket = new TestSocket();
    room.openSocket(socket, { authorize: () => true, ...session });
    await clock.advance(0);
    return socket;
  };
  return { clock, instance, socket, warnings };
}

describe('connections of one user', () => {
  it('are limited, over both transports, and there is room again when one ends', async () => {
    const { instance, socket, warnings } = setUp();
    const room = await instance({ maxConnectionsPerUser: 2 });
    const first = await socket(room, { identity: 'ann' });
    const outlet = new TestOutlet();
    await room.openSse(outlet, { channels: ['c'], identity: { id: 'ann' } });
    expect(room.refusal({ identity: 'ann' })).toMatchObject({
      code: 'PANDO_REALTIME_TOO_MANY_CONNECTIONS',
      status: 429,
      retryable: true,
    });
    await expect(room.openSse(new TestOutlet(), { channels: ['c'], identity: 'ann' })).rejects.toThrow(
      /userOf/,
    );
    expect((await socket(room, { identity: 'ann' })).closed?.code).toBe(closeCodes.full.code);
    expect(room.refusal({ identity: 'bob' })).toBeUndefined();
    expect(warnings).toHaveLength(1);
    outlet.cut();
    first.close(1000, '');
    expect([room.refusal({ identity: 'ann' }), room.connections]).toEqual([undefined, 0]);
  });

  it('are not limited unless that is asked for, and never where the identity is nobody in particular', async () => {
    const { instance, socket } = setUp();
    const userOf = (identity: unknown) => (identity === 'guest' ? undefined : String(identity));
    const [free, strict] = [await instance(), await instance({ maxConnectionsPerUser: 5, userOf })];
    for (let n = 0; n < 60; n++) {
      for (const room of [free, strict]) {
        await socket(room, { identity: 'guest' });
        await socket(room, { identity: 'ann' });
      }
    }
    expect([free.connections, strict.connections]).toEqual([120, 65]);
  });

  it.each([
    ['ann', 'ann'],
    [7, '7'],
    [{ id: 'ann' }, 'ann'],
    [{ id: 7 }, '7'],
    [{ name: 'ann' }, undefined],
    ['', undefined],
    [undefined, undefined],
    [null, undefined],
  ])('are those of %j: %j', (identity, user) => {
    expect(resolveRealtimeOptions().userOf(identity)).toBe(user);
  });
});

describe('connections from one address', () => {
  it('are not limited unless that is asked for', async () => {
    const { instance, socket } = setUp();
    const address = '203.0.113.7';
    const [free, strict] = [await instance(), await instance({ maxConnectionsPerAddress: 1 })];
    for (const room of [free, strict]) {
      for (let n = 0; n < 3; n++) await socket(room, { address });
      await socket(room, { address: '203.0.113.8' });
    }
    expect([free.connections, strict.connections]).toEqual([4, 2]);
    expect(strict.refusal({ address })).toMatchObject({ status: 429 });
    expect(strict.refusal({})).toBeUndefined();
  });
});

describe('the role of an instance', () => {
  it('keeps a publisher from taking connections, and from following anything', async () => {
    const { instance } = setUp();
    const room = await instance({ role: 'publish-only' });
    expect(room.refusal()).toMatchObject({ code: 'PANDO_REALTIME_ROLE', status: 503 });
    await expect(room.openSse(new TestOutlet(), { channels: ['c'] })).rejects.toThrow(/publish-only/);
    await expect(room.subscribe('c', () => undefined)).rejects.toMatchObject({ code: 'PANDO_REALTIME_ROLE' });
    await expect(room.publish('c', 1)).resolves.toMatchObject({ duplicate: false });
  });

  it('keeps one that delivers from publishing, for its clients as well', async () => {
    const { clock, instance, socket } = setUp();
    const [writer, reader] = [
      await instance({ role: 'publish-only' }),
      await instance({ role: 'deliver-only' }),
    ];
    await expect(reader.publish('c', 1)).rejects.toMatchObject({ code: 'PANDO_REALTIME_ROLE' });
    const client = await socket(reader, { identity: 'ann' });
    client.say({ t: 'sub', id: 1, c: 'c' });
    client.say({ t: 'pub', id: 2, c: 'c', d: 1 });
    for (let turn = 0; turn < 4; turn++) await clock.advance(0);
    await writer.publish('c', 'news');
    for (let turn = 0; turn < 4; turn++) await clock.advance(0);
    expect(client.frames).toMatchObject([
      { t: 'sub', id: 1 },
      { t: 'err', id: 2, code: 'forbidden' },
      { t: 'm', d: 'news' },
    ]);
    await writer.disconnectUser('ann');
    for (let turn = 0; turn < 4; turn++) await clock.advance(0);
    expect(client.closed?.code).toBe(closeCodes.forbidden.code);
  });
});

describe('a client that talks', () => {
  it('too much over time is cut off; a burst now and then is fine', async () => {
    const { clock, instance, socket } = setUp();
    const room = await instance({ maxMessagesPerSecond: 10 });
    const [steady, greedy] = [await socket(room), await socket(room)];
    const ping = (client: TestSocket, count: number) => {
      for (let n = 0; n < count; n++) client.say({ t: 'ping' });
    };
    ping(steady, 200);
    ping(greedy, 200);
    for (let second = 0; second < 20; second++) {
      await clock.advance(1_000);
      ping(steady, 10);
      ping(greedy, 16);
    }
    expect([steady.closed, greedy.closed]).toEqual([
      undefined,
      { code: closeCodes.rateLimited.code, reason: 'rate-limited' },
    ]);
  });

  it('may say as much as it can be served where that is not limited', async () => {
    const { clock, instance, socket } = setUp();
    const client = await socket(await instance({ maxMessagesPerSecond: false }));
    for (let n = 0; n < 2_000; n++) {
      client.say({ t: 'ping' });
      if (n % 100 === 0) await clock.advance(0);
    }
    expect(client.closed).toBeUndefined();
  });

  it('not at all is told to go, unless it was given something', async () => {
    const { clock, instance, socket } = setUp();
    const room = await instance();
    const [silent, spoke, given, raw] = [
      await socket(room),
      await socket(room),
      await socket(room, { channels: ['c'] }),
      await socket(room, { protocol: 'raw' }),
    ];
    spoke.say({ t: 'ping' });
    await clock.advance(29_000);
    expect(silent.closed).toBeUndefined();
    await clock.advance(2_000);
    expect(silent.closed).toEqual({ code: closeCodes.idle.code, reason: 'idle' });
    await clock.advance(600_000);
    expect([spoke.closed, given.closed, raw.closed]).toEqual([undefined, undefined, undefined]);
  });
});
