import { afterEach, describe, expect, it } from 'vitest';
import { createKernel } from '../kernel/kernel.js';
import { createLaggards } from '../kernel/laggards.js';
import { coversToken, dbToken, type Token } from '../kernel/token.js';
import { createTokenCodec } from '../kernel/token-codec.js';
import { createFakeClock } from '../testing/fake-clock.js';
import type { Realtime } from './api.js';
import { createRealtime } from './create.js';

const opened: Realtime[] = [];
afterEach(async () => {
  for (const room of opened.splice(0)) await room.close();
});

const token = dbToken({ shard: 'main', system: '1', timeline: 1, lsn: 42n });

async function setUp() {
  const clock = createFakeClock();
  const laggards = createLaggards();
  const waiting: { readonly token: Token; readonly catchUp: () => void; isGone: boolean }[] = [];
  laggards.add({
    caughtUp: (named, { signal }) =>
      new Promise((resolve, reject) => {
        const waiter = { token: named, catchUp: resolve, isGone: false };
        waiting.push(waiter);
        signal.addEventListener('abort', () => {
          waiter.isGone = true;
          reject(signal.reason);
        });
      }),
  });
  const tokens = createTokenCodec('app', () => 'secret');
  const room = createRealtime({ afterAllMs: 3_000 }, { kernel: createKernel({ clock }), laggards, tokens });
  opened.push(room);
  await room.start();
  const heard: unknown[] = [];
  await room.subscribe('c', ({ data }) => heard.push(data));
  const settle = async () => {
    for (let turn = 0; turn < 4; turn++) await clock.advance(0);
  };
  return { clock, settle, room, heard, waiting };
}

describe('an event published with afterAll', () => {
  it('is held until nobody is behind what it tells of', async () => {
    const { clock, settle, room, heard, waiting } = await setUp();
    const published = room.publish('c', 1, { token, afterAll: true });
    await clock.advance(1_000);
    expect(heard).toEqual([]);
    expect(waiting[0] && coversToken(waiting[0].token, token)).toBe(true);
    waiting[0]?.catchUp();
    await settle();
    await published;
    expect(heard).toEqual([1]);
  });

  it('keeps its place before what is published to its channel later, and holds up no other channel', async () => {
    const { settle, room, heard, waiting } = await setUp();
    const others: unknown[] = [];
    await room.subscribe('other', ({ data }) => others.push(data));
    const all = [
      room.publish('c', 1),
      room.publish('c', 2, { token, afterAll: true }),
      room.publish('c', 3),
      room.publish('c', 4, { token, afterAll: true }),
      room.publish('c', 5),
      room.publish('other', 6),
    ];
    await settle();
    expect([heard, others]).toEqual([[1], [6]]);
    waiting[1]?.catchUp(); // of the fourth
    await settle();
    expect(heard).toEqual([1]);
    waiting[0]?.catchUp();
    await settle();
    await Promise.all(all);
    expect(heard).toEqual([1, 2, 3, 4, 5]);
    await room.publish('c', 7);
    await settle();
    expect(heard.at(-1)).toBe(7);
  });

  it('is published all the same when the time has passed', async () => {
    const { clock, settle, room, heard, waiting } = await setUp();
    const published = room.publish('c', 1, { token, afterAll: true });
    await clock.advance(2_999);
    expect(heard).toEqual([]);
    await clock.advance(1);
    await published;
    await settle();
    expect(heard).toEqual([1]);
    expect(waiting[0]?.isGone).toBe(true);
  });

  it('is not published when its caller has left before, and lets those behind it go', async () => {
    const { settle, room, heard, waiting } = await setUp();
    const caller = new AbortController();
    const given = room.publish('c', 1, { token, afterAll: true, signal: caller.signal });
    const behind = room.publish('c', 2);
    caller.abort(new Error('gone'));
    await expect(given).rejects.toThrow('gone');
    waiting[0]?.catchUp();
    await settle();
    await behind;
    expect(heard).toEqual([2]);
  });

  it('is refused when the room closes meanwhile', async () => {
    const { room, waiting } = await setUp();
    const refused = expect(room.publish('c', 1, { token, afterAll: true })).rejects.toThrow('closed');
    await room.close();
    await refused;
    expect(waiting[0]?.isGone).toBe(true);
  });
});
