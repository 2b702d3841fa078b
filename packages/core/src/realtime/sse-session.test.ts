import { afterEach, describe, expect, it } from 'vitest';
import { createKernel } from '../kernel/kernel.js';
import { SharedBytes } from '../kernel/shared-bytes.js';
import { createFakeClock } from '../testing/fake-clock.js';
import { TestOutlet } from '../testing/suites/realtime/wires.js';
import type { Realtime } from './api.js';
import type { SseSession } from './connection.js';
import { createMemoryWorld, createRealtime } from './create.js';
import { cursorName } from './cursor.js';
import type { RealtimeOptions } from './options.js';

const opened: Realtime[] = [];
afterEach(async () => {
  for (const room of opened.splice(0)) await room.close();
});

/** A world in which instances, clients and time are the test's. */
function setUp(options: RealtimeOptions = {}) {
  const clock = createFakeClock();
  const world = createMemoryWorld({ clock });
  const instance = async (): Promise<Realtime> => {
    const room = createRealtime(options, { kernel: createKernel({ clock }), world });
    opened.push(room);
    await room.start();
    return room;
  };
  const open = async (room: Realtime, session: SseSession, outlet = new TestOutlet()) => {
    const connection = await room.openSse(outlet, session);
    await clock.advance(0);
    return { outlet, client: outlet.client, connection };
  };
  return { clock, world, instance, open, settle: () => clock.advance(0) };
}

const messagesOf = ({ client }: TestOutlet): unknown[] =>
  client.events.filter(({ type }) => type === 'message').map(({ data }) => JSON.parse(data));
const typesOf = ({ client }: TestOutlet): string[] => client.events.map(({ type }) => type);

describe('an event stream of one channel', () => {
  it('begins with the time to wait before a reconnect, and with its position', async () => {
    const { instance, open } = setUp({ reconnect: { minMs: 2_000, maxMs: 3_000 } });
    const { client } = await open(await instance(), { channels: ['c'] });
    expect(client.retryMs).toBeGreaterThanOrEqual(2_000);
    expect(client.retryMs).toBeLessThanOrEqual(3_000);
    expect(client.events).toEqual([
      { type: 'cursor', data: '', lastEventId: expect.stringMatching(/^0-0~/) },
    ]);
  });

  it('carries the events themselves, each with its position', async () => {
    const { instance, open, settle } = setUp();
    const room = await instance();
    const { outlet, client } = await open(room, { channels: ['c'] });
    const { position } = await room.publish('c', { text: 'two\nlines' });
    await settle();
    expect(client.events.at(-1)).toEqual({
      type: 'message',
      data: '{"text":"two\\nlines"}',
      lastEventId: position,
    });
    expect(messagesOf(outlet)).toEqual([{ text: 'two\nlines' }]);
  });

  it('goes on where it was, on any instance, after nothing at all had been received', async () => {
    const { instance, open, settle } = setUp();
    const [one, two] = [await instance(), await instance()];
    const first = await open(one, { channels: ['c'] });
    first.outlet.cut();
    await one.publish('c', 1);
    const second = await open(two, { channels: ['c'], lastEventId: first.client.lastEventId });
    await two.publish('c', 2);
    await settle();
    expect(messagesOf(second.outlet)).toEqual([1, 2]);
    expect(typesOf(second.outlet)).toEqual(['message', 'message']);
  });

  it('goes on in the middle of a packet', async () => {
    const { instance, open, settle } = setUp();
    const room = await instance();
    const outcomes = await Promise.all([1, 2, 3].map((n) => room.publish('c', n)));
    for (const [index, { position }] of outcomes.entries()) {
      const { outlet } = await open(room, { channels: ['c'], lastEventId: position });
      await settle();
      expect(messagesOf(outlet)).toEqual([1, 2, 3].slice(index + 1));
    }
    expect(new Set(outcomes.map(({ position }) => position.split(/[.~]/)[0])).size).toBe(1);
  });

  it('says so when its position is no longer in the history, and goes on from now', async () => {
    const { instance, open, settle } = setUp({ history: { size: 2 } });
    const room = await instance();
    const { position } = await room.publish('c', 0);
    for (let n = 1; n <= 4; n++) await room.publish('c', n);
    const { outlet, client } = await open(await instance(), { channels: ['c'], lastEventId: position });
    await room.publish('c', 5);
    await settle();
    expect(typesOf(outlet)).toEqual(['reset', 'message']);
    expect(JSON.parse(client.events[0]?.data ?? '')).toEqual({
      c: 'c',
      i: client.events[0]?.lastEventId,
      reason: 'trimmed',
    });
    expect(messagesOf(outlet)).toEqual([5]);
  });

  it.each([
    ['malformed', 'nonsense\r\n'],
    ['malformed', 'x'.repeat(10_000)],
    ['malformed', 'c1~!'],
    ['failover', '5-0~elsewhere'],
    ['history-lost', '99999999999999-0~m1'],
  ])('tells %s of a position that it cannot go on from: %.20s', async (reason, lastEventId) => {
    const { instance, open, settle } = setUp();
    const room = await instance();
    await room.publish('c', 1);
    const { outlet, client } = await open(room, { channels: ['c'], lastEventId });
    await room.publish('c', 2);
    await settle();
    expect(JSON.parse(client.events[0]?.data ?? '')).toMatchObject({ reason });
    expect(messagesOf(outlet)).toEqual([2]);
  });
});

