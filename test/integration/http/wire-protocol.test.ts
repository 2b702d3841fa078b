import { createPando, type Pando, type Token } from '@pando/core';
import { waitFor } from '@pando/core/testing';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { SseSession } from '../../../packages/core/src/realtime/connection.js';
import { parseCursor } from '../../../packages/core/src/realtime/cursor.js';
import { parsePosition } from '../../../packages/core/src/realtime/position.js';
import { parseClientFrame } from '../../../packages/core/src/realtime/ws-protocol.js';
import { TestSocket } from '../../../packages/core/src/testing/suites/realtime/wires.js';
import { testRedis } from '../../infra/context.js';
import { partsOf, readPage } from '../../packaging/docs/pages.js';

/** The other end of an event stream, which keeps every byte. */
class TextOutlet {
  text = '';
  readonly queuedBytes = 0;
  write(pieces: readonly { readonly plain: Buffer }[]): boolean {
    for (const { plain } of pieces) this.text += plain.toString();
    return true;
  }
  end(): void {}
  destroy(): void {}
  onDrain(): void {}
  onClose(): void {}
}

/** What docs/reference/wire-protocol.md shows is what is sent. */
const page = readPage('docs/reference/wire-protocol.md');
const { blocks, prose } = partsOf(page);
const [requests = [], answers = []] = blocks
  .filter(({ language }) => language === 'json')
  .map(({ code }) => code.split('\n'));
const [raw = '', envelope = '', begun = '', reset = ''] = blocks
  .filter(({ language }) => language === 'text')
  .map(({ code }) => code);

const { url, name } = testRedis();
const position = { shard: 'primary', system: '1', timeline: 1, lsn: 1n };
const event = { type: 'post.updated', id: 7 };
const token: Token = { db: [], cache: [{ epoch: 'life', sequence: 1 }], pending: [], opaque: [] };
let pando: Pando;

beforeAll(async () => {
  pando = await createPando({
    name,
    redis: url,
    limits: { policies: { write: '60/min' } },
    lifecycle: { signals: false, readinessDelayMs: 0 },
    realtime: { drainMs: 50 },
  });
});
afterAll(() => pando?.close());

describe('frames of pando.v1', () => {
  it('that the page has a client send are understood, each kind of them', () => {
    const frames = requests.map(parseClientFrame);
    expect(frames.filter(({ t }) => t === 'refused')).toEqual([]);
    expect(new Set(frames.map(({ t }) => t))).toEqual(
      new Set(['sub', 'unsub', 'pub', 'presence', 'auth', 'ping']),
    );
  });

  it('that the page has a server send are the ones that are sent', async () => {
    const socket = new TestSocket();
    const expiresAt = Date.now() + 3_600_000;
    let lost = '';
    pando.realtime.openSocket(socket, {
      identity: 'ann',
      expiresAt,
      authorize: (_, channel) => channel !== 'secret' && channel !== lost,
      refresh: () => {
        lost = 'room:1';
        return { identity: 'ann', expiresAt };
      },
      presence: () => ({ id: 'ann', info: { name: 'Ann' } }),
    });
    const shapes = () => new Set(socket.frames.map(shapeOf));
    const answersTo = (t: string) => socket.frames.filter((frame) => frame.t === t).length;
    const say = async (
      frame: { readonly t: string; readonly [member: string]: unknown },
      answer = frame.t,
    ) => {
      const before = answersTo(answer);
      socket.say(frame);
      await waitFor(() => answersTo(answer) > before, { message: `the answer to ${JSON.stringify(frame)}` });
    };
    await say({ t: 'sub', id: 1, c: 'unused' });
    await pando.realtime.publish('posts', event, { token });
    await say({ t: 'sub', id: 1, c: 'posts' });
    await pando.realtime.publish('posts', event, { token });
    await waitFor(() => answersTo('m') > 0, { message: 'the event' });
    await say({ t: 'sub', id: 1, c: 'chat:7', since: { 'chat:7': 'nonsense' } });
    await say({ t: 'unsub', id: 3, c: 'chat:7' });
    for (let time = 0; time < 2; time++) {
      await say({ t: 'pub', id: 4, c: 'chat:7', d: 1, key: '7f3a' }, 'ack');
    }
    await say({ t: 'sub', id: 2, c: 'room:1', presence: true });
    await waitFor(async () => (await pando.realtime.presence('room:1')).users === 1);
    await say({ t: 'presence', id: 5, c: 'room:1' });
    await say({ t: 'auth', id: 6, credential: 'fresh' });
    await waitFor(() => answersTo('unsub') === 2, { message: 'the end of a subscription' });
    await say({ t: 'ping', id: 7 }, 'pong');
    await say({ t: 'sub', id: 8, c: 'secret' }, 'err');
    const other = await createPando({ name, redis: url, lifecycle: { signals: false, readinessDelayMs: 0 } });
    const leaving = new TestSocket();
    other.realtime.openSocket(leaving, {});
    await other.close();
    const sent = new Set([...shapes(), ...leaving.frames.map(shapeOf)]);
    expect([...sent].sort()).toEqual([...new Set(answers.map((line) => shapeOf(JSON.parse(line))))].sort());
  });
});

