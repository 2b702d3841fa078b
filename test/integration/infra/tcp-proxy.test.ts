import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { connect, createServer } from 'node:net';
import type { TcpProxy } from '@pando/core/testing';
import { createTcpProxy, waitFor } from '@pando/core/testing';
import { beforeEach, expect, onTestFinished, test } from 'vitest';

let proxy: TcpProxy;
/** The server's ends of the connections; it sends back what it gets. */
let accepted: Socket[];

beforeEach(async () => {
  accepted = [];
  const server = createServer({ noDelay: true }, (socket) => {
    accepted.push(socket);
    socket.on('error', () => undefined);
    socket.pipe(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address() as { port: number };
  proxy = await createTcpProxy({ target: { host: '127.0.0.1', port: address.port } });
  return async () => {
    await proxy.close();
    server.close();
  };
});

test('carries bytes both ways, whole and in order, and an end to the other side', async () => {
  const client = await open();
  const sent = randomBytes(3_000_000);
  const received = collect(client.socket);
  client.socket.end(sent);
  expect(Buffer.compare(await received, sent)).toBe(0);
  await waitFor(() => proxy.connections === 0);
});

test('delays each direction, and keeps the order of what has random delays', async () => {
  proxy.latency(50, 20);
  const client = await open();
  const startedAt = performance.now();
  for (let number = 0; number < 100; number++) client.socket.write(`${number},`);
  const expected = Array.from({ length: 100 }, (_, number) => `${number},`).join('');
  await waitFor(() => client.received.length === expected.length);
  expect(client.received).toBe(expected);
  expect(performance.now() - startedAt).toBeGreaterThanOrEqual(100);
});

test('limits the bandwidth', async () => {
  proxy.bandwidth(100_000);
  const client = await open();
  const startedAt = performance.now();
  client.socket.write(Buffer.alloc(20_000));
  await waitFor(() => client.received.length === 20_000);
  expect(performance.now() - startedAt).toBeGreaterThanOrEqual(200);
});

test('a black hole holds everything, tells nobody, and delivers all when it heals', async () => {
  const client = await open();
  await client.echo('before');
  proxy.blackHole();
  client.socket.write('held');
  const late = await open();
  late.socket.write('also held');
  await expect(waitFor(() => client.received !== 'before', { timeoutMs: 150 })).rejects.toThrow();
  expect([client.ended, late.ended, late.received]).toEqual([false, false, '']);
  await proxy.heal();
  await waitFor(() => client.received === 'beforeheld' && late.received === 'also held');
});

test('a black hole makes a sender feel that nobody reads', async () => {
  const client = await open();
  proxy.blackHole();
  const size = 64 * 1024 * 1024;
  client.socket.write(Buffer.alloc(size));
  await expect(waitFor(() => client.socket.writableLength === 0, { timeoutMs: 300 })).rejects.toThrow();
  await proxy.heal();
  await waitFor(() => client.receivedBytes === size);
});

test('a reset ends present connections with ECONNRESET on both sides and lets new ones in', async () => {
  const client = await open();
  await client.echo('hello');
  const [server] = accepted;
  const serverFailed = once(server as Socket, 'error').catch((error) => [error]);
  proxy.reset();
  await waitFor(() => client.error);
  expect(client.error?.code).toBe('ECONNRESET');
  expect((await serverFailed)[0].code).toBe('ECONNRESET');
  await (await open()).echo('again');
});

test('a half-open connection is gone for the server, and the client is never told', async () => {
  const client = await open();
  await client.echo('hello');
  proxy.halfOpen();
  await waitFor(() => accepted[0]?.destroyed);
  client.socket.write('into the void');
  await (await open()).echo('others work');
  expect([client.ended, client.error, client.received]).toEqual([false, undefined, 'hello']);
  await proxy.heal();
  expect(client.socket.destroyed).toBe(false);
});

test('refuses new connections, keeps the present ones, and accepts again on the same port', async () => {
  const client = await open();
  await client.echo('one');
  await proxy.refuse();
  await expect(open()).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  await client.echo('two');
  await proxy.heal();
  await (await open()).echo('three');
});

test('resets the client when the server cannot be reached', async () => {
  await using nowhere = await createTcpProxy({ target: { host: '127.0.0.1', port: 1 } });
  const client = await open(nowhere);
  await waitFor(() => client.error);
  expect(client.error?.code).toBe('ECONNRESET');
});

test('puts its own address into a URL', () => {
  expect(proxy.url('redis')).toBe(`redis://127.0.0.1:${proxy.port}`);
  expect(proxy.url('postgres://me@db.example:5432/blog?x=1')).toBe(
    `postgres://me@127.0.0.1:${proxy.port}/blog?x=1`,
  );
});

class Client {
  readonly socket: Socket;
  received = '';
  receivedBytes = 0;
  ended = false;
  error: NodeJS.ErrnoException | undefined;

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (bytes) => {
      this.receivedBytes += bytes.length;
      if (this.receivedBytes < 100_000) this.received += bytes;
    });
    socket.on('end', () => {
      this.ended = true;
    });
    socket.on('error', (error) => {
      this.error = error;
    });
  }

  async echo(text: string): Promise<void> {
    const expected = this.received + text;
    this.socket.write(text);
    await waitFor(() => this.received === expected, { message: `"${text}" to come back` });
  }
}

async function open(through = proxy): Promise<Client> {
  const socket = connect({ port: through.port, host: '127.0.0.1', noDelay: true });
  onTestFinished(() => void socket.destroy());
  await once(socket, 'connect');
  return new Client(socket);
}

async function collect(socket: Socket): Promise<Buffer> {
  const chunks: Buffer[] = [];
  socket.on('data', (bytes) => chunks.push(bytes));
  await once(socket, 'end');
  return Buffer.concat(chunks);
}
