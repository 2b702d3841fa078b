import { EventEmitter, once } from 'node:events';
import { createServer, request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import compression from 'compression';
import { afterEach, expect, test } from 'vitest';
import { isPandoError } from '../kernel/errors.js';
import { SharedBytes } from '../kernel/shared-bytes.js';
import { waitFor } from '../testing/wait-for.js';
import type { ExchangeOutcome } from './exchange.js';
import { NodeExchange } from './node-exchange.js';

const pieces = (text: string) => [new SharedBytes(Buffer.from(text))];

const servers: AsyncDisposable[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) await server[Symbol.asyncDispose]();
});

type Handler = (exchange: NodeExchange, response: ServerResponse, request: IncomingMessage) => void;

/** Serves every request with the handler; returns the URL. */
async function serve(handler: Handler): Promise<string> {
  const server = createServer((request, response) =>
    handler(new NodeExchange(request, response), response, request),
  );
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  servers.push({
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

test.each<[string, (response: ServerResponse) => void]>([
  ['an implicit head', (response) => response.setHeader('x-app', 'one').end('ok')],
  ['headers as an object', (response) => response.writeHead(201, { 'x-app': 'one' }).end('ok')],
  [
    'headers as a flat list',
    (response) => response.writeHead(201, ['x-app', 'one', 'x-app', 'two']).end('ok'),
  ],
  ['a reason phrase', (response) => response.writeHead(201, 'Fine', { 'X-App': 'one' }).end('ok')],
  [
    'a head sent by write',
    (response) => {
      response.setHeader('x-app', 'one').write('ok');
      response.end();
    },
  ],
  [
    'a flushed head',
    (response) => {
      response.setHeader('x-app', 'one').flushHeaders();
      response.end('ok');
    },
  ],
])('the head can be completed at the last moment: %s', async (_form, answer) => {
  let calls = 0;
  const url = await serve((exchange, response) => {
    exchange.onHead(() => {
      calls++;
      exchange.setAnswerHeader('x-seen', exchange.answerHeader('x-app') ?? 'nothing');
    });
    answer(response);
  });
  const response = await fetch(url);
  expect(response.headers.get('x-seen')?.replace(/,\s*/, ',')).toMatch(/^one(,two)?$/);
  expect(response.headers.get('x-app')).toMatch(/^one(, two)?$/);
  expect(await response.text()).toBe('ok');
  expect(calls).toBe(1);
});

test('status and reason phrase survive the hook', async () => {
  const url = await serve((exchange, response) => {
    exchange.onHead(() => undefined);
    response.writeHead(299, 'All Good').end();
  });
  const response = await fetch(url);
  expect([response.status, response.statusText]).toEqual([299, 'All Good']);
});

test('cookies added at the last moment stand beside those of the application', async () => {
  const url = await serve((exchange, response) => {
    exchange.onHead(() => exchange.addAnswerHeader('set-cookie', 'b=2'));
    response.writeHead(200, { 'set-cookie': ['a=1'] }).end();
  });
  expect((await fetch(url)).headers.getSetCookie()).toEqual(['a=1', 'b=2']);
});

test('the signal stays quiet when the answer was sent whole', async () => {
  const outcomes: ExchangeOutcome[] = [];
  let signal: AbortSignal | undefined;
  const url = await serve((exchange) => {
    ({ signal } = exchange);
    exchange.onEnd((outcome) => outcomes.push(outcome));
    exchange.reply(200, {}, 'x'.repeat(100_000));
  });
  await (await fetch(url)).text();
  await waitFor(() => outcomes.length === 1);
  expect(outcomes).toEqual(['answered']);
  expect(signal?.aborted).toBe(false);
});

test('who asks for the signal too late is told all the same', async () => {
  const outcomes: [ExchangeOutcome, boolean][] = [];
  const url = await serve((exchange, response) => {
    exchange.onEnd((outcome) => outcomes.push([outcome, exchange.signal.aborted]));
    if (exchange.url === '/whole') response.end('ok');
    else response.write('some');
  });
  await (await fetch(`${url}/whole`)).text();
  const client = httpRequest(`${url}/part`).end();
  await once(client, 'response');
  client.on('error', () => undefined).destroy();
  await waitFor(() => outcomes.length === 2);
  expect(outcomes).toEqual([
    ['answered', false],
    ['aborted', true],
  ]);
});

test('the signal aborts when the client goes away, and the end is told once', async () => {
  const outcomes: ExchangeOutcome[] = [];
  let signal: AbortSignal | undefined;
  const url = await serve((exchange) => {
    ({ signal } = exchange);
    exchange.onEnd((outcome) => outcomes.push(outcome));
  });
  const client = httpRequest(url).on('error', () => undefined);
  client.end();
  await waitFor(() => signal !== undefined);
  client.destroy();
  await waitFor(() => outcomes.length > 0);
  expect(outcomes).toEqual(['aborted']);
  expect(isPandoError(signal?.reason, 'PANDO_HTTP_CLIENT_GONE')).toBe(true);
});

test('requests that wait behind another of their connection end with it', async () => {
  const warnings: unknown[] = [];
  const onWarning = (warning: unknown) => warnings.push(warning);
  process.on('warning', onWarning);
  const outcomes = new Map<string, ExchangeOutcome>();
  let arrived = 0;
  let open: IncomingMessage['socket'] | undefined;
  const url = await serve((exchange, response, request) => {
    arrived++;
    open = request.socket;
    exchange.onEnd((outcome) => outcomes.set(exchange.url, outcome));
    if (exchange.url !== '/1') response.end('ok');
  });
  const client = connect(Number(new URL(url).port), '127.0.0.1');
  const waiting = Array.from({ length: 30 }, (_, index) => `/${index + 1}`);
  client.write(waiting.map((path) => `GET ${path} HTTP/1.1\r\nhost: pando\r\n\r\n`).join(''));
  await waitFor(() => arrived === 30);
  const listeners = open?.listenerCount('close');
  client.destroy();
  await waitFor(() => outcomes.size === 30);
  expect(new Set(outcomes.values())).toEqual(new Set(['aborted']));

  const served = connect(Number(new URL(url).port), '127.0.0.1');
  served.write('GET /a HTTP/1.1\r\nhost: pando\r\n\r\nGET /b HTTP/1.1\r\nhost: pando\r\n\r\n');
  await waitFor(() => outcomes.has('/a') && outcomes.has('/b'));
  expect([outcomes.get('/a'), outcomes.get('/b')]).toEqual(['answered', 'answered']);
  expect(open?.listenerCount('close')).toBeLessThan(listeners ?? 0);
  expect(open?.getMaxListeners()).toBe(EventEmitter.defaultMaxListeners);
  served.destroy();
  process.off('warning', onWarning);
  expect(warnings).toEqual([]);
});

test('HEAD gets the headers of GET and no body', async () => {
  const url = await serve((exchange) => exchange.reply(200, { 'x-app': 'one' }, 'hello'));
  const response = await fetch(url, { method: 'HEAD' });
  expect(response.headers.get('content-length')).toBe('5');
  expect(response.headers.get('x-app')).toBe('one');
  expect(await response.text()).toBe('');
});

test('the head of a stream leaves with its first bytes, not before', async () => {
  let begin: (() => void) | undefined;
  let sent: (() => boolean) | undefined;
  const url = await serve((exchange, response) => {
    const outlet = exchange.stream(200, { 'content-type': 'text/event-stream' });
    sent = () => response.headersSent || exchange.streaming;
    begin = () => {
      outlet.write(pieces('data: 1\n\n'));
      outlet.end();
    };
  });
  const pending = fetch(url);
  await waitFor(() => begin !== undefined);
  expect(sent?.()).toBe(false);
  begin?.();
  expect(sent?.()).toBe(true);
  expect(await (await pending).text()).toBe('data: 1\n\n');
});

test('bytes leave at once through middleware that compresses', async () => {
  const compress = compression();
  let end: (() => void) | undefined;
  const url = await serve((exchange, response, request) => {
    compress(request as never, response as never, () => {
      const outlet = exchange.stream(200, { 'content-type': 'text/event-stream' });
      outlet.write(pieces('data: 1\n\n'));
      end = () => outlet.end();
    });
  });
  const response = await fetch(url);
  expect(response.headers.get('content-encoding')).toMatch(/gzip|br/);
  const reader = response.body?.getReader();
  const first = await reader?.read();
  expect(Buffer.from(first?.value ?? []).toString()).toBe('data: 1\n\n');
  end?.();
  expect((await reader?.read())?.done).toBe(true);
});

test('writing after the client has gone goes nowhere and throws nothing', async () => {
  let writes = 0;
  const url = await serve((exchange) => {
    const outlet = exchange.stream(200, {});
    outlet.write(pieces('x'));
    outlet.onClose(() => {
      outlet.write(pieces('y'));
      outlet.end();
      outlet.destroy();
      exchange.reply(200, {}, 'late');
      outlet.onClose(() => writes++); // at once: it has closed already
    });
  });
  const client = httpRequest(url).on('error', () => undefined);
  client.end();
  const [response] = (await once(client, 'response')) as [IncomingMessage];
  response.on('error', () => undefined).destroy();
  await waitFor(() => writes === 1);
});

test('a client that does not read makes write say so, and drain tells when it reads again', async () => {
  const chunk = new SharedBytes(Buffer.alloc(1_048_576, 'x'));
  const more = 32; // megabytes: more than the buffers of both sockets hold
  let queued = 0;
  let flowing = true;
  let drained = false;
  const url = await serve((exchange) => {
    const outlet = exchange.stream(200, {});
    outlet.onDrain(() => {
      drained = true;
      outlet.end();
    });
    for (let n = 0; n < more; n++) flowing = outlet.write([chunk]);
    queued = outlet.queuedBytes;
  });
  const client = httpRequest(url);
  client.end();
  const [response] = (await once(client, 'response')) as [IncomingMessage];
  expect(flowing).toBe(false);
  expect(queued).toBeGreaterThan(0);
  expect(drained).toBe(false);
  for await (const _ of response);
  expect(drained).toBe(true);
});

test('what a framework knows better is asked of it', async () => {
  const seen: unknown[] = [];
  const server = await serve((_exchange, response, request) => {
    const view = {
      url: '/api/x?y',
      ip: '203.0.113.7',
      secure: true,
      route: () => '/api/:z',
      detach: () => seen.push('detached'),
    };
    const exchange = new NodeExchange(request, response, view);
    seen.push(exchange.url, exchange.ip, exchange.secure, exchange.route);
    exchange.reply(204, {});
  });
  await fetch(`${server}/x?y`);
  expect(seen).toEqual(['/api/x?y', '203.0.113.7', true, '/api/:z', 'detached']);
});