describe('an event stream of several channels', () => {
  it('wraps events in envelopes and moves a cursor behind each group', async () => {
    const { instance, open, settle } = setUp();
    const room = await instance();
    const { outlet, client } = await open(room, { channels: ['a', 'b'] });
    const [one, two] = await Promise.all([room.publish('a', 1), room.publish('b', { x: 2 })]);
    await settle();
    expect(messagesOf(outlet)).toEqual([
      { c: 'a', i: one.position, d: 1 },
      { c: 'b', i: two.position, d: { x: 2 } },
    ]);
    expect(typesOf(outlet)).toEqual(['cursor', 'message', 'message', 'cursor']);
    expect(client.lastEventId).toMatch(/^c1~/);
  });

  it('goes on in each channel where it was, also when the channels are others by then', async () => {
    const { instance, open, settle } = setUp();
    const [one, two] = [await instance(), await instance()];
    const first = await open(one, { channels: ['a', 'b', 'gone'] });
    await one.publish('a', 'seen');
    await settle();
    first.outlet.cut();
    for (const channel of ['a', 'b', 'gone', 'new']) await one.publish(channel, `missed ${channel}`);
    const second = await open(two, { channels: ['new', 'b', 'a'], lastEventId: first.client.lastEventId });
    await settle();
    const seen = messagesOf(second.outlet) as { c: string; d: string }[];
    expect(seen.map(({ d }) => d).sort()).toEqual(['missed a', 'missed b']);
    expect(typesOf(second.outlet)).not.toContain('reset');
  });

  it('cut anywhere, resumes with each message once or, within the last group, once more', async () => {
    const { instance, open, settle } = setUp();
    const room = await instance();
    const { outlet } = await open(room, { channels: ['a', 'b'] });
    const bytes: number[] = [];
    const write = outlet.write.bind(outlet);
    outlet.write = (pieces) => {
      for (const { plain } of pieces) bytes.push(...plain);
      return write(pieces);
    };
    for (let n = 0; n < 3; n++) {
      await Promise.all([room.publish('a', n), room.publish('b', n)]);
      await settle();
    }
    const start = outlet.client.events.find(({ type }) => type === 'cursor')?.lastEventId ?? '';
    for (let cut = 0; cut <= bytes.length; cut += 3) {
      const before = new TestOutlet();
      before.write([new SharedBytes(Buffer.from(bytes.slice(0, cut)))]);
      const lastEventId = before.client.lastEventId || start;
      const after = await open(room, { channels: ['a', 'b'], lastEventId });
      await settle();
      const all = [...messagesOf(before), ...messagesOf(after.outlet)] as { c: string; d: number }[];
      for (const channel of ['a', 'b']) {
        const events = all.filter(({ c }) => c === channel).map(({ d }) => d);
        expect([...new Set(events)], `cut at ${cut}`).toEqual([0, 1, 2]);
        expect(events.length, `cut at ${cut}`).toBeLessThanOrEqual(4);
      }
      after.outlet.cut();
    }
  });

  it('cut anywhere while it begins, knows where it is in each channel that it has seen a message of', async () => {
    let seenEarly = 0;
    for (let turns = 0; turns < 60; turns++) {
      const { instance, settle } = setUp();
      const room = await instance();
      const outlet = new TestOutlet();
      const sent: Uint8Array[] = [];
      outlet.client.push = (bytes) => void sent.push(bytes);
      void room.openSse(outlet, { channels: ['a', 'b'] });
      for (let turn = 0; turn < turns; turn++) await Promise.resolve();
      await Promise.all([room.publish('a', 1), room.publish('b', 2)]);
      await settle();
      const bytes = Buffer.concat(sent);
      for (let end = 1; end <= bytes.length; end++) {
        const { client } = new TestOutlet();
        client.push(bytes.subarray(0, end));
        for (const { type, data } of client.events) {
          if (type !== 'message') continue;
          seenEarly++;
          expect(client.lastEventId, `${turns} turns, ${end} bytes`).toContain(
            cursorName(JSON.parse(data).c),
          );
        }
      }
    }
    expect(seenEarly).toBeGreaterThan(0);
  });

  it('may be asked for with one channel', async () => {
    const { instance, open, settle } = setUp();
    const room = await instance();
    const { outlet } = await open(room, { channels: ['a'], format: 'envelope' });
    const { position } = await room.publish('a', 1);
    await settle();
    expect(messagesOf(outlet)).toEqual([{ c: 'a', i: position, d: 1 }]);
  });

  it('refuses what it cannot serve before the first byte', async () => {
    const { instance } = setUp({ maxChannelsPerConnection: 2 });
    const room = await instance();
    const outlet = new TestOutlet();
    const refusals: [SseSession, string][] = [
      [{ channels: [] }, 'PANDO_REALTIME_OPTIONS'],
      [{ channels: ['a', 'b'], format: 'raw' }, 'PANDO_REALTIME_OPTIONS'],
      [{ channels: ['a', 'b', 'c'] }, 'PANDO_REALTIME_TOO_MANY_CHANNELS'],
      [{ channels: ['a#presence'] }, 'PANDO_REALTIME_INVALID_CHANNEL'],
    ];
    for (const [session, code] of refusals) {
      await expect(room.openSse(outlet, session)).rejects.toMatchObject({ code });
    }
    expect(outlet.writes).toBe(0);
    expect(room.connections).toBe(0);
  });
});

