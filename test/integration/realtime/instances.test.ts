import { randomBytes } from 'node:crypto';
import { createRealtime, type Realtime, type RealtimeOptions } from '@pando/core/realtime';
import { waitFor } from '@pando/core/testing';
import { Redis } from 'ioredis';
import { afterEach, describe, expect, it } from 'vitest';
import { createKernel } from '../../../packages/core/src/kernel/kernel.js';
import { TestOutlet, TestSocket } from '../../../packages/core/src/testing/suites/realtime/wires.js';
import { testRedis } from '../../infra/context.js';

const { url } = testRedis();
const opened: { close(): Promise<unknown> }[] = [];
afterEach(async () => {
  for (const room of opened.splice(0).reverse()) await room.close();
});

const freshName = () => `instances-${randomBytes(4).toString('hex')}`;

async function open(name: string, options: RealtimeOptions = {}): Promise<Realtime> {
  const room = createRealtime({ redis: url, name, ...options });
  opened.push(room);
  await room.start();
  return room;
}

describe('instances that share a Redis', () => {
  it('share channels: streams, sockets and listeners get the same events in the same order', async () => {
    const name = freshName();
    const rooms = [await open(name), await open(name), await open(name)] as const;
    const [outlet, socket] = [new TestOutlet(), new TestSocket()];
    const heard: unknown[] = [];
    await rooms[0].openSse(outlet, { channels: ['chat'] });
    rooms[1].openSocket(socket, { authorize: () => true });
    socket.say({ t: 'sub', c: 'chat' });
    await rooms[2].subscribe('chat', ({ data }) => void heard.push(data));
    await waitFor(() => outlet.client.lastEventId !== '' && socket.received.length > 0);
    socket.say({ t: 'pub', id: 1, c: 'chat', d: 'from a socket' });
    await Promise.all(Array.from({ length: 50 }, (_, n) => rooms[(n % 3) as 0]?.publish('chat', n)));
    const streamed = () =>
      outlet.client.events.filter(({ type }) => type === 'message').map(({ data }) => JSON.parse(data));
    const framed = () => socket.frames.filter(({ t }) => t === 'm').map(({ d }) => d);
    await waitFor(() => heard.length === 51 && streamed().length === 51 && framed().length === 51);
    expect(streamed()).toEqual(heard);
    expect(framed()).toEqual(heard);
    expect(new Set(heard).size).toBe(51);
  });

  it('take over each other’s clients without a gap', async () => {
    const name = freshName();
    const [one, two] = [await open(name), await open(name)];
    const first = new TestOutlet();
    await one.openSse(first, { channels: ['a', 'b'] });
    await waitFor(() => first.client.lastEventId !== '');
    await one.publish('a', 1);
    await waitFor(() => first.client.events.some(({ type }) => type === 'message'));
    await waitFor(() => first.client.events.at(-1)?.type === 'cursor');
    first.cut();
    await one.publish('a', 2);
    await one.publish('b', 3);
    await one.close();
    const second = new TestOutlet();
    await two.openSse(second, { channels: ['a', 'b'], lastEventId: first.client.lastEventId });
    const messages = () =>
      second.client.events.filter(({ type }) => type === 'message').map(({ data }) => JSON.parse(data).d);
    await waitFor(() => messages().length === 2);
    expect(messages().sort()).toEqual([2, 3]);
    expect(second.client.events.some(({ type }) => type === 'reset')).toBe(false);
  });

  it('do not hear kits of another name', async () => {
    const [mine, other] = [await open(freshName()), await open(freshName())];
    const heard: unknown[] = [];
    await mine.subscribe('c', ({ data }) => void heard.push(data));
    await other.publish('c', 'not for you');
    await mine.publish('c', 'for you');
    await waitFor(() => heard.length > 0);
    expect(heard).toEqual(['for you']);
  });

  it('tell each other what was trimmed', async () => {
    const name = freshName();
    const [one, two] = [await open(name, { history: { size: 1 } }), await open(name)];
    const { position } = await one.publish('c', 0);
    for (let n = 1; n < 300; n++) await one.publish('c', n);
    const outlet = new TestOutlet();
    await two.openSse(outlet, { channels: ['c'], lastEventId: position });
    await waitFor(() => outlet.client.events.length > 0);
    expect(outlet.client.events[0]?.type).toBe('reset');
    expect(JSON.parse(outlet.client.events[0]?.data ?? '{}')).toMatchObject({ reason: 'trimmed' });
  });

  it('serve thousands of missed messages page by page', async () => {
    const name = freshName();
    const [one, two] = [await open(name, { history: { size: 2_000 } }), await open(name)];
    const { position } = await one.publish('c', 0);
    for (let n = 1; n <= 600; n++) await one.publish('c', n);
    const heard: unknown[] = [];
    await two.subscribe('c', ({ data }) => void heard.push(data), { since: position });
    await waitFor(() => heard.length === 600);
    expect(heard).toEqual(Array.from({ length: 600 }, (_, n) => n + 1));
  });

  it('use a client that they were given, and leave it alone', async () => {
    const client = new Redis(url);
    opened.push({ close: () => client.quit() });
    const room = createRealtime({ redis: client }, { kernel: createKernel({ name: freshName() }) });
    await room.start();
    await room.publish('c', 1);
    await room.close();
    expect(await client.ping()).toBe('PONG');
    expect(client.status).toBe('ready');
  });
});
