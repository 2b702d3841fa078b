import { afterEach, describe, expect, it } from 'vitest';
import { createKernel, type Kernel } from '../kernel/kernel.js';
import { cacheToken, coversToken, dbToken, emptyToken } from '../kernel/token.js';
import { createTokenCodec } from '../kernel/token-codec.js';
import { createFakeClock } from '../testing/fake-clock.js';
import { TestOutlet, TestSocket } from '../testing/suites/realtime/wires.js';
import { waitFor } from '../testing/wait-for.js';
import type { Realtime } from './api.js';
import { createMemoryWorld, createRealtime } from './create.js';
import type { MemoryWorldInit } from './drivers/memory.js';
import type { Message, Reset } from './message.js';
import type { RealtimeOptions } from './options.js';

const opened: Realtime[] = [];
afterEach(async () => {
  for (const room of opened.splice(0)) await room.close();
});

function setUp(options: RealtimeOptions = {}, carry?: MemoryWorldInit['carry']) {
  const clock = createFakeClock();
  const world = createMemoryWorld({ clock, carry });
  const tokens = createTokenCodec('app', () => 'secret');
  const instance = async (kernel: Kernel = createKernel({ clock })): Promise<Realtime> => {
    const room = createRealtime(options, { kernel, world, tokens });
    opened.push(room);
    await room.start();
    return room;
  };
  const listen = async (room: Realtime, channel: string, since?: string) => {
    const heard: unknown[] = [];
    const resets: Reset[] = [];
    const messages: Message[] = [];
    const onReset = (reset: Reset) => void resets.push(reset);
    const listener = (message: Message) => {
      messages.push(message);
      heard.push(message.data);
    };
    const subscription = await room.subscribe(channel, listener, { since, onReset });
    return { heard, resets, messages, subscription };
  };
  return { clock, world, tokens, instance, listen, settle: () => clock.advance(0) };
}

const token = dbToken({ shard: 'main', system: '1', timeline: 1, lsn: 42n });

