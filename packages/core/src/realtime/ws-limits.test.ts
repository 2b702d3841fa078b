import { afterEach, describe, expect, it } from 'vitest';
import { createKernel } from '../kernel/kernel.js';
import { createFakeClock } from '../testing/fake-clock.js';
import { TestSocket } from '../testing/suites/realtime/wires.js';
import type { Realtime } from './api.js';
import type { Overrun, SocketSession } from './connection.js';
import { createMemoryWorld, createRealtime } from './create.js';

const opened: Realtime[] = [];
afterEach(async () => {
  for (const room of opened.splice(0)) await room.close();
});

/** A socket of a room in which one message a second may be sent, once a burst is used up. */
async function setUp(session: SocketSession<never>, maxMessagesPerSecond: number | false = 1) {
  const clock = createFakeClock();
  const world = createMemoryWorld({ clock });
  const room = createRealtime({ maxMessagesPerSecond }, { kernel: createKernel({ clock }), world });
  opened.push(room);
  await room.start();
  const socket = new TestSocket();
  room.openSocket(socket, { authorize: () => true, ...session });
  const say = async (...frames: unknown[]) => {
    const before = socket.received.length;
    for (const frame of frames) socket.say(frame as object);
    for (let turn = 0; turn < 10; turn++) await clock.advance(0);
    return socket.received.slice(before);
  };
  const ask = async (...frames: object[]) => (await say(...frames)).map((text) => JSON.parse(text));
  /** As much as may come at once. */
  const burst = () => ask(...Array.from({ length: 256 }, () => ({ t: 'unsub', c: 'x' })));
  return { clock, room, socket, say, ask, burst };
}

const tooMany = { t: 'err', code: 'rate-limited', message: expect.any(String), retryAfterMs: 1_000 };

describe('a client that sends faster than it may', () => {
  it('is told once a second, and at once where it waits for an answer; nothing of it is carried out', async () => {
    const { ask, burst, room, clock, socket } = await setUp({});
    await burst();
    expect(await ask({ t: 'unsub', c: 'x' }, { t: 'unsub', c: 'x' })).toEqual([tooMany]);
    expect(await ask({ t: 'pub', id: 7, c: 'a', d: 1 }, { t: 'sub', id: 'b', c: 'a' })).toEqual([
      { ...tooMany, id: 7 },
      { ...tooMany, id: 'b' },
    ]);
    expect(await room.publish('a', 1)).toMatchObject({ duplicate: false });
    await clock.advance(1_000);
    expect(await ask({ t: 'sub', id: 1, c: 'a' }, { t: 'ping', id: 2 })).toMatchObject([
      { ...tooMany, id: 2 },
      { t: 'sub', id: 1 },
    ]);
    expect(socket.closed).toBeUndefined();
  });

  it('is closed with 1008 when it goes on', async () => {
    const { ask, burst, clock, socket } = await setUp({});
    await burst();
    for (let second = 0; second < 4; second++) {
      expect(socket.closed).toBeUndefined();
      await ask({ t: 'ping' }, { t: 'ping' });
      await clock.advance(1_000);
    }
    expect(socket.closed).toEqual({ code: 1008, reason: 'rate-limited' });
  });
});

describe('limits of the application', () => {
  const everyOther = (spent: unknown[]) => async (what: string, identity: unknown) => {
    spent.push([what, identity]);
    return what === 'publish' ? { retryAfterMs: 1_499.5 } : undefined;
  };

  it('are asked before a message is heard, and about a publish besides', async () => {
    const spent: unknown[] = [];
    const { ask } = await setUp({ spend: everyOther(spent), identity: 'ann' as never });
    expect(
      await ask({ t: 'sub', id: 1, c: 'a' }, { t: 'pub', id: 2, c: 'a', d: 1 }, { t: 'ping', id: 3 }),
    ).toEqual([
      expect.objectContaining({ t: 'sub', id: 1 }),
      { ...tooMany, id: 2, c: 'a', retryAfterMs: 1_500 },
      { t: 'pong', id: 3 },
    ]);
    expect(spent).toEqual([
      ['message', 'ann'],
      ['message', 'ann'],
      ['publish', 'ann'],
    ]);
  });

  it('refuse where they fail', async () => {
    const { ask, socket } = await setUp({ spend: () => Promise.reject(new Error('boom')) });
    expect(await ask({ t: 'sub', id: 1, c: 'a' })).toMatchObject([{ t: 'err', id: 1, code: 'failed' }]);
    expect(socket.closed).toBeUndefined();
  });

  it('close a connection whose client goes on', async () => {
    const { ask, clock, socket } = await setUp({ spend: async () => ({ retryAfterMs: 60_000 }) }, false);
    for (let second = 0; second < 4; second++) {
      await ask({ t: 'sub', c: 'a' });
      await clock.advance(1_000);
    }
    expect(socket.closed).toMatchObject({ code: 1008 });
  });

  it('keep a raw message from the application, which may say so in its own language', async () => {
    const heard: string[] = [];
    const overruns: Overrun[] = [];
    let isFree = true;
    const { say, clock, socket } = await setUp({
      protocol: 'raw',
      spend: async () => (isFree ? undefined : { retryAfterMs: 500 }),
      onMessage: (data) => void heard.push(data),
      onLimited(overrun, connection) {
        overruns.push(overrun);
        connection.send('slowly, please');
      },
    });
    await say('one');
    isFree = false;
    expect(await say('two', 'three')).toEqual(['slowly, please']);
    isFree = true;
    await say('four');
    expect([heard, overruns]).toEqual([['one', 'four'], [{ retryAfterMs: 500 }]]);
    await clock.advance(0);
    expect(socket.closed).toBeUndefined();
  });
});