describe('writing to event streams', () => {
  it('takes one write for all that one turn brings', async () => {
    const { instance, open, settle } = setUp();
    const room = await instance();
    const { outlet } = await open(room, { channels: ['c'] });
    const before = outlet.writes;
    await Promise.all(Array.from({ length: 50 }, (_, n) => room.publish('c', n)));
    await settle();
    expect(messagesOf(outlet)).toHaveLength(50);
    expect(outlet.writes - before).toBe(1);
  });

  it('encodes once: all streams get the very same bytes', async () => {
    const { instance, open, settle } = setUp();
    const room = await instance();
    const chunks: Uint8Array[] = [];
    for (let n = 0; n < 3; n++) {
      const outlet = new TestOutlet();
      await open(room, { channels: ['c'] }, outlet);
      outlet.write = (pieces) => {
        chunks.push(...pieces.map(({ chunk }) => chunk));
        return true;
      };
    }
    await room.publish('c', 'x');
    await settle();
    expect(chunks).toHaveLength(3);
    expect(chunks.every((chunk) => chunk === chunks[0])).toBe(true);
  });

  it('keeps a silent stream alive, and a busy one without comments', async () => {
    const { clock, instance, open } = setUp({ heartbeatMs: 15_000 });
    const room = await instance();
    const { outlet } = await open(room, { channels: ['c'] });
    let writes = outlet.writes;
    await clock.advance(14_000);
    expect(outlet.writes).toBe(writes);
    await clock.advance(3_000);
    expect(outlet.writes).toBe(++writes);
    for (let n = 0; n < 10; n++) {
      await room.publish('c', n);
      await clock.advance(5_000);
    }
    expect(outlet.writes).toBe(writes + 10);
  });
});