describe('publishing', () => {
  it('reaches every listener of every instance, in one order', async () => {
    const { instance, listen, settle } = setUp();
    const rooms = [await instance(), await instance(), await instance()];
    const listeners = await Promise.all(rooms.map((room) => listen(room, 'c')));
    await Promise.all(Array.from({ length: 30 }, (_, n) => rooms[n % 3]?.publish('c', n)));
    await settle();
    const [first] = listeners;
    expect([...(first?.heard ?? [])].sort((a, b) => Number(a) - Number(b))).toEqual(
      Array.from({ length: 30 }, (_, n) => n),
    );
    for (const { heard } of listeners) expect(heard).toEqual(first?.heard);
    expect(new Set(first?.messages.map(({ position }) => position)).size).toBe(30);
  });

  it('keeps the order of one caller, and packs what one turn publishes to a channel', async () => {
    const { instance, listen, settle } = setUp();
    const room = await instance();
    const { heard } = await listen(room, 'c');
    const outcomes = await Promise.all([1, 2, 3].map((n) => room.publish('c', n)));
    const other = await room.publish('c', 4);
    await settle();
    expect(heard).toEqual([1, 2, 3, 4]);
    const entries = [...outcomes, other].map(({ position }) => position.split(/[.~]/)[0]);
    expect(entries[0]).toBe(entries[2]);
    expect(entries[3]).not.toBe(entries[0]);
  });

  it('with an id that was used adds nothing and says so', async () => {
    const { instance, listen, settle } = setUp();
    const [one, two] = [await instance(), await instance()];
    const { heard } = await listen(two, 'c');
    const first = await one.publish('c', 'x', { id: 'row:1' });
    expect(await two.publish('c', 'x', { id: 'row:1' })).toEqual({
      position: first.position,
      duplicate: true,
    });
    await settle();
    expect(heard).toEqual(['x']);
  });

  it('refuses what it cannot carry, and names the channel', async () => {
    const { instance } = setUp({ maxEventBytes: 10 });
    const room = await instance();
    const loop: { self?: unknown } = {};
    loop.self = loop;
    const refused: [string, unknown, string][] = [
      ['has space', 1, 'PANDO_REALTIME_INVALID_CHANNEL'],
      ['', 1, 'PANDO_REALTIME_INVALID_CHANNEL'],
      ['x'.repeat(256), 1, 'PANDO_REALTIME_INVALID_CHANNEL'],
      ['c#p', 1, 'PANDO_REALTIME_INVALID_CHANNEL'],
      ['c', undefined, 'PANDO_REALTIME_INVALID_EVENT'],
      ['c', () => 1, 'PANDO_REALTIME_INVALID_EVENT'],
      ['c', 1n, 'PANDO_REALTIME_INVALID_EVENT'],
      ['c', loop, 'PANDO_REALTIME_INVALID_EVENT'],
      ['c', 'ééééé', 'PANDO_REALTIME_EVENT_TOO_LARGE'],
    ];
    for (const [channel, event, code] of refused) {
      await expect(room.publish(channel, event), `${channel} ${String(event)}`).rejects.toMatchObject({
        code,
      });
    }
    await room.publish('x'.repeat(255), 'éééé');
  });

  it('that its caller gave up before it left is not carried out', async () => {
    const { instance, listen, settle } = setUp();
    const room = await instance();
    const { heard } = await listen(room, 'c');
    const controller = new AbortController();
    const given = room.publish('c', 1, { signal: controller.signal });
    const kept = room.publish('c', 2);
    controller.abort(new Error('too late'));
    await expect(given).rejects.toThrow('too late');
    await kept;
    await settle();
    expect(heard).toEqual([2]);
    await expect(room.publish('c', 3, { signal: controller.signal })).rejects.toThrow('too late');
  });

  it('carries what the request wrote, merged with the token given', async () => {
    const { instance, listen, settle, clock } = setUp();
    const kernel = createKernel({ clock });
    const room = await instance(kernel);
    const { messages } = await listen(room, 'c');
    const other = dbToken({ shard: 'other', system: '2', timeline: 1, lsn: 7n });
    const context = kernel.contexts.open({ id: 'r', signal: new AbortController().signal });
    await kernel.contexts.run(context, async () => {
      context.wrote(token);
      await room.publish('c', 1, { token: other });
    });
    await room.publish('c', 2);
    await settle();
    expect(messages[0]?.token && coversToken(messages[0].token, token)).toBe(true);
    expect(messages[0]?.token && coversToken(messages[0].token, other)).toBe(true);
    expect(messages[1]?.token).toBeUndefined();
  });
});

describe('listening', () => {
  it('runs in a context of its own, which has seen what the event says', async () => {
    const { instance, settle, clock } = setUp();
    const kernel = createKernel({ clock });
    const room = await instance(kernel);
    const seen: boolean[] = [];
    await room.subscribe('c', () => {
      seen.push(kernel.contexts.isOpen() && coversToken(kernel.contexts.current().token, token));
    });
    const request = kernel.contexts.open({ id: 'r', signal: new AbortController().signal });
    await kernel.contexts.run(request, () => room.publish('c', 1, { token }));
    await settle();
    expect(seen).toEqual([true]);
  });

  it('goes on from a position, on any instance', async () => {
    const { instance, listen, settle } = setUp();
    const [one, two] = [await instance(), await instance()];
    const before = await listen(one, 'c');
    await one.publish('c', 1);
    await settle();
    await before.subscription.close();
    await one.publish('c', 2);
    expect(before.subscription.position).toBe(before.messages[0]?.position);
    const after = await listen(two, 'c', before.subscription.position);
    expect([after.heard, after.resets]).toEqual([[2], []]);
  });

  it('is told when it cannot', async () => {
    const { instance, listen } = setUp();
    const { resets, heard } = await listen(await instance(), 'c', 'nonsense');
    expect(resets).toMatchObject([{ channel: 'c', reason: 'malformed', position: expect.any(String) }]);
    expect(heard).toEqual([]);
  });

  it('survives a listener that throws, and tells the log of it', async () => {
    const lines: string[] = [];
    const silent = () => undefined;
    const clock = createFakeClock();
    const logger = {
      debug: silent,
      info: silent,
      warn: silent,
      error: (_: object, line: string) => void lines.push(line),
    };
    const room = createRealtime({}, { kernel: createKernel({ clock, logger }) });
    opened.push(room);
    await room.start();
    const heard: unknown[] = [];
    await room.subscribe('c', ({ data }) => {
      heard.push(data);
      throw new Error('oops');
    });
    await room.publish('c', 1);
    await room.publish('c', 2);
    await clock.advance(0);
    expect(heard).toEqual([1, 2]);
    expect(lines).toEqual(Array(2).fill('a listener of channel "c" threw: oops'));
  });

  it('may subscribe and unsubscribe while it listens, without hearing anything twice', async () => {
    const { instance, settle } = setUp();
    const room = await instance();
    const inner: unknown[] = [];
    const outer: unknown[] = [];
    const subscription = await room.subscribe('c', ({ data }) => {
      outer.push(data);
      if (data === 1) void room.subscribe('c', (message) => void inner.push(message.data));
      if (data === 3) void subscription.close();
    });
    for (let n = 0; n < 6; n++) {
      await room.publish('c', n);
      await settle();
    }
    expect(outer).toEqual([0, 1, 2, 3]);
    expect(inner).toEqual([2, 3, 4, 5]);
  });

  it('stops at once', async () => {
    const { instance, listen, settle } = setUp();
    const room = await instance();
    const { heard, subscription } = await listen(room, 'c');
    const published = Promise.all([room.publish('c', 1), room.publish('c', 2)]);
    await subscription.close();
    await subscription.close();
    await published;
    await settle();
    expect(heard).toEqual([]);
  });

  it('follows a channel for a while after the last listener, and then no longer', async () => {
    let announced = 0;
    const { instance, listen, clock, settle } = setUp({ lingerMs: 5_000 }, (deliver) => {
      announced++;
      queueMicrotask(deliver);
    });
    const room = await instance();
    const { subscription } = await listen(room, 'c');
    await subscription.close();
    await room.publish('c', 1);
    expect(announced).toBe(1);
    await clock.advance(10_000);
    await room.publish('c', 2);
    expect(announced).toBe(1);
    const again = await listen(room, 'c');
    await room.publish('c', 3);
    await settle();
    expect(again.heard).toEqual([3]);
  });
});

