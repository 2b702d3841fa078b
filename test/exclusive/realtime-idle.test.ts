import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { waitFor } from '@pando/core/testing';
import { expect, it } from 'vitest';
import { Site } from '../followers/site.js';
import { testSize } from '../infra/context.js';
import { startRedis } from '../infra/redis.js';

const isFull = testSize() === 'full';
/** As many as one process may have files open on many systems, less what it needs itself. */
const CONNECTIONS = isFull ? 19_000 : 3_000;
const AT_ONCE = 250;
/** What the process compiles for them, and keeps free from then on, is there once so many have come. */
const FIRST = 1_000;
/** What the process may keep free beyond that: its heap grows and shrinks by pages. */
const OWN_BYTES = 4 * 1_048_576;

const stream = 'GET /events?channels=news HTTP/1.1\r\nhost: a\r\naccept: text/event-stream\r\n\r\n';
const upgrade = [
  'GET /ws HTTP/1.1\r\nhost: a\r\nconnection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13',
  'sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-protocol: pando.v1\r\n\r\n',
].join('\r\n');

/** One text frame, masked with zeros. */
function frame(text: string): Buffer {
  return Buffer.concat([Buffer.from([0x81, 0x80 | text.length, 0, 0, 0, 0]), Buffer.from(text)]);
}

/** Connects without any library, so that as many fit into this process, too; resolves when it follows the channel. */
async function open(kind: 'sse' | 'ws', port: number, index: number, heard: () => void): Promise<Socket> {
  // Each address has so many ports only.
  const socket = connect({ port, host: '127.0.0.1', localAddress: `127.0.0.${2 + (index % 8)}` });
  socket.on('error', () => undefined);
  socket.write(kind === 'sse' ? stream : upgrade);
  await new Promise<void>((resolve, reject) => {
    let hasAsked = kind === 'sse';
    socket.once('close', () => reject(new Error(`connection ${index} was ended`)));
    socket.on('data', (bytes) => {
      const text = bytes.toString('latin1');
      if (!hasAsked && text.includes(' 101 ')) {
        hasAsked = true;
        socket.write(frame('{"t":"sub","c":"news"}'));
      }
      if (text.includes('event: cursor') || text.includes('"t":"sub"')) resolve();
      if (text.includes('"pad"')) heard();
    });
  });
  return socket;
}

/** The process collects its garbage each time it is asked, and gives pages back to the system some time after. */
async function leastRss(site: Site, index: number): Promise<number> {
  let least = Number.POSITIVE_INFINITY;
  for (let time = 0; time < 8; time++) least = Math.min(least, (await site.vitals(index)).rss);
  return least;
}

// About two thirds are Node's, `ws`'s and the frameworks': the benches measure them beside each other.
it.each([
  { kind: 'ws', framework: 'express', index: 0, mostBytes: 10_240 },
  { kind: 'sse', framework: 'express', index: 0, mostBytes: 18_432 },
  { kind: 'sse', framework: 'fastify', index: 1, mostBytes: 15_360 },
] as const)(
  'one process holds thousands of quiet clients ($kind, $framework), each at little cost, and reaches them all',
  async ({ kind, index, mostBytes }) => {
    await using redis = await startRedis();
    await using site = await Site.start({ redis: () => redis.url, instances: index + 1 });
    const { port } = site.instance(index);
    let heard = 0;
    const sockets: Socket[] = [];
    const openMore = async (count: number) => {
      const first = sockets.length;
      const more = Array.from({ length: count }, (_, n) => open(kind, port, first + n, () => heard++));
      sockets.push(...(await Promise.all(more)));
    };
    try {
      while (sockets.length < FIRST) await openMore(AT_ONCE);
      await site.publish(index, 'news');
      await waitFor(() => heard === FIRST);
      const before = await leastRss(site, index);
      while (sockets.length < CONNECTIONS) await openMore(AT_ONCE);
      const after = await leastRss(site, index);
      heard = 0;
      await site.publish(index, 'news');
      await waitFor(() => heard === CONNECTIONS, {
        timeoutMs: 30_000,
        message: () => `all to hear: ${heard} have`,
      });
      const more = CONNECTIONS - FIRST;
      const eachBytes = (after - before) / more;
      console.log(`${CONNECTIONS} connections, ${Math.round(eachBytes)} bytes each`);
      expect(eachBytes).toBeLessThan(mostBytes + OWN_BYTES / more);
    } finally {
      for (const socket of sockets) socket.removeAllListeners('close').destroy();
      await Promise.all(sockets.filter(({ closed }) => !closed).map((socket) => once(socket, 'close')));
    }
  },
);