describe('a slow event stream', () => {
  const event = { pad: 'x'.repeat(1_000) };

  it('costs its soft limit and no more, and gets everything once it reads again', async () => {
    const { clock, instance, open, settle } = setUp({ sendBufferBytes: 8_192 });
    const room = await instance();
    const outlet = new TestOutlet({ highWaterBytes: 4_096 });
    await open(room, { channels: ['c'] }, outlet);
    const fast = await open(room, { channels: ['c'] });
    outlet.hold();
    for (let n = 0; n < 500; n++) {
      await room.publish('c', { n, ...event });
      await settle();
    }
    expect(outlet.queuedBytes).toBeLessThan(8_192 + 2_000);
    expect(messagesOf(fast.outlet)).toHaveLength(500);
    outlet.release();
    await clock.advance(100);
    const seen = messagesOf(outlet) as { n: number }[];
    expect(seen.map(({ n }) => n)).toEqual(Array.from({ length: 500 }, (_, n) => n));
    await room.publish('c', { n: 500 });
    await settle();
    expect(messagesOf(outlet)).toHaveLength(501);
    expect(typesOf(outlet)).not.toContain('reset');
  });

  it('reads at its own pace for as long as it takes', async () => {
    const { clock, instance, open, settle } = setUp({ sendBufferBytes: 8_192, stallMs: 10_000 });
    const room = await instance();
    const outlet = new TestOutlet({ highWaterBytes: 4_096 });
    await open(room, { channels: ['a', 'b'] }, outlet);
    outlet.hold();
    for (let n = 0; n < 60; n++) {
      await room.publish(n % 2 ? 'a' : 'b', { n, ...event });
      await settle();
      if (n % 3 === 0) outlet.take(1);
    }
    for (let n = 0; n < 80; n++) {
      outlet.take(1);
      await clock.advance(4_000);
    }
    outlet.release();
    await settle();
    const seen = messagesOf(outlet) as { c: string; d: { n: number } }[];
    for (const [channel, rest] of [
      ['a', 1],
      ['b', 0],
    ] as const) {
      const expected = Array.from({ length: 30 }, (_, n) => 2 * n + rest);
      expect(seen.filter(({ c }) => c === channel).map(({ d }) => d.n)).toEqual(expected);
    }
    expect(outlet.ended).toBeUndefined();
  });

  it('is told when the history has not waited for it', async () => {
    const { clock, instance, open, settle } = setUp({ sendBufferBytes: 8_192, history: { size: 150 } });
    const room = await instance();
    const outlet = new TestOutlet({ highWaterBytes: 4_096 });
    await open(room, { channels: ['c'] }, outlet);
    outlet.hold();
    for (let n = 0; n < 400; n++) {
      await room.publish('c', { n, ...event });
      await settle();
    }
    outlet.release();
    await clock.advance(100);
    await room.publish('c', { n: 400 });
    await settle();
    const reset = outlet.client.events.find(({ type }) => type === 'reset');
    expect(JSON.parse(reset?.data ?? '{}')).toMatchObject({ reason: 'slow' });
    expect(messagesOf(outlet).at(-1)).toEqual({ n: 400 });
  });

  it('is cut when it takes nothing at all for too long', async () => {
    const { clock, instance, open } = setUp({ sendBufferBytes: 4_096, stallMs: 10_000 });
    const room = await instance();
    const outlet = new TestOutlet({ highWaterBytes: 4_096 });
    await open(room, { channels: ['c'] }, outlet);
    outlet.hold();
    await room.publish('c', 'x'.repeat(10_000));
    await clock.advance(8_000);
    expect(outlet.ended).toBeUndefined();
    await clock.advance(6_000);
    expect(outlet.ended).toBe('destroyed');
    expect(room.connections).toBe(0);
  });

  it('still gets one message that is larger than the limit', async () => {
    const { instance, open, settle } = setUp({ sendBufferBytes: 4_096 });
    const room = await instance();
    const { outlet } = await open(room, { channels: ['c'] });
    await room.publish('c', 'x'.repeat(50_000));
    await settle();
    expect(messagesOf(outlet)).toEqual(['x'.repeat(50_000)]);
  });
});

describe('the end of an event stream', () => {
  it('forgets a client that went away', async () => {
    const { instance, open, settle } = setUp();
    const room = await instance();
    const { outlet } = await open(room, { channels: ['a', 'b'] });
    expect(room.connections).toBe(1);
    outlet.cut();
    expect(room.connections).toBe(0);
    await room.publish('a', 1);
    await settle();
    expect(messagesOf(outlet)).toEqual([]);
  });

  it('does not follow channels for a client that was gone before it began', async () => {
    const { instance, open } = setUp();
    const room = await instance();
    const outlet = new TestOutlet();
    outlet.cut();
    await open(room, { channels: ['c'] }, outlet);
    expect(room.connections).toBe(0);
  });

  it('tells clients of a draining instance, one after the other, when to come back', async () => {
    const { clock, instance, open } = setUp({ drainMs: 1_000, reconnect: { minMs: 500, maxMs: 5_000 } });
    const room = await instance();
    const clients = [];
    for (let n = 0; n < 20; n++) clients.push(await open(room, { channels: ['c'] }));
    const drained = room.drain();
    await clock.advance(500);
    expect(room.connections).toBeGreaterThan(5);
    expect(room.connections).toBeLessThan(15);
    await expect(room.openSse(new TestOutlet(), { channels: ['c'] })).rejects.toMatchObject({
      code: 'PANDO_REALTIME_DRAINING',
      status: 503,
    });
    await clock.advance(500);
    await drained;
    expect(clients.map(({ outlet }) => outlet.ended)).toEqual(Array(20).fill('ended'));
    expect(new Set(clients.map(({ client }) => client.retryMs)).size).toBeGreaterThan(10);
  });

  it('lets everybody go at once when the drain runs out of time', async () => {
    const { clock, instance, open } = setUp({ drainMs: 60_000 });
    const room = await instance();
    for (let n = 0; n < 5; n++) await open(room, { channels: ['c'] });
    const deadline = new AbortController();
    const drained = room.drain({ signal: deadline.signal });
    await clock.advance(100);
    expect(room.connections).toBeGreaterThan(0);
    deadline.abort();
    await drained;
    expect(room.connections).toBe(0);
  });
});