describe('event streams', () => {
  const stream = async (
    channels: readonly string[],
    lastEventId?: string,
    asked: Pick<SseSession, 'format' | 'starts'> = {},
  ) => {
    const outlet = new TextOutlet();
    const connection = await pando.realtime.openSse(outlet, { channels, lastEventId, ...asked });
    const arrived = (text: string) => waitFor(() => outlet.text.includes(text), { message: text });
    return { outlet, arrived, close: () => connection.close() };
  };

  /** An event whose token the channel remembers, here too. */
  const publishedAndHeard = async () => {
    const heard: string[] = [];
    await using _ = await pando.realtime.subscribe('posts', (message) => heard.push(message.position));
    const { position: published } = await pando.realtime.publish('posts', event, { token });
    await waitFor(() => heard.includes(published), { message: 'the event before' });
  };

  it('in raw format', async () => {
    const { outlet, arrived, close } = await stream(['wire-raw']);
    await arrived('event: cursor');
    await pando.realtime.publish('wire-raw', event);
    await arrived('post.updated');
    close();
    expect(normal(outlet.text)).toBe(normal(`${raw}\n`));
  });

  it('in envelopes', async () => {
    await publishedAndHeard();
    const { outlet, arrived, close } = await stream(['posts', 'wire-other']);
    await waitFor(() => /^id: c1~\w+!\S+!\S+$/m.test(outlet.text), {
      message: 'the positions of both channels',
    });
    await pando.realtime.publish('posts', event, { token });
    await arrived('post.updated');
    await waitFor(() => /post\.updated.*\n\nevent: cursor\n.*\n.*\n\n$/.test(outlet.text), {
      message: 'its cursor',
    });
    close();
    expect(normal(outlet.text)).toBe(normal(`${envelope}\n`));
    for (const text of [outlet.text, envelope])
      expect(text).toMatch(/event: cursor\nid: .*\ndata: {"t":"1\./);
  });

  it('with the places at which its channels begin', async () => {
    await publishedAndHeard();
    const { outlet, arrived, close } = await stream(['posts'], undefined, {
      format: 'envelope',
      starts: true,
    });
    await arrived('event: sub');
    close();
    expect(normal(outlet.text)).toContain(normal(`${begun}\n`));
  });

  it('with a reset', async () => {
    await publishedAndHeard();
    const { outlet, arrived, close } = await stream(['posts'], 'nonsense');
    await arrived('event: reset');
    close();
    expect(normal(outlet.text)).toContain(normal(`${reset}\n`));
  });

  it('name positions and cursors that can be read', () => {
    const ids = [...page.text.matchAll(/"i(?:d)?":"([^"]+~[^"]+)"|^id: (.*)$/gm)].map(
      ([, a, b]) => a ?? b ?? '',
    );
    expect(ids.length).toBeGreaterThan(5);
    for (const id of ids) expect([id, parsePosition(id) ?? parseCursor(id)]).not.toContain(undefined);
  });
});

it('keys in Redis are those that the page lists', async () => {
  await pando.cache.getOrLoad('key', () => 1, { tags: ['tag'] });
  await pando.cache.invalidate(['tag'], { token: { ...token, db: [position] } });
  await pando.limits.consume('write', 'ann');
  await pando.realtime.publish('keys', 1, { id: 'once' });
  const redis = new Redis(url);
  const keys = (await redis.keys(`*${name}*`)).sort();
  redis.disconnect();
  const listed = prose
    .filter(({ text }) => text.startsWith('| `pando:'))
    .flatMap(({ text }) => [...(text.split('|')[1] ?? '').matchAll(/`([^`]+)`/g)].map(([, key = '']) => key));
  expect(listed.length).toBeGreaterThan(10);
  const patterns = listed.map(
    (key) =>
      new RegExp(
        `^${key
          .replace(/<name>/g, name)
          .replace(/[{}]/g, '\\$&')
          .replace(/<\w+>/g, '.+')}$`,
      ),
  );
  expect(keys.filter((key) => !patterns.some((pattern) => pattern.test(key)))).toEqual([]);
  expect(keys.length).toBeGreaterThan(8);
});

/** Which members a frame has, and of what type. */
function shapeOf(frame: object): string {
  return JSON.stringify(
    Object.entries(frame)
      .map(([key, value]) => (key === 't' ? `t=${value}` : key === 'd' ? key : `${key}:${typeof value}`))
      .sort(),
  );
}

/** The same without what differs from time to time. */
function normal(text: string): string {
  return text
    .replace(/\d+-\d+(\.\d+)?~\w+/g, '<position>')
    .replace(/"1\.[^"]+"/g, '"<token>"')
    .replace(/(event: cursor\nid: c1~\S+\ndata:( \{"t":"<token>"\})?\n\n)+/g, '<cursor>\n\n') // each channel begins when its position is known
    .replace(/retry: \d+/g, 'retry: <ms>');
}
