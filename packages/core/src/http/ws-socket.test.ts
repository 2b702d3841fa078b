import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { afterEach, describe, expect, it } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import { textFrame } from '../kernel/text-frames.js';
import { waitFor } from '../testing/wait-for.js';
import { WsSocket } from './ws-socket.js';

const cleanUps: (() => unknown)[] = [];
afterEach(() => {
  for (const cleanUp of cleanUps.splice(0).reverse()) cleanUp();
});

/** One connection, seen from both ends. */
async function open(perMessageDeflate: boolean) {
  const server = createServer().listen(0, '127.0.0.1');
  cleanUps.push(() => server.close());
  const entrance = new WebSocketServer({
    noServer: true,
    perMessageDeflate: perMessageDeflate && { threshold: 0 },
  });
  const accepted = new Promise<{ ws: WebSocket; stream: Duplex }>((resolve) => {
    server.on('upgrade', (request, stream, head) =>
      entrance.handleUpgrade(request, stream, head, (ws) => resolve({ ws, stream })),
    );
  });
  await once(server, 'listening');
  const client = new WebSocket(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`, {
    perMessageDeflate,
  });
  cleanUps.push(() => client.terminate());
  const received: string[] = [];
  client.on('message', (data, isBinary) => received.push(isBinary ? 'binary' : String(data)));
  client.on('ping', () => received.push('ping'));
  const [{ ws, stream }] = await Promise.all([accepted, once(client, 'open')]);
  const handed: unknown[] = [];
  const { write } = stream;
  stream.write = (...given: unknown[]) => {
    handed.push(given[0]);
    return Reflect.apply(write, stream, given) as boolean;
  };
  return { socket: new WsSocket(ws, stream), ws, client, received, handed };
}

const messages = ['', 'one', 'é\0\r\n', 'x'.repeat(126), 'y'.repeat(70_000), 'last'];
const frames = messages.map((message) => textFrame(Buffer.from(message)));
const joined = Buffer.concat(frames);

describe.each([
  ['without extensions', false],
  ['with permessage-deflate', true],
])('a WebSocket %s', (_, deflates) => {
  it('gets all messages in order, alone, joined, and between pings', async () => {
    const { socket, received, client, handed } = await open(deflates);
    expect(client.extensions !== '').toBe(deflates);
    for (const frame of frames) socket.write([frame]);
    socket.ping();
    socket.write([joined, frames[1] as Buffer]);
    socket.write([joined]);
    const expected = [...messages, 'ping', ...messages, 'one', ...messages];
    await waitFor(() => received.length === expected.length, { message: 'all messages' });
    expect(received).toEqual(expected);
    expect(handed.includes(joined)).toBe(!deflates); // the very bytes that others get, too
  });

  it('gets nothing after the beginning of its end, and what came before is whole', async () => {
    const { socket, received, client } = await open(deflates);
    const closed = once(client, 'close');
    socket.write([joined]);
    socket.close(1001, 'away');
    expect(socket.write([joined])).toBe(true);
    expect((await closed)[0]).toBe(1001);
    expect(received).toEqual(messages);
    expect(socket.write([joined])).toBe(true);
  });
});