describe('announcements that go missing', () => {
  it('are healed from the log when the next one comes, and nobody notices', async () => {
    let drop = false;
    const { instance, listen, settle } = setUp({}, (deliver) => void (drop || queueMicrotask(deliver)));
    const room = await instance();
    const { heard, resets } = await listen(room, 'c');
    drop = true;
    for (let n = 0; n < 5; n++) await room.publish('c', n);
    drop = false;
    expect(heard).toEqual([]);
    await room.publish('c', 5);
    await settle();
    expect(heard).toEqual([0, 1, 2, 3, 4, 5]);
    expect(resets).toEqual([]);
  });

  it('are found by the sweep when nothing follows them', async () => {
    let drop = false;
    const { instance, listen, clock } = setUp(
      { sweepMs: 30_000 },
      (deliver) => void (drop || queueMicrotask(deliver)),
    );
    const room = await instance();
    const { heard } = await listen(room, 'c');
    drop = true;
    await room.publish('c', 'last of a burst');
    await clock.advance(20_000);
    expect(heard).toEqual([]);
    await clock.advance(12_000);
    expect(heard).toEqual(['last of a burst']);
  });

  it('or come twice, or late, change nothing', async () => {
    const waiting: (() => void)[] = [];
    const { instance, listen, settle } = setUp({}, (deliver) => void waiting.push(deliver, deliver));
    const room = await instance();
    const { heard } = await listen(room, 'c');
    for (let n = 0; n < 6; n++) await room.publish('c', n);
    for (const deliver of waiting.reverse()) {
      deliver();
      await settle();
    }
    expect(heard).toEqual([0, 1, 2, 3, 4, 5]);
  });

  it('cannot lead a client that has seen more elsewhere to see it again', async () => {
    let drop: unknown;
    const { instance, listen, settle } = setUp(
      {},
      (deliver) => void (drop ? (drop as (() => void)[]).push(deliver) : deliver()),
    );
    const [fast, slow] = [await instance(), await instance()];
    await listen(slow, 'c');
    drop = [];
    const { position } = await fast.publish('c', 'seen elsewhere');
    const { heard, resets } = await listen(slow, 'c', position);
    drop = undefined;
    await fast.publish('c', 'next');
    await settle();
    expect(heard).toEqual(['next']);
    expect(resets).toEqual([]);
  });
});

