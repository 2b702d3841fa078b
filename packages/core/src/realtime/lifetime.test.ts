import { afterEach, describe, expect, it } from 'vitest';
import { createKernel } from '../kernel/kernel.js';
import { createFakeClock } from '../testing/fake-clock.js';
import { TestOutlet, TestSocket } from '../testing/suites/realtime/wires.js';
import type { Realtime } from './api.js';
import { closeCodes } from './close-codes.js';
import type { SocketSession } from './connection.js';
import { createMemoryWorld, createRealtime } from './create.js';
import type { RealtimeOptions } from './options.js';

const opened: Realtime[] = [];
afterEach(async () => {
  for (const room of opened.splice(0)) await room.close();
});

async function setUp(options: RealtimeOptions = {}) {
  const clock = createFakeClock();
  const room = createRealtime(options, {
    kernel: createKernel({ clock }),
    world: createMemoryWorld({ clock }),
  });
  opened.push(room);
  await room.start();
  const connect = async <Identity>(session: SocketSession<Identity>) => {
    const socket = new TestSocket();
    const connection = room.openSocket(socket, session);
    if (session.protocol !== 'raw') socket.say({ t: 'ping' }); // who says nothing at all is soon told to go
    await clock.advance(0);
    const ask = async (frame: object) => {
      const before = socket.received.length;
      socket.say(frame);
      for (let turn = 0; turn < 4; turn++) await clock.advance(0);
      return socket.frames.slice(before);
    };
    return { socket, connection, ask };
  };
  return { clock, room, connect };
}

interface Ann {
  readonly id: string;
  readonly rooms: readonly string[];
}

const authorize = ({ rooms }: Ann, channel: string) => rooms.includes(channel);

