import { once } from 'node:events';
import { Agent, createServer, get, type IncomingMessage, type ServerResponse } from 'node:http';
import { connect as connectHttp2, createServer as createHttp2Server } from 'node:http2';
import { type AddressInfo, connect, type Server } from 'node:net';
import { text } from 'node:stream/consumers';
import { createGunzip } from 'node:zlib';
import compression from 'compression';
import { afterEach, describe, expect, it } from 'vitest';
import { SharedBytes } from '../kernel/shared-bytes.js';
import { waitFor } from '../testing/wait-for.js';
import { ResponseOutlet } from './response-outlet.js';

const cleanUps: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

const pieces = (...texts: readonly string[]) => texts.map((each) => new SharedBytes(Buffer.from(each)));
const groups = [
  pieces('retry: 1\n\n'),
  pieces('data: é\r\n\0\n\n', ':\n\n'),
  pieces('x'.repeat(70_000)),
  pieces('1', '2', '3'),
];
const body = groups.flatMap((group) => group.map(({ plain }) => plain.toString())).join('');

async function listen(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  cleanUps.push(() => void server.close());
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

/** A server that writes all groups to each response and ends it; `prepare` sees the response before. */
async function serve(
  prepare: (response: ServerResponse, request: IncomingMessage) => void = () => undefined,
) {
  /** Of each request: what its socket was handed. */
  const handed: Buffer[][] = [];
  const server = createServer((request, response) => {
    prepare(response, request);
    const outlet = new ResponseOutlet(response, () =>
      response.setHeader('content-type', 'text/event-stream'),
    );
    const written: Buffer[] = [];
    handed.push(written);
    const { socket } = request;
    const { write } = socket;
    socket.write = (...given: unknown[]) => {
      written.push(given[0] as Buffer);
      return Reflect.apply(write, socket, given) as boolean;
    };
    for (const group of groups) outlet.write(group);
    outlet.end();
    socket.write = write;
  });
  return { port: await listen(server), handed };
}

const chunks = groups.flatMap((group) => group.map(({ chunk }) => chunk));
/** How many of the shared chunks went to the socket themselves. */
const direct = (written: readonly Buffer[] | undefined) =>
  chunks.filter((chunk) => written?.includes(chunk)).length;

async function fetchAnswer(port: number, headers: Record<string, string> = {}, agent?: Agent) {
  const request = get({ port, host: '127.0.0.1', headers, ...(agent && { agent }) });
  const [answer] = (await once(request, 'response')) as [IncomingMessage];
  return answer;
}

describe('the body of a response', () => {
  it('goes to the socket in chunks that all connections share, once the head has left', async () => {
    const { port, handed } = await serve();
    const answers = await Promise.all([fetchAnswer(port), fetchAnswer(port)]);
    expect(await Promise.all(answers.map((answer) => text(answer)))).toEqual([body, body]);
    expect(handed.map(direct)).toEqual([chunks.length - 1, chunks.length - 1]);
  });

  it.each([
    [
      'somebody wraps write',
      (response: ServerResponse) => {
        response.write = response.write.bind(response);
      },
    ],
    [
      'it has a length',
      (response: ServerResponse) => response.setHeader('content-length', Buffer.byteLength(body)),
    ],
  ])('goes through the response where %s', async (_, prepare) => {
    const { port, handed } = await serve(prepare);
    expect(await text(await fetchAnswer(port))).toBe(body);
    expect(handed.map(direct)).toEqual([0]);
  });

  it('keeps its order where the response is corked', async () => {
    const { port } = await serve((response) => {
      response.cork();
      setImmediate(() => response.uncork());
    });
    expect(await text(await fetchAnswer(port))).toBe(body);
  });

  it('goes through middleware that compresses', async () => {
    const compress = compression();
    const { port, handed } = await serve((response, request) =>
      compress(request as never, response as never, () => undefined),
    );
    const answer = await fetchAnswer(port, { 'accept-encoding': 'gzip' });
    expect(answer.headers['content-encoding']).toBe('gzip');
    expect(await text(answer.pipe(createGunzip()))).toBe(body);
    expect(handed.map(direct)).toEqual([0]);
  });

  it('is not divided into chunks for HTTP/1.0, which has none', async () => {
    const { port } = await serve();
    const client = connect(port, '127.0.0.1');
    client.write('GET / HTTP/1.0\r\n\r\n');
    const answer = await text(client);
    expect(answer.slice(answer.indexOf('\r\n\r\n') + 4)).toBe(body);
  });

  it('waits for the answers before it on its connection', async () => {
    const held: (() => void)[] = [];
    const server = createServer((request, response) => {
      const outlet = new ResponseOutlet(response, () => undefined);
      if (request.url === '/first') held.push(() => response.end('first'));
      else for (const group of groups) outlet.write(group);
      if (request.url === '/second') outlet.end();
      if (request.url === '/second') held[0]?.();
    });
    const client = connect(await listen(server), '127.0.0.1');
    const head = 'HTTP/1.1\r\nHost: x\r\n';
    client.write(`GET /first ${head}\r\nGET /second ${head}Connection: close\r\n\r\n`);
    const [first = '', second = ''] = (await text(client)).split('HTTP/1.1 200 OK').slice(1);
    expect(first).toMatch(/\r\n\r\nfirst$/);
    expect(second.replaceAll(/[\da-f]+\r\n/g, '').replaceAll('\r\n', '')).toContain('x'.repeat(70_000));
    expect(second).toMatch(/\r\n0\r\n\r\n$/);
  });

  it('goes over HTTP/2, which frames for itself', async () => {
    const server = createHttp2Server((_request, response) => {
      const outlet = new ResponseOutlet(response as never, () => undefined);
      for (const group of groups) outlet.write(group);
      outlet.end();
    });
    const session = connectHttp2(`http://127.0.0.1:${await listen(server)}`);
    cleanUps.push(() => session.close());
    expect(await text(session.request({ ':path': '/' }))).toBe(body);
  });

  it('ends, and throws nothing, where code that wraps the response fails', async () => {
    const closed: string[] = [];
    const { port } = await serve((response) => {
      response.once('close', () => closed.push('closed'));
      response.write = () => {
        throw new Error('wrapped badly');
      };
    });
    const client = connect(port, '127.0.0.1');
    client.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    expect(await text(client)).toBe('');
    expect(closed).toEqual(['closed']);
  });

  it('leaves nothing behind on a connection that serves other requests afterwards', async () => {
    const listeners: number[] = [];
    const server = createServer((request, response) => {
      listeners.push(request.socket.listenerCount('drain'));
      const outlet = new ResponseOutlet(response, () => undefined);
      outlet.onDrain(() => undefined);
      for (const group of groups) outlet.write(group);
      outlet.end();
    });
    const port = await listen(server);
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    cleanUps.push(() => agent.destroy());
    for (let n = 0; n < 3; n++) expect(await text(await fetchAnswer(port, {}, agent))).toBe(body);
    expect(new Set(listeners).size).toBe(1);
  });

  it('tells when a client that did not read reads again', async () => {
    const large = new SharedBytes(Buffer.alloc(1_048_576, 'x'));
    const listeners = (response: ServerResponse) =>
      response.listenerCount('drain') + (response.socket?.listenerCount('drain') ?? 0);
    let flowing = true;
    let drained = 0;
    const server = createServer((_request, response) => {
      const outlet = new ResponseOutlet(response, () => undefined);
      outlet.onDrain(() => {
        drained++;
        outlet.end();
      });
      const before = listeners(response);
      outlet.write(pieces('first'));
      expect(listeners(response)).toBe(before); // none for who keeps up
      for (let n = 0; n < 32; n++) flowing = outlet.write([large, large]);
      expect(outlet.queuedBytes).toBeGreaterThan(0);
    });
    const answer = await fetchAnswer(await listen(server));
    expect([flowing, drained]).toEqual([false, 0]);
    expect((await text(answer)).length).toBe('first'.length + 64 * large.byteLength);
    await waitFor(() => drained > 0);
  });
});