describe('while the log is away', () => {
  it('connections stay, publishes are refused at once, and everything heals afterwards', async () => {
    const { world, instance, listen, settle } = setUp();
    const [one, two] = [await instance(), await instance()];
    const { heard, resets } = await listen(one, 'c');
    const outlet = new TestOutlet();
    await one.openSse(outlet, { channels: ['c'] });
    await one.publish('c', 1);
    await settle();
    world.cut();
    expect(one.checks()[0]).toMatchObject({ name: 'realtime', critical: false });
    expect(await one.checks()[0]?.run({ signal: AbortSignal.timeout(1_000) })).toMatchObject({
      status: 'degraded',
    });
    await expect(two.publish('c', 'refused')).rejects.toMatchObject({
      code: 'PANDO_REALTIME_UNAVAILABLE',
      retryable: true,
      status: 503,
    });
    expect(outlet.ended).toBeUndefined();
    world.restore();
    await two.publish('c', 2);
    await settle();
    expect(heard).toEqual([1, 2]);
    expect(outlet.client.events.map(({ data }) => data)).toEqual(['', '1', '2']);
    expect(resets).toEqual([]);
    expect(await one.checks()[0]?.run({ signal: AbortSignal.timeout(1_000) })).toEqual({ status: 'healthy' });
  });

  it('new clients wait, and go on from where they were as soon as it is back', async () => {
    const { world, instance, settle } = setUp();
    const [one, two] = [await instance(), await instance()];
    const { position } = await one.publish('c', 'seen');
    await one.publish('c', 'missed');
    world.cut();
    const outlet = new TestOutlet();
    await two.openSse(outlet, { channels: ['c'], lastEventId: position });
    await settle();
    expect(outlet.client.retryMs).toBeDefined();
    expect(outlet.client.events).toEqual([]);
    world.restore();
    await waitFor(() => outlet.client.events.length > 0);
    expect(outlet.client.events.map(({ data }) => data)).toEqual(['"missed"']);
  });

  it('a publish waits for it, if asked to, and is carried out once', async () => {
    const { world, instance, listen, clock, settle } = setUp({ onUnavailable: 'wait', publishWaitMs: 2_000 });
    const room = await instance();
    const { heard } = await listen(room, 'c');
    world.cut();
    const waiting = Promise.all([1, 2, 3].map((n) => room.publish('c', n)));
    await clock.advance(1_000);
    world.restore();
    await clock.advance(200);
    await waiting;
    await settle();
    expect(heard).toEqual([1, 2, 3]);
    world.cut();
    const late = room.publish('c', 4);
    const refused = expect(late).rejects.toMatchObject({ code: 'PANDO_REALTIME_UNAVAILABLE' });
    await clock.advance(2_500);
    await refused;
  });

  it('a subscriber may give up waiting', async () => {
    const { world, instance, settle } = setUp();
    const room = await instance();
    world.cut();
    const controller = new AbortController();
    const subscribing = room.subscribe('c', () => undefined, { signal: controller.signal });
    await settle();
    controller.abort(new Error('enough'));
    await expect(subscribing).rejects.toThrow('enough');
  });
});

