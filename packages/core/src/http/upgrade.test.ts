import { once } from 'node:events';
import { createServer, request as httpRequest, type IncomingMessage } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { createPando, type Pando } from '../pando.js';
import { createFakeClock, type FakeClock } from '../testing/fake-clock.js';
import { SocketClient } from '../testing/suites/adapter/clients.js';
import { waitFor } from '../testing/wait-for.js';
import { Door } from './door.js';
import type { WsRoute } from './ws-route.js';

const ending: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of ending.splice(0)) await end();
});

/** A bare server with these routes. */
async function serve(
  ws: WsRoute,
  clock?: FakeClock,
): Promise<{ readonly pando: Pando; readonly port: number; readonly logged: unknown[] }> {
  const logged: unknown[] = [];
  const quiet = () => undefined;
  const pando = await createPando({
    clock,
    lifecycle: { signals: false, readinessDelayMs: 0 },
    logger: { debug: quiet, info: quiet, warn: quiet, error: (fields) => logged.push(fields.err) },
  });
  const server = createServer();
  new Door(pando, undefined).upgrades(ws).attach(server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => sockets.add(socket));
  ending.push(async () => {
    for (const socket of sockets) socket.destroy();
    server.close();
    void clock?.advance(60_000);
    await pando.close();
  });
  return { pando, port: (server.address() as AddressInfo).port, logged };
}

/** Sends a handshake by hand. */
function shake(port: number, path: string, headers: Record<string, string> = {}): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const request = httpRequest({
      port,
      path,
      agent: false,
      headers: {
        connection: 'Upgrade',
        upgrade: 'websocket',
        'sec-websocket-version': '13',
        'sec-websocket-key': Buffer.alloc(16).toString('base64'),
        ...headers,
      },
    });
    request.on('error', reject).on('response', (response) => resolve(response.resume()));
    request.on('upgrade', (response, socket) => {
      socket.destroy();
      resolve(response);
    });
    request.end();
  });
}

test('an application that never decides is not waited for', async () => {
  const clock = createFakeClock();
  let signal: AbortSignal | undefined;
  const { port } = await serve(
    {
      path: '/ws',
      authenticate: (_request, options) => {
        ({ signal } = options);
        return new Promise(() => undefined);
      },
    },
    clock,
  );
  const answer = shake(port, '/ws');
  await waitFor(() => signal !== undefined);
  await clock.advance(9_999);
  expect(signal?.aborted).toBe(false);
  await clock.advance(1);
  expect(signal?.aborted).toBe(true);
  expect((await answer).statusCode).toBe(503);
});

test('a client that goes away meanwhile hurts nobody, and the application is told', async () => {
  let signal: AbortSignal | undefined;
  const { pando, port, logged } = await serve({
    path: '/ws',
    authenticate: (_request, options) => {
      ({ signal } = options);
      return new Promise((resolve) => options.signal.addEventListener('abort', () => resolve('late')));
    },
  });
  const socket = connect(port, '127.0.0.1');
  socket.write('GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n');
  await waitFor(() => signal !== undefined);
  socket.resetAndDestroy();
  await waitFor(() => signal?.aborted);
  expect(pando.realtime.connections).toBe(0);
  expect(logged).toEqual([]);
});

test('what is no WebSocket handshake is refused by the rules of the protocol', async () => {
  const { port } = await serve({ path: '/ws' });
  expect((await shake(port, '/ws', { 'sec-websocket-version': '12' })).statusCode).toBe(400);
  expect((await shake(port, '/ws', { 'sec-websocket-key': 'short' })).statusCode).toBe(400);
  expect((await shake(port, '/ws')).statusCode).toBe(101);
});

test('a failure of the application is logged, and strangers learn nothing of it', async () => {
  const boom = new Error('password of db1 is wrong');
  const { port, logged } = await serve({
    path: '/ws',
    authenticate: () => Promise.reject(boom),
  });
  const answer = await shake(port, '/ws');
  expect([answer.statusCode, answer.headers['content-length']]).toEqual([500, '0']);
  expect(logged).toEqual([boom]);
});

test('the subprotocol is agreed on only where it is spoken', async () => {
  const framed = await serve({ path: '/ws' });
  using ours = await SocketClient.open(`http://127.0.0.1:${framed.port}/ws`, {
    protocols: ['other', 'pando.v1'],
  });
  expect(ours.protocol).toBe('pando.v1');
  const answer = await shake(framed.port, '/ws', { 'sec-websocket-protocol': 'other' });
  expect([answer.statusCode, answer.headers['sec-websocket-protocol']]).toEqual([101, undefined]);

  const raw = await serve({ path: '/ws', protocol: 'raw' });
  using theirs = await SocketClient.open(`http://127.0.0.1:${raw.port}/ws`, { protocols: ['chat', 'other'] });
  expect(theirs.protocol).toBe('chat');
});

test('channels that cannot be are refused before the handshake', async () => {
  const { port } = await serve({ path: '/ws', channels: () => ['not a channel'] });
  expect((await shake(port, '/ws')).statusCode).toBe(400);
});