describe('a credential that expires', () => {
  it('closes a socket that has no way to show a fresh one', async () => {
    const { clock, connect } = await setUp();
    const { socket } = await connect({ authorize: () => true, expiresAt: clock.now() + 60_000 });
    expect(socket.frames).toEqual([{ t: 'auth', expiresAt: clock.now() + 60_000 }, { t: 'pong' }]);
    await clock.advance(59_000);
    expect(socket.closed).toBeUndefined();
    await clock.advance(2_000);
    expect(socket.closed).toEqual({ code: closeCodes.expired.code, reason: 'expired' });
  });

  it('closes a raw socket as well, without a word before', async () => {
    const { clock, connect } = await setUp();
    const { socket } = await connect({ protocol: 'raw', channels: ['c'], expiresAt: clock.now() + 1_000 });
    await clock.advance(3_000);
    expect([socket.closed?.code, socket.received]).toEqual([closeCodes.expired.code, []]);
  });

  it('leaves a client that can show a fresh one a few seconds more, and then as long as that one holds', async () => {
    const { clock, connect } = await setUp();
    const session = (expiresAt: number) => ({
      identity: { id: 'ann', rooms: ['a'] },
      authorize,
      expiresAt,
      refresh: (credential: string, identity: Ann) =>
        credential === 'fresh' ? { identity, expiresAt: expiresAt + 600_000 } : undefined,
    });
    const [late, prompt] = [
      await connect(session(clock.now() + 60_000)),
      await connect(session(clock.now() + 60_000)),
    ];
    await clock.advance(62_000);
    expect(late.socket.closed).toBeUndefined();
    expect(await prompt.ask({ t: 'auth', id: 1, credential: 'stale' })).toMatchObject([
      { t: 'err', id: 1, code: 'forbidden' },
    ]);
    expect(await prompt.ask({ t: 'auth', id: 2, credential: 'fresh' })).toEqual([
      { t: 'auth', id: 2, expiresAt: clock.now() + 598_000 },
    ]);
    await clock.advance(5_000);
    expect([late.socket.closed?.code, prompt.socket.closed]).toEqual([closeCodes.expired.code, undefined]);
    await clock.advance(604_000);
    expect(prompt.socket.closed?.code).toBe(closeCodes.expired.code);
  });

  it('is renewed for the same user alone, and without an end where the fresh one has none', async () => {
    const { clock, connect } = await setUp();
    const { socket, connection, ask } = await connect({
      identity: { id: 'ann', rooms: [] },
      expiresAt: clock.now() + 10_000,
      refresh: (credential: string) => ({ identity: { id: credential, rooms: [] } }),
    });
    expect(await ask({ t: 'auth', credential: 'bob' })).toMatchObject([{ t: 'err', code: 'forbidden' }]);
    expect(connection.identity).toMatchObject({ id: 'ann' });
    expect(await ask({ t: 'auth', credential: 'ann' })).toEqual([{ t: 'auth' }]);
    await clock.advance(120_000);
    expect(socket.closed).toBeUndefined();
  });

  it('ends what its user may not follow any longer, and nothing else', async () => {
    const { connect } = await setUp();
    const { socket, connection, ask } = await connect({
      identity: { id: 'ann', rooms: ['a', 'b'] },
      authorize,
      channels: ['given', 'taken'],
      refresh: () => ({ identity: { id: 'ann', rooms: ['b'] }, channels: ['given'] }),
    });
    await ask({ t: 'sub', c: ['a', 'b', 'a#p', 'b#p'] });
    expect(await ask({ t: 'auth', credential: 'x' })).toEqual([
      { t: 'auth' },
      { t: 'unsub', c: 'taken', reason: 'revoked' },
      { t: 'unsub', c: 'a', reason: 'revoked' },
      { t: 'unsub', c: 'a#p', reason: 'revoked' },
    ]);
    expect(connection.channels).toEqual(['given', 'b', 'b#p']);
    expect(await ask({ t: 'sub', id: 3, c: 'a' })).toMatchObject([{ t: 'err', id: 3, code: 'forbidden' }]);
    expect(socket.closed).toBeUndefined();
  });

  it('keeps what a client follows while nobody can say whether it still may', async () => {
    const { connect } = await setUp();
    let isBroken = false;
    const { connection, ask } = await connect({
      identity: { id: 'ann', rooms: [] },
      authorize: () => {
        if (isBroken) throw new Error('the database is away');
        return true;
      },
      refresh: (_credential: string, identity: Ann) => ({ identity }),
    });
    await ask({ t: 'sub', c: 'a' });
    isBroken = true;
    expect(await ask({ t: 'auth', credential: 'x' })).toEqual([{ t: 'auth' }]);
    expect(connection.channels).toEqual(['a']);
  });

  it('is refused by a socket that takes none, and when it is no credential', async () => {
    const { connect } = await setUp();
    const { ask } = await connect({ authorize: () => true });
    expect(await ask({ t: 'auth', id: 1, credential: 'x' })).toMatchObject([
      { t: 'err', id: 1, code: 'forbidden' },
    ]);
    for (const credential of [undefined, '', 7, 'x'.repeat(8_193)]) {
      expect(await ask({ t: 'auth', credential })).toMatchObject([{ t: 'err', code: 'malformed' }]);
    }
  });

  it('ends a stream in time, never after it and at most five seconds before', async () => {
    const { clock, room } = await setUp();
    const expiresAt = clock.now() + 60_000;
    const outlets = Array.from({ length: 20 }, () => new TestOutlet());
    for (const outlet of outlets) await room.openSse(outlet, { channels: ['c'], expiresAt });
    await clock.advance(54_000);
    expect(outlets.filter(({ ended }) => ended !== undefined)).toEqual([]);
    await clock.advance(7_000);
    for (const { ended, client } of outlets) {
      expect(ended).toBe('ended');
      expect(client.retryMs).toBeGreaterThanOrEqual(1_000);
    }
  });
});

describe('the greatest age of a connection', () => {
  it('brings all back in time, some of them sooner than others', async () => {
    const { clock, room, connect } = await setUp({ maxConnectionAgeMs: 100_000 });
    const sockets = await Promise.all(
      Array.from({ length: 30 }, async () => (await connect({ authorize: () => true })).socket),
    );
    const outlet = new TestOutlet();
    await room.openSse(outlet, { channels: ['c'] });
    await clock.advance(74_000);
    expect(sockets.filter(({ closed }) => closed !== undefined)).toEqual([]);
    await clock.advance(13_000);
    const ended = sockets.filter(({ closed }) => closed !== undefined).length;
    expect(ended).toBeGreaterThan(0);
    expect(ended).toBeLessThan(30);
    await clock.advance(15_000);
    for (const { closed, frames } of sockets) {
      expect(closed?.code).toBe(closeCodes.restart.code);
      expect(frames).toEqual([{ t: 'pong' }, { t: 'bye', afterMs: expect.any(Number) }]);
    }
    expect(outlet.ended).toBe('ended');
  });

  it('is no limit unless it is set', async () => {
    const { clock, connect } = await setUp();
    const { socket } = await connect({ authorize: () => true });
    await clock.advance(3_600_000);
    expect(socket.closed).toBeUndefined();
  });
});
