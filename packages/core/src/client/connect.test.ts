import { afterEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { createKernel } from '../kernel/kernel.js';
import { closeCodes } from '../realtime/close-codes.js';
import { createMemoryWorld, createRealtime, type Realtime, type RealtimeOptions } from '../realtime/index.js';
import { createFakeClock } from '../testing/fake-clock.js';
import { Loopback, type LoopbackInit } from '../testing/suites/realtime/loopback.js';
import type { ConnectOptions, Live, Message, Reset, SubscribeOptions } from './api.js';
import { connect } from './connect.js';

const opened: { close(): unknown }[] = [];
afterEach(async () => {
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
  for (const one of opened.splice(0).reverse()) await one.close();
});

/** Two instances, a client, and the time between them. */
async function setUp({ stream, socket, ...options }: RealtimeOptions & Omit<LoopbackInit, 'room'> = {}) {
  const clock = createFakeClock();
  const world = createMemoryWorld({ clock });
  const start = async (): Promise<Realtime> => {
    const room = createRealtime(options, { kernel: createKernel({ clock }), world });
    opened.push(room);
    await room.start();
    return room;
  };
  const rooms = [await start(), await start()] as const;
  let turn = 0;
  const server = new Loopback({
    room: () => rooms[turn++ % 2] as Realtime,
    ...(stream && { stream }),
    ...(socket && { socket }),
  });
  const random = vi.spyOn(Math, 'random');
  vi.spyOn(Date, 'now').mockImplementation(() => clock.now());
  vi.spyOn(performance, 'now').mockImplementation(() => clock.monotonic());
  vi.stubGlobal('setTimeout', (run: () => void, delayMs: number) => clock.after(delayMs, run));
  vi.stubGlobal('clearTimeout', (timer?: Disposable) => timer?.[Symbol.dispose]());
  const page = new EventTarget();
  vi.stubGlobal('addEventListener', page.addEventListener.bind(page));
  vi.stubGlobal('removeEventListener', page.removeEventListener.bind(page));
  const states: string[] = [];
  const errors: Error[] = [];
  const join = (url: string, more: ConnectOptions = {}): Live => {
    const live = connect(url, { fetch: server.fetch, WebSocket: server.WebSocket, ...more });
    live.on('state', (state) => states.push(state));
    live.on('error', (error) => errors.push(error));
    opened.push(live);
    return live;
  };
  /** Lets happen what takes no time. */
  const settle = async () => {
    for (let turns = 0; turns < 20; turns++) await clock.advance(0);
  };
  return {
    clock,
    rooms,
    server,
    random,
    states,
    errors,
    settle,
    sse: (more?: ConnectOptions) => join('http://test/events', more),
    ws: (more?: ConnectOptions) => join('ws://test/ws', more),
    goOnline: () => page.dispatchEvent(new Event('online')),
  };
}

/** Follows a channel and writes down what comes. */
function listen(live: Live, channel: string, options: Partial<SubscribeOptions> = {}) {
  const heard: unknown[] = [];
  const messages: Message[] = [];
  const resets: Reset[] = [];
  const subscription = live.subscribe(channel, {
    onMessage(message) {
      messages.push(message);
      heard.push(message.data);
    },
    onReset(reset) {
      resets.push(reset);
      heard.push(`reset: ${reset.reason}`);
    },
    ...options,
  });
  return { heard, messages, resets, subscription };
}

describe.each(['sse', 'ws'] as const)('a client over %s', (transport) => {
  const withStream = (options: RealtimeOptions = {}) =>
    setUp({ ...options, stream: { channels: ['a', 'b'] } });

  it('gets the messages of its channels, each with its position, once and in order', async () => {
    const { rooms, settle, errors, ...at } = await withStream();
    const live = at[transport]();
    const [a, b] = [listen(live, 'a'), listen(live, 'b')];
    await settle();
    const { position } = await rooms[1].publish('a', { n: 1 });
    await rooms[0].publish('b', 2);
    await Promise.all([rooms[0].publish('a', 3), rooms[0].publish('a', 4)]);
    await settle();
    expect(a.heard).toEqual([{ n: 1 }, 3, 4]);
    expect(b.heard).toEqual([2]);
    expect(a.messages[0]).toMatchObject({ channel: 'a', position });
    expect(a.subscription.position).toBe(a.messages.at(-1)?.position);
    expect(live.state).toBe('open');
    expect(errors).toEqual([]);
  });

  it('goes on where it was, on the next instance, when the connection breaks', async () => {
    const { rooms, settle, server, clock, states, ...at } = await withStream();
    const live = at[transport]();
    const [a, b] = [listen(live, 'a'), listen(live, 'b')];
    await settle();
    await rooms[0].publish('a', 1);
    await settle();
    for (const { cut } of server.requests) cut();
    for (const socket of server.sockets) socket.cut();
    await settle();
    expect(live.state).toBe('waiting');
    await rooms[0].publish('a', 2);
    await rooms[1].publish('b', 3);
    await clock.advance(5_000);
    await settle();
    await rooms[1].publish('a', 4);
    await settle();
    expect(a.heard).toEqual([1, 2, 4]);
    expect(b.heard).toEqual([3]);
    expect(states).toEqual(['open', 'waiting', 'connecting', 'open']);
  });

  it('says so when messages may be missing, and reads the state before it goes on', async () => {
    const { rooms, settle, server, clock, ...at } = await withStream({ history: { size: 2 } });
    const live = at[transport]();
    const order: unknown[] = [];
    let answer = () => {};
    const a = listen(live, 'a', {
      onMessage: ({ data }) => order.push(data),
      onReset: ({ reason }) => order.push(reason),
      getState: () =>
        new Promise<void>((resolve) => {
          order.push('read');
          answer = () => {
            order.push('state');
            resolve();
          };
        }),
    });
    await settle();
    await rooms[0].publish('a', 1);
    await settle();
    expect(order).toEqual(['read']);
    answer();
    await settle();
    expect(order).toEqual(['read', 'state', 1]);
    order.length = 0;
    for (const { cut } of server.requests) cut();
    for (const socket of server.sockets) socket.cut();
    for (let n = 2; n < 9; n++) await rooms[0].publish('a', n);
    await clock.advance(5_000);
    await settle();
    await rooms[0].publish('a', 9);
    await settle();
    expect(order).toEqual(['trimmed', 'read']);
    answer();
    await settle();
    expect(order).toEqual(['trimmed', 'read', 'state', 9]);
    expect(a.subscription.position).toBeDefined();
  });

  it('reads the state again when a reset comes while it is read, and tries again when it cannot be read', async () => {
    const { rooms, settle, server, clock, errors, ...at } = await withStream({ history: { size: 2 } });
    const live = at[transport]();
    const reads: { resolve(): void; reject(cause: unknown): void }[] = [];
    const a = listen(live, 'a', {
      getState: () => new Promise<void>((resolve, reject) => void reads.push({ resolve, reject })),
    });
    await settle();
    reads[0]?.reject(new Error('no database'));
    await settle();
    expect(errors.map(({ message }) => message)).toContain('no database');
    await clock.advance(1_000);
    expect(reads).toHaveLength(2);
    for (const { cut } of server.requests) cut();
    for (const socket of server.sockets) socket.cut();
    for (let n = 1; n < 9; n++) await rooms[0].publish('a', n);
    await clock.advance(5_000);
    await settle();
    expect(a.heard).toEqual(['reset: trimmed']);
    expect(reads).toHaveLength(2); // two at a time could end in the wrong order
    reads[1]?.resolve();
    await settle();
    expect(reads).toHaveLength(3);
    await rooms[0].publish('a', 9);
    reads[2]?.resolve();
    await settle();
    expect(a.heard).toEqual(['reset: trimmed', 9]);
  });

  it('starts a second subscription where the channel is, and lets the first one go on alone', async () => {
    const { rooms, settle, ...at } = await withStream();
    const live = at[transport]();
    const first = listen(live, 'a');
    await settle();
    await rooms[0].publish('a', 1);
    await settle();
    let reads = 0;
    const second = listen(live, 'a', { getState: async () => void reads++ });
    const third = listen(live, 'a', { since: first.messages[0]?.position });
    await settle();
    await rooms[0].publish('a', 2);
    await settle();
    second.subscription.close();
    second.subscription.close();
    await rooms[0].publish('a', 3);
    await settle();
    expect(first.heard).toEqual([1, 2, 3]);
    expect(second.heard).toEqual([2]);
    expect(third.heard).toEqual([2, 3]);
    expect(reads).toBe(1);
  });

  it('begins where a subscription wants to, whoever else follows the channel already', async () => {
    const { rooms, settle, server, ...at } = await withStream();
    const at1 = (await rooms[0].publish('a', 1)).position;
    for (const n of [2, 3]) await rooms[0].publish('a', n);
    const live = at[transport]();
    const first = listen(live, 'a', { since: at1 });
    const other = listen(live, 'b');
    await settle();
    expect(first.heard).toEqual([2, 3]);
    let reads = 0;
    const getState = async () => void reads++;
    const second = listen(live, 'a', { since: at1, getState });
    const third = listen(live, 'a', { since: at1, getState });
    const ahead = listen(live, 'a', { since: first.subscription.position });
    await settle();
    await rooms[0].publish('a', 4);
    await rooms[1].publish('b', 5);
    await settle();
    for (const { heard } of [first, second, third]) expect(heard).toEqual([2, 3, 4]);
    expect(ahead.heard).toEqual([4]);
    expect(other.heard).toEqual([5]);
    expect(reads).toBe(0); // what changes the state has come
    expect(server.requests.length + server.sockets.length).toBe(transport === 'sse' ? 2 : 1);
  });

  it('says so when a subscription cannot begin where it wants to, and tells nobody else', async () => {
    const { rooms, settle, ...at } = await withStream();
    const live = at[transport]();
    const first = listen(live, 'a');
    await settle();
    await rooms[0].publish('a', 1);
    await settle();
    const stranger = listen(live, 'a', { since: '1-0~elsewhere' });
    await settle();
    await rooms[0].publish('a', 2);
    await settle();
    expect(first.heard).toEqual([1, 2]);
    expect(stranger.heard).toEqual(['reset: not-resumed', 2]);
  });

  it('is where it wanted to begin, however often the connection breaks before', async () => {
    const { rooms, settle, server, clock, ...at } = await withStream();
    const { position } = await rooms[0].publish('a', 1);
    await rooms[0].publish('a', 2);
    server.isAway = true;
    const live = at[transport]();
    const { heard } = listen(live, 'a', { since: position });
    await settle();
    server.isAway = false;
    await clock.advance(5_000);
    await settle();
    expect(heard).toEqual([2]);
  });

  it('goes on when a listener throws, and says what it threw', async () => {
    const { rooms, settle, errors, ...at } = await withStream();
    const live = at[transport]();
    const other = listen(live, 'a');
    live.subscribe('a', {
      onMessage() {
        throw new Error('a mistake');
      },
    });
    await settle();
    await rooms[0].publish('a', 1);
    await rooms[0].publish('a', 2);
    await settle();
    expect(other.heard).toEqual([1, 2]);
    expect(errors.map(({ message }) => message)).toEqual(['a mistake', 'a mistake']);
  });

  it('waits longer after each failure, never as long as the others, and tries at once when the network is back', async () => {
    const { settle, server, clock, random, goOnline, ...at } = await withStream();
    server.isAway = true;
    random.mockReturnValue(1);
    const live = at[transport]({ minDelayMs: 100, maxDelayMs: 1_000 });
    const attempts = () => server.requests.length + server.sockets.length;
    await settle();
    for (const delayMs of [100, 200, 400, 800, 1_000, 1_000]) {
      const before = attempts();
      await clock.advance(delayMs - 1);
      await settle();
      expect(attempts()).toBe(before);
      await clock.advance(1);
      await settle();
      expect(attempts()).toBe(before + 1);
    }
    random.mockReturnValue(0);
    await clock.advance(1_000);
    await settle();
    const before = attempts();
    await clock.advance(499);
    await settle();
    expect(attempts()).toBe(before);
    server.isAway = false;
    goOnline();
    await settle();
    expect(live.state).toBe('open');
  });

  it('comes back when the server says, if it says so', async () => {
    const { settle, rooms, clock, ...at } = await withStream({
      reconnect: { minMs: 7_000, maxMs: 7_000 },
      drainMs: 10,
    });
    const live = at[transport]();
    listen(live, 'a');
    await settle();
    const draining = rooms[0].drain();
    await clock.advance(100);
    await draining;
    await settle();
    expect(live.state).toBe('waiting');
    await clock.advance(6_800);
    await settle();
    expect(live.state).toBe('waiting');
    await clock.advance(200);
    await settle();
    expect(live.state).toBe('open');
  });

  it('ends for good when it is closed, and everything with it', async () => {
    const { settle, server, clock, states, ...at } = await withStream();
    const live = at[transport]();
    const { subscription } = listen(live, 'a');
    await settle();
    live.close();
    live[Symbol.dispose]();
    await settle();
    const attempts = server.requests.length + server.sockets.length;
    await clock.advance(120_000);
    await settle();
    expect(server.requests.length + server.sockets.length).toBe(attempts);
    expect(states.at(-1)).toBe('closed');
    expect(() => live.subscribe('a', { onMessage: () => {} })).toThrow('closed');
    await expect(live.publish('a', 1)).rejects.toMatchObject({ code: 'PANDO_CLOSED' });
    subscription.close();
  });

  it('connects anew when it is told to, without a gap', async () => {
    const { settle, rooms, server, states, ...at } = await withStream();
    const live = at[transport]();
    const { heard } = listen(live, 'a');
    await settle();
    await rooms[0].publish('a', 1);
    await settle();
    live.reconnect();
    await rooms[0].publish('a', 2);
    await settle();
    expect(heard).toEqual([1, 2]);
    expect(server.requests.length + server.sockets.length).toBe(2);
    expect(states).toEqual(['open', 'connecting', 'open']);
  });

  it('asks who it is before each attempt', async () => {
    const { settle, server, clock, ...at } = await withStream();
    let asked = 0;
    at[transport]({ credential: async () => `ticket ${++asked}` });
    await settle();
    for (const { cut } of server.requests) cut();
    for (const socket of server.sockets) socket.cut();
    await clock.advance(5_000);
    await settle();
    const shown = [
      ...server.requests.map(({ headers }) => headers.get('authorization')),
      ...server.sockets.map(({ sent }) => `Bearer ${sent[0]?.credential}`),
    ];
    expect(shown).toEqual(['Bearer ticket 1', 'Bearer ticket 2']);
  });
});

describe('a client over an event stream', () => {
  it('takes nothing twice and leaves nothing out when the stream breaks before the cursor of a group', async () => {
    const { rooms, settle, server, clock, sse } = await setUp({ stream: { channels: ['a', 'b'] } });
    const live = sse();
    const a = listen(live, 'a');
    await settle();
    await rooms[0].publish('a', 1);
    await settle();
    const cursor = server.requests[0]?.headers.get('last-event-id');
    expect(cursor).toBeNull();
    server.requests[0]?.cut();
    await rooms[0].publish('a', 2);
    await clock.advance(5_000);
    await settle();
    expect(server.requests[1]?.headers.get('last-event-id')).toMatch(/^c1~/);
    expect(a.heard).toEqual([1, 2]);
  });

  it('hears by name the one channel of a route that is raw for others', async () => {
    const { rooms, settle, server, clock, sse } = await setUp({
      stream: { channels: ['only'], format: 'raw' },
    });
    const live = sse();
    const only = listen(live, 'only', { getState: async () => undefined });
    await settle();
    const { position } = await rooms[0].publish('only', 1);
    await settle();
    expect(only.messages).toEqual([{ channel: 'only', position, data: 1, token: undefined }]);
    server.requests[0]?.cut();
    await rooms[0].publish('only', 2);
    await clock.advance(5_000);
    await settle();
    expect(only.heard).toEqual([1, 2]);
  });

  it('sends where each channel is, and says that it is lost what would not fit', async () => {
    const { settle, server, sse } = await setUp({ stream: { channels: ['a'] } });
    const live = sse();
    const one = listen(live, 'a', { since: '5-0~x' });
    await settle();
    expect(server.requests[0]?.headers.get('last-event-id')).toBe('{"a":"5-0~x"}');
    expect(one.heard).toEqual(['reset: failover']);
    for (let n = 0; n < 300; n++) listen(live, `channel:${n}`, { since: `1764000000000-${n}~elsewhere` });
    await settle();
    expect(server.requests[1]?.headers.get('last-event-id')).toBe('{');
    expect(one.heard).toEqual(['reset: failover', 'reset: malformed']);
  });

  it('is over when the server has nothing for it, and when it may not', async () => {
    for (const [status, reconnects] of [
      [204, false],
      [401, false],
      [403, false],
      [404, false],
    ] as const) {
      const { settle, server, clock, sse, errors } = await setUp();
      server.answers.push(() => new Response(null, { status }));
      const live = sse();
      await settle();
      await clock.advance(120_000);
      await settle();
      expect(server.requests).toHaveLength(reconnects ? 2 : 1);
      expect(live.state).toBe('closed');
      expect(errors.map((error) => (error as { code?: string }).code)).toEqual(
        status === 204 ? [] : ['PANDO_CLIENT_REFUSED'],
      );
    }
  });

  it('tries once more with another credential before it takes a 401 for an answer', async () => {
    const { settle, server, clock, sse, errors } = await setUp({ stream: { channels: ['a'] } });
    const refuse = () => new Response(null, { status: 401 });
    server.answers.push(refuse);
    const live = sse({ credential: () => 'x' });
    await settle();
    await clock.advance(1_000);
    await settle();
    expect(live.state).toBe('open');
    server.requests.at(-1)?.cut();
    server.answers.push(refuse, refuse);
    await settle();
    await clock.advance(10_000);
    await settle();
    await clock.advance(10_000);
    await settle();
    expect(live.state).toBe('closed');
    expect(errors.at(-1)).toMatchObject({ status: 401 });
  });

  it.each([429, 503])('waits as long as an answer of %i asks for, and a little longer', async (status) => {
    const { settle, server, clock, sse, random, errors } = await setUp({ stream: { channels: ['a'] } });
    server.answers.push(() => new Response('later', { status, headers: { 'retry-after': '20' } }));
    random.mockReturnValue(0.5);
    const live = sse();
    await settle();
    await clock.advance(24_999);
    await settle();
    expect(live.state).toBe('waiting');
    await clock.advance(1);
    await settle();
    expect(live.state).toBe('open');
    expect(errors).toMatchObject([{ code: 'PANDO_CLIENT_CONNECTION_FAILED', retryable: true }]);
  });

  it('takes a page for no stream', async () => {
    const { settle, server, clock, sse } = await setUp({ stream: { channels: ['a'] } });
    server.answers.push(() => new Response('<html>', { headers: { 'content-type': 'text/html' } }));
    const live = sse();
    await settle();
    expect(live.state).toBe('waiting');
    await clock.advance(1_000);
    await settle();
    expect(live.state).toBe('open');
  });

  it('comes back when nothing is heard for too long, though nobody says that the stream is broken', async () => {
    const { settle, server, clock, sse, states } = await setUp({
      stream: { channels: ['a'] },
      heartbeatMs: 60_000,
    });
    sse();
    await settle();
    await clock.advance(44_000);
    expect(states).toEqual(['open']);
    await clock.advance(10_000);
    await settle();
    expect(server.requests.length).toBe(2);
  });

  it('is kept by heartbeats', async () => {
    const { settle, clock, sse, states } = await setUp({ stream: { channels: ['a'] } });
    sse();
    await settle();
    for (let seconds = 0; seconds < 120; seconds++) await clock.advance(1_000);
    expect(states).toEqual(['open']);
  });

  it('says that it goes one way only', async () => {
    const { settle, sse } = await setUp({ stream: { channels: ['a'] } });
    const live = sse();
    await settle();
    await expect(live.publish('a', 1)).rejects.toMatchObject({ reason: 'unsupported' });
    await expect(live.presence('a')).rejects.toThrow("transport: 'ws'");
  });
});

describe('a client over a WebSocket', () => {
  it('publishes, and hears itself like everybody else', async () => {
    const { settle, ws } = await setUp();
    const live = ws();
    const { heard } = listen(live, 'a');
    const first = live.publish('a', { hello: 1 }, { key: 'once' }); // before there is a connection
    await settle();
    const second = live.publish('a', { hello: 1 }, { key: 'once' });
    await settle();
    expect((await first).duplicate).toBe(false);
    expect(await second).toEqual({ position: (await first).position, duplicate: true });
    expect(heard).toEqual([{ hello: 1 }]);
  });

  it('publishes once what it has to send again, in order', async () => {
    const { settle, ws, server, clock } = await setUp();
    const live = ws();
    const { heard } = listen(live, 'a');
    await settle();
    const published = Array.from({ length: 200 }, (_, n) => live.publish('a', n));
    server.sockets[0]?.cut(); // some are under way, whose answers will never come
    await settle();
    await clock.advance(1_000);
    await settle();
    await Promise.all(published);
    expect(heard).toEqual(Array.from({ length: 200 }, (_, n) => n));
  });

  it('never has more under way than the server takes', async () => {
    const { settle, ws, server } = await setUp({ maxMessagesPerSecond: false });
    const live = ws();
    await settle();
    const published = Array.from({ length: 1_000 }, (_, n) => live.publish('a', n));
    await settle();
    await settle();
    await Promise.all(published);
    expect(server.sockets).toHaveLength(1);
  });

  it('stops waiting when its caller does', async () => {
    const { settle, ws, server } = await setUp();
    server.isAway = true;
    const live = ws();
    await settle();
    const end = new AbortController();
    const published = live.publish('a', 1, { signal: end.signal });
    end.abort(new Error('enough'));
    await expect(published).rejects.toThrow('enough');
    await expect(live.presence('a', { signal: end.signal })).rejects.toThrow('enough');
  });

  it('asks again for what it was too fast for', async () => {
    let isFree = false;
    const { settle, clock, ws, rooms, errors } = await setUp({
      socket: { authorize: () => true, spend: async () => (isFree ? undefined : { retryAfterMs: 100 }) },
    });
    const live = ws();
    const { heard } = listen(live, 'a');
    await settle();
    await expect(live.publish('a', 1)).rejects.toMatchObject({ reason: 'rate-limited' });
    expect(errors).toMatchObject([{ code: 'PANDO_CLIENT_CONNECTION_FAILED' }]);
    isFree = true;
    await clock.advance(10_000);
    await settle();
    await rooms[0].publish('a', 2);
    await settle();
    expect(heard).toEqual([2]);
  });

  it('says why it may not follow a channel, and publishes nothing where it may not', async () => {
    const { settle, ws, errors } = await setUp({
      socket: { authorize: (_who, channel) => channel !== 'secret' },
    });
    const live = ws();
    const { subscription } = listen(live, 'secret');
    const published = live.publish('secret', 1);
    published.catch(() => undefined);
    await settle();
    expect(errors).toMatchObject([{ code: 'PANDO_CLIENT_REFUSED', channel: 'secret' }]);
    await expect(published).rejects.toMatchObject({ reason: 'forbidden', retryable: false });
    expect(subscription.position).toBeUndefined();
  });

  it('asks again for a channel that could not be decided on', async () => {
    let asked = 0;
    const { settle, ws, clock, rooms } = await setUp({
      socket: {
        authorize: () => {
          if (asked++ === 0) throw new Error('no database');
          return true;
        },
      },
    });
    const { heard } = listen(ws(), 'a');
    await settle();
    await clock.advance(2_000);
    await settle();
    await rooms[0].publish('a', 1);
    await settle();
    expect(heard).toEqual([1]);
  });

  it('is present where it says so, and sees who is', async () => {
    const { settle, ws } = await setUp({ socket: { presence: () => ({ id: 'ann' }) } });
    const live = ws();
    listen(live, 'room');
    await settle();
    const nobody = live.presence('room');
    await settle();
    expect((await nobody).users).toBe(0);
    listen(live, 'room', { presence: true }); // followed already, present from now on
    await settle();
    const present = live.presence('room');
    await settle();
    expect(await present).toMatchObject({
      channel: 'room',
      users: 1,
      members: [{ id: 'ann', connections: 1 }],
    });
  });

  it('asks for signs of life, and comes back when there are none', async () => {
    const { settle, ws, clock, server, states } = await setUp();
    listen(ws(), 'a');
    await settle();
    for (let seconds = 0; seconds < 100; seconds++) await clock.advance(1_000);
    expect(server.sockets[0]?.sent.filter(({ t }) => t === 'ping').length).toBeGreaterThan(3);
    expect(states).toEqual(['open']);
    if (server.sockets[0] !== undefined) server.sockets[0].isSilent = true;
    for (let seconds = 0; seconds < 70; seconds++) await clock.advance(1_000);
    await settle();
    expect(states).toEqual(['open', 'waiting', 'connecting', 'open']);
  });

  it.each(Object.values(closeCodes))(
    'after $code comes back: $reconnect',
    async ({ code, reason, reconnect }) => {
      const { settle, ws, clock, server, errors } = await setUp();
      const live = ws();
      await settle();
      server.sockets[0]?.ended(code, reason);
      await clock.advance(1_000);
      await settle();
      expect(live.state).toBe(reconnect ? 'open' : 'closed');
      if (!reconnect) expect(errors).toMatchObject([{ status: code, code: 'PANDO_CLIENT_REFUSED' }]);
    },
  );
});

describe('what was seen', () => {
  const answering = (token?: string) => {
    const asked: (string | null)[] = [];
    const fetch: typeof globalThis.fetch = async (_input, init) => {
      asked.push(new Headers(init?.headers).get('pando-token-blog'));
      return new Response('ok', { headers: token === undefined ? {} : { 'pando-token-blog': token } });
    };
    return { asked, fetch };
  };

  it('goes along with each request, and what the answer brings takes its place', async () => {
    const { asked, fetch } = answering('later');
    const { ws, settle, server } = await setUp();
    const live = ws({ fetch, name: 'Blog' });
    listen(live, 'a');
    await settle();
    for (const [n, token] of ['one', 'two'].entries()) {
      server.sockets[0]?.onmessage?.({
        data: JSON.stringify({ t: 'm', c: 'a', i: `9-${n}~m`, d: n, token }),
      });
    }
    expect(live.token).toBe('one, two');
    await live.fetch('http://test/posts', { headers: { 'x-mine': '1' } });
    expect(live.token).toBe('later');
    await live.fetch(new Request('http://test/posts'));
    expect(asked).toEqual(['one, two', 'later']);
  });

  it('stays with its server, and within a header', async () => {
    const { asked, fetch } = answering();
    const { ws, settle, server } = await setUp();
    const live = ws({ fetch, name: 'blog' });
    listen(live, 'a');
    await settle();
    for (let n = 0; n < 100; n++) {
      const frame = { t: 'm', c: 'a', i: `9-${n}~m`, d: n, token: `t${n}` };
      server.sockets[0]?.onmessage?.({ data: JSON.stringify(frame) });
    }
    await live.fetch('http://elsewhere/');
    await live.fetch('http://test/');
    expect(asked[0]).toBeNull();
    expect(asked[1]?.split(', ')).toHaveLength(32);
    expect(asked[1]).toMatch(/t99$/);
  });
});

describe('what cannot be connected to', () => {
  it.each([
    ['/events', {}, 'a full URL'],
    ['http://test/', { minDelayMs: 0 }, 'minDelayMs'],
    ['http://test/', { minDelayMs: 10, maxDelayMs: 1 }, 'maxDelayMs'],
  ])('%s %j is refused at once', (url, options, what) => {
    expect(() => connect(url, options)).toThrow(what);
  });

  it('a socket is refused at once where there are none: Node has had them since 22', () => {
    vi.stubGlobal('WebSocket', undefined);
    onTestFinished(() => void vi.unstubAllGlobals());
    expect(() => connect('ws://test/')).toThrow('WebSocket');
  });
});