describe('another life of the data', () => {
  it.each([true, false])('resets every channel exactly once (data kept: %s)', async (keepsData) => {
    const { world, instance, listen, settle } = setUp();
    const [one, two] = [await instance(), await instance()];
    const listeners = [await listen(one, 'c'), await listen(two, 'c')];
    await one.publish('c', 1);
    await settle();
    world.restart({ keepsData });
    world.restore();
    await settle();
    world.restore();
    await two.publish('c', 2);
    await settle();
    for (const { heard, resets } of listeners) {
      expect(heard).toEqual([1, 2]);
      expect(resets).toMatchObject([{ channel: 'c', reason: 'failover', position: expect.any(String) }]);
    }
  });

  it('resets a client that comes back with a position of the old one, but not one of the new', async () => {
    const { world, instance, listen, settle } = setUp();
    const room = await instance();
    const old = await room.publish('c', 1);
    world.restart({ keepsData: true });
    world.restore();
    const { resets } = await listen(room, 'c', old.position);
    expect(resets).toMatchObject([{ reason: 'failover' }]);
    const fresh = await room.publish('c', 2);
    const again = await listen(room, 'c', resets[0]?.position);
    await settle();
    expect(again.heard).toEqual([2]);
    expect((await listen(await instance(), 'c', fresh.position)).resets).toEqual([]);
  });

  it('does not reset a client that noticed before its instance did', async () => {
    const { world, instance, listen, settle } = setUp();
    const [behind, ahead] = [await instance(), await instance()];
    const before = await listen(behind, 'c');
    world.restart({ keepsData: false }); // and nobody is told
    const { position } = await ahead.publish('c', 'new life');
    const { resets } = await listen(behind, 'c', position);
    await settle();
    expect(resets).toEqual([]);
    expect(before.resets).toHaveLength(1);
  });

  it('is verified instead, if asked to: positions that are still there go on', async () => {
    const { world, instance, listen, settle } = setUp({ failover: 'verify' });
    const [one, two] = [await instance(), await instance()];
    const kept = await listen(one, 'c');
    const old = await one.publish('c', 1);
    await settle();
    world.restart({ keepsData: true });
    world.restore();
    await two.publish('c', 2);
    await settle();
    expect([kept.heard, kept.resets]).toEqual([[1, 2], []]);
    const returned = await listen(two, 'c', old.position);
    expect([returned.heard, returned.resets]).toEqual([[2], []]);
    world.restart({ keepsData: false });
    world.restore();
    await settle();
    expect(kept.resets).toMatchObject([{ reason: 'history-lost' }]);
  });
});

describe('the end of a room', () => {
  it('ends connections and subscriptions, and refuses everything afterwards', async () => {
    const { instance, listen, settle, clock } = setUp();
    const [room, other] = [await instance(), await instance()];
    const { heard } = await listen(room, 'c');
    const outlet = new TestOutlet();
    await room.openSse(outlet, { channels: ['c'] });
    await room.close();
    await room.close();
    expect(outlet.ended).toBe('ended');
    await other.publish('c', 1);
    await settle();
    expect(heard).toEqual([]);
    await expect(room.publish('c', 1)).rejects.toMatchObject({ code: 'PANDO_CLOSED' });
    await expect(room.subscribe('c', () => undefined)).rejects.toMatchObject({ code: 'PANDO_CLOSED' });
    await expect(room.start()).rejects.toMatchObject({ code: 'PANDO_CLOSED' });
    expect(room.refusal()).toMatchObject({ code: 'PANDO_REALTIME_DRAINING' });
    await other.close();
    expect(clock.pending).toBe(0);
  });

  it('rejects publishes that still wait', async () => {
    const { world, instance, clock } = setUp({ onUnavailable: 'wait' });
    const room = await instance();
    world.cut();
    const waiting = expect(room.publish('c', 1)).rejects.toMatchObject({ code: 'PANDO_CLOSED' });
    await clock.advance(50);
    await room.close();
    await waiting;
  });
});

describe('options', () => {
  it('are checked at once, and the nearest name is offered', () => {
    expect(() => createRealtime({ heartbeat: 1 } as RealtimeOptions)).toThrow(
      'unknown option "heartbeat" in realtime. Did you mean "heartbeatMs"?',
    );
    expect(() => createRealtime({ history: { ttlMs: '5m' as never } })).toThrow(
      'realtime.history.ttlMs must be a number of milliseconds from 1 to 31536000000, got "5m". Did you mean 300000?',
    );
    expect(() => createRealtime({ reconnect: { minMs: 10, maxMs: 5 } })).toThrow('realtime.reconnect.maxMs');
    expect(() => createRealtime({ onUnavailable: 'queue' as never })).toThrow('"reject", "wait"');
  });
});

