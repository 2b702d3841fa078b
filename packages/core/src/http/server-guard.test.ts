import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { systemClock } from '../kernel/clock.js';
import { createFakeClock } from '../testing/fake-clock.js';
import { waitFor } from '../testing/wait-for.js';
import { ServerGuard } from './server-guard.js';

const started: Server[] = [];
afterEach(() => {
  for (const server of started.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

async function serve(listener: RequestListener, clock = systemClock) {
  const server = createServer(listener);
  const guard = new ServerGuard(server, clock);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  started.push(server);
  return { server, guard, port: (server.address() as AddressInfo).port };
}

/** A connection that keeps what it receives. */
class Peer {
  readonly socket: Socket;
  text = '';
  closed = false;

  constructor(port: number) {
    this.socket = connect(port, '127.0.0.1');
    this.socket.setEncoding('utf8');
    this.socket.on('data', (chunk: string) => {
      this.text += chunk;
    });
    this.socket.on('error', () => undefined);
    this.socket.on('close', () => {
      this.closed = true;
    });
  }

  async ask(path: string): Promise<string> {
    this.text = '';
    this.socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`);
    await waitFor(() => this.text.endsWith('\r\n\r\n'));
    return this.text;
  }
}

const answer: RequestListener = (_request, response) => void response.writeHead(204).end();

test('a request that is on its way when the server stops is answered, and ends its connection', async () => {
  const clock = createFakeClock();
  const { guard, port } = await serve(answer, clock);
  const peer = new Peer(port);
  expect(await peer.ask('/1')).toMatch(/connection: keep-alive/i);
  const finished = guard.finish();
  expect(await peer.ask('/2')).toMatch(/^HTTP\/1\.1 204 .*connection: close/is);
  await waitFor(() => peer.closed);
  await finished;
});

test('while clients are sent away each connection serves one more request, and new ones are accepted', async () => {
  const { guard, port } = await serve(answer);
  const kept = new Peer(port);
  expect(await kept.ask('/1')).toMatch(/connection: keep-alive/i);
  guard.sendAway();
  guard.sendAway();
  expect(await kept.ask('/2')).toMatch(/^HTTP\/1\.1 204 .*connection: close/is);
  const fresh = new Peer(port);
  expect(await fresh.ask('/3')).toMatch(/^HTTP\/1\.1 204 .*connection: close/is);
  await waitFor(() => kept.closed && fresh.closed);
});

test('idle connections, and those opened in advance, end after a moment', async () => {
  const clock = createFakeClock();
  const { server, guard, port } = await serve(answer, clock);
  let accepted = 0;
  server.on('connection', () => accepted++);
  const idle = new Peer(port);
  const advance = new Peer(port);
  await idle.ask('/1');
  await waitFor(() => accepted === 2);
  const finished = guard.finish();
  await clock.advance(50);
  expect([idle.closed, advance.closed]).toEqual([false, false]);
  await clock.advance(100);
  await waitFor(() => idle.closed && advance.closed);
  await finished;
});

test('a request that has arrived, but was not read yet when the moment is over, is answered', async () => {
  let over: (() => void) | undefined;
  const clock = {
    ...systemClock,
    after(_ms: number, run: () => void): Disposable {
      over = run;
      return { [Symbol.dispose]: () => undefined };
    },
  };
  const { guard, port } = await serve(answer, clock);
  const peer = new Peer(port);
  await peer.ask('/1');
  const finished = guard.finish();
  peer.text = '';
  peer.socket.write('GET /2 HTTP/1.1\r\nHost: x\r\n\r\n');
  over?.(); // a busy process runs its timers before it reads
  await finished;
  await waitFor(() => peer.closed);
  expect(peer.text).toMatch(/^HTTP\/1\.1 204 .*connection: close/is);
});

test('a request whose head is still arriving is waited for', async () => {
  const { server, guard, port } = await serve(answer);
  const peer = new Peer(port);
  peer.socket.write('GET / HTTP/1.1\r\n');
  const [socket] = (await once(server, 'connection')) as [Socket];
  await waitFor(() => socket.bytesRead > 0);
  const lingered = new Peer(port);
  await once(server, 'connection');
  const finished = guard.finish();
  await waitFor(() => lingered.closed, { message: 'the connection opened in advance to end' });
  peer.socket.write('Host: x\r\n\r\n');
  await waitFor(() => /^HTTP\/1\.1 204 .*connection: close/is.test(peer.text));
  await finished;
});

test.each(['sendAway', 'stopAccepting'] as const)(
  'answers that were begun before %s() tell their client to leave',
  async (step) => {
    let end: (() => void) | undefined;
    const { guard, port } = await serve((_request, response) => {
      end = () => response.writeHead(200).end('whole');
    });
    const peer = new Peer(port);
    peer.socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    await waitFor(() => end !== undefined);
    guard[step]();
    end?.();
    await guard.finish();
    await waitFor(() => /connection: close.*whole/is.test(peer.text));
  },
);

test('what is left is cut when the signal aborts, also one that has aborted already', async () => {
  const { guard, port } = await serve(() => undefined);
  const peer = new Peer(port);
  peer.socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
  await waitFor(() => peer.socket.readyState === 'open');
  const deadline = new AbortController();
  const finished = guard.finish({ signal: deadline.signal });
  deadline.abort();
  expect(await finished).toEqual(['GET /']);
  await waitFor(() => peer.closed);

  const again = await serve(() => undefined);
  const late = new Peer(again.port);
  late.socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
  await once(again.server, 'request');
  await again.guard.finish({ signal: deadline.signal });
  await waitFor(() => late.closed);
});

test('a server that never listened ends at once, as often as it is asked', async () => {
  const guard = new ServerGuard(createServer(answer), systemClock);
  await Promise.all([guard.finish(), guard.finish()]);
  guard.stopAccepting();
  await guard.finish();
});