describe('what a channel has seen', () => {
  const later = cacheToken({ epoch: 'e', sequence: 7 });
  /** A room that has published two events, and one that has yet to hear of the channel. */
  const published = async () => {
    const parts = setUp();
    const [one, two] = [await parts.instance(), await parts.instance()];
    await one.publish('c', 1, { token });
    await one.publish('c', 2, { token: later });
    await one.publish('c', 3);
    await parts.settle();
    return { ...parts, one, two };
  };

  it('is told to a listener that begins, who will not get those events', async () => {
    const { one, two, listen } = await published();
    for (const room of [one, two]) {
      const { subscription, heard } = await listen(room, 'c');
      expect(heard).toEqual([]);
      expect(coversToken(subscription.token, token)).toBe(true);
      expect(coversToken(subscription.token, later)).toBe(true);
    }
    expect((await listen(one, 'other')).subscription.token).toEqual(emptyToken);
  });

  it('holds what came while somebody listened', async () => {
    const { two, listen, one, settle } = await published();
    await listen(two, 'c');
    const newer = dbToken({ shard: 'main', system: '1', timeline: 1, lsn: 43n });
    await one.publish('c', 4, { token: newer });
    await settle();
    expect(coversToken((await listen(two, 'c')).subscription.token, newer)).toBe(true);
  });

  it('is with the position that is asked for, and with what the request reads then', async () => {
    const { two, clock, world, tokens, listen } = await published();
    const kernel = createKernel({ clock });
    const room = createRealtime({}, { kernel, world, tokens });
    opened.push(room);
    await room.start();
    const context = kernel.contexts.open({ id: 'r', signal: new AbortController().signal });
    const asked = await kernel.contexts.run(context, () => room.position('c'));
    expect(coversToken(asked.token, later)).toBe(true);
    expect(coversToken(context.token, asked.token)).toBe(true);
    const { position } = await two.publish('c', 4);
    const { heard, resets } = await listen(room, 'c', asked.position);
    await clock.advance(0);
    expect([heard, resets, position]).toEqual([[4], [], expect.any(String)]);
    await expect(room.position('not a name')).rejects.toThrow('not a name');
  });

  it('is with a reset, whose listener reads nothing older', async () => {
    const { two, clock, world, tokens } = await published();
    const kernel = createKernel({ clock });
    const room = createRealtime({}, { kernel, world, tokens });
    opened.push(room);
    await room.start();
    const read: boolean[] = [];
    const onReset = ({ token: seen }: Reset) =>
      read.push(coversToken(seen, later), coversToken(kernel.contexts.current().token, later));
    await room.subscribe('c', () => undefined, { since: 'nonsense', onReset });
    world.restart({ keepsData: true });
    world.restore();
    await clock.advance(0);
    await two.publish('c', 4);
    await clock.advance(0);
    expect(read).toEqual([true, true, true, true]);
  });

  it('names one cache epoch only, the later one', async () => {
    const { one, two, listen, settle } = await published();
    const next = cacheToken({ epoch: 'f', sequence: 1 });
    const { subscription } = await listen(two, 'c');
    expect(subscription.token.cache).toEqual(later.cache);
    await one.publish('c', 4, { token: next });
    await settle();
    expect((await listen(two, 'c')).subscription.token.cache).toEqual(next.cache);
    expect((await two.position('c')).token.cache).toEqual(next.cache);
  });

  it('reaches clients with the answer to their subscription, with a reset, and at the start of a stream', async () => {
    const { two, tokens, clock, world } = await published();
    const covers = (text: unknown) => {
      const decoded = tokens.decode(String(text));
      return decoded.kind === 'token' && coversToken(decoded.token, later);
    };
    const settle = async () => {
      for (let turn = 0; turn < 4; turn++) await clock.advance(0);
    };
    const socket = new TestSocket();
    two.openSocket(socket, { authorize: () => true });
    socket.say({ t: 'sub', id: 1, c: 'c' });
    const outlets = [new TestOutlet(), new TestOutlet()];
    await two.openSse(outlets[0] as TestOutlet, { channels: ['c'] });
    await two.openSse(outlets[1] as TestOutlet, { channels: ['c', 'd'] });
    await settle();
    world.restart({ keepsData: true });
    world.restore();
    await settle();
    expect(socket.frames).toMatchObject([{ t: 'sub' }, { t: 'reset' }]);
    for (const { token: text } of socket.frames as { token?: string }[]) expect(covers(text)).toBe(true);
    for (const outlet of outlets) {
      const told = outlet.client.events.filter(
        ({ type, data }) => (type === 'cursor' && data !== '') || type === 'reset',
      );
      expect(told[0]?.type).toBe('cursor');
      expect(told.some(({ type }) => type === 'reset')).toBe(true);
      for (const { data } of told.filter(({ data: json }) => !json.includes('"d"')))
        expect(covers((JSON.parse(data) as { t?: string }).t)).toBe(true);
    }
  });
});
