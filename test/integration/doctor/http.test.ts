import { createServer, type RequestListener, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createPando, type Pando } from '@pando/core';
import { freePort, waitFor } from '@pando/core/testing';
import { pandoExpress } from '@pando/express-adapter';
import express from 'express';
import { describe, expect, it, onTestFinished } from 'vitest';
import { startNginx, startTcpBalancer } from '../../infra/balancers.js';
import { testRedis } from '../../infra/context.js';
import { consult } from './consult.js';
import { silentServers } from './silent-servers.js';

interface Started {
  readonly pando: Pando;
  readonly url: string;
  readonly port: number;
}

/** An instance with a stream and WebSockets. */
async function startInstance(
  instanceId: string,
  redis?: { readonly url: string; readonly name: string },
  version = '1.0.0',
): Promise<Started> {
  const pando = await createPando({
    name: redis?.name,
    instanceId,
    redis: redis?.url,
    health: { version },
    lifecycle: { signals: false, readinessDelayMs: 0 },
  });
  onTestFinished(() => pando.close());
  const { context, sse, listen } = pandoExpress(pando);
  const app = express();
  app.use(context());
  app.get(
    '/events',
    sse(() => ({ channels: ['posts'] })),
  );
  const ws = { path: '/ws', authenticate: () => ({ id: 'guest' }), authorize: () => true };
  const serving = await listen(app, { port: 0, host: '127.0.0.1', ws });
  onTestFinished(() => serving.close());
  return { pando, url: serving.url, port: Number(new URL(serving.url).port) };
}

/** A server of anybody's. */
async function startPlain(answer: RequestListener, keepAliveTimeout = 5_000): Promise<string> {
  const server = createServer({ keepAliveTimeout }, answer);
  server.listen(0, '127.0.0.1');
  await waitFor(() => server.listening);
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const ready: RequestListener = (_request, response) =>
  void response.writeHead(200, { 'x-pando-instance': 'other' }).end('{}');

describe('a fleet', () => {
  it('is whole where all that answer share its Redis', async () => {
    const redis = testRedis();
    const [a, b] = [await startInstance('a', redis), await startInstance('b', redis)];
    await waitFor(async () => (await a.pando.fleet()).length === 2);
    await using balancer = await startTcpBalancer({ ports: [a.port, b.port] });
    const seen = await consult('--redis', redis.url, '--name', redis.name, '--url', balancer.url);
    expect(seen.of('fleet.members')).toEqual(['fine 2 instances: a, b']);
    expect(seen.of('fleet.per-process')).toEqual(['fine all of 2 instances that answered are in it']);
    expect(seen.of('fleet.rotation')).toEqual([expect.stringMatching(/^fine 2 of 2 answered \d+ requests$/)]);
    expect(seen.of('fleet.versions')).toEqual(['fine 1.0.0']);
    expect(seen.named('problem')).toEqual([]);
  });

  it('is not, where one runs without Redis, or as another kit', async () => {
    const redis = testRedis();
    const [a, alone] = [await startInstance('a', redis), await startInstance('alone')];
    const other = await startInstance('other', { url: redis.url, name: `${redis.name}-2` });
    const known = ['--redis', redis.url, '--name', redis.name, '--instance', a.url];
    await waitFor(async () => (await a.pando.fleet()).length === 1);
    const perProcess = async (...args: string[]) => (await consult(...args)).of('fleet.per-process');
    expect(await perProcess(...known, '--instance', alone.url)).toEqual([
      'problem without Redis: alone; cache, limits, channels and jobs are per process',
    ]);
    expect(await perProcess(...known, '--instance', other.url)).toEqual(['problem not in the fleet: other']);
    // One that is alone on purpose is well as it is.
    expect(await perProcess('--instance', alone.url)).toEqual([expect.stringMatching(/^note without Redis/)]);
  });

  it('has members that no request reaches, and two releases', async () => {
    const redis = testRedis();
    const a = await startInstance('a', redis);
    await startInstance('b', redis, '2.0.0');
    await waitFor(async () => (await a.pando.fleet()).length === 2);
    const seen = await consult('--redis', redis.url, '--name', redis.name, '--url', a.url);
    expect(seen.of('fleet.rotation')).toEqual([
      expect.stringMatching(/^note 1 of 2 answered \d+ requests; not b$/),
    ]);
    expect(seen.of('fleet.versions')).toEqual(['note 1.0.0, 2.0.0']);
  });
});

describe('a proxy', () => {
  it('lets streams and sockets through as documented, and refuses upgrades as it comes', async () => {
    const { port } = await startInstance('a');
    await using good = await startNginx({ ports: [port] });
    const asked = ['--stream', '/events', '--ws', '/ws'];
    const fine = await consult('--url', good.url, ...asked);
    expect(fine.of('http.stream')).toEqual(['fine /events begins at once']);
    expect(fine.of('http.upgrade')).toEqual(['fine /ws opens']);
    expect(fine.of('http.ready')).toEqual([expect.stringMatching(/^fine ready/)]);
    expect(fine.of('http.metrics')).toEqual(['note /metrics is open to whoever may ask this URL']);

    await using plain = await startNginx({ ports: [port], config: 'plain' });
    const { code, of } = await consult('--url', plain.url, ...asked);
    expect(of('http.upgrade')).toEqual([expect.stringMatching(/^problem \/ws is answered with 4\d\d$/)]);
    expect(code).toBe(1);
    const direct = await consult('--instance', `http://127.0.0.1:${port}`, '--ws', '/other');
    expect(direct.of('http.upgrade')).toEqual([
      expect.stringMatching(/^unknown \/other .* by the instance itself$/),
    ]);
  });

  it('holds the events of an app back that does not ask it not to', async () => {
    const url = await startPlain((request, response) => {
      if (request.url !== '/events') return ready(request, response);
      response.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: 1\n\n');
    });
    const stream = ['--stream', '/events', '--timeout-ms', '3000'];
    expect((await consult('--url', url, ...stream)).of('http.stream')).toEqual([
      'fine /events begins at once',
    ]);
    await using nginx = await startNginx({ ports: [Number(new URL(url).port)], config: 'plain' });
    const { code, of } = await consult('--url', nginx.url, ...stream);
    expect(of('http.stream')).toEqual([expect.stringMatching(/^problem .*\/events has/)]);
    expect(code).toBe(1);
  });

  it('that compresses streams, or answers readiness from a cache, is found', async () => {
    const url = await startPlain((request, response) => {
      const stream = { 'content-type': 'text/event-stream', 'content-encoding': 'gzip' };
      if (request.url === '/events') response.writeHead(200, stream).write('data: 1\n\n');
      else response.writeHead(200, { 'x-pando-instance': 'a', age: '7' }).end('{}');
    });
    const { of } = await consult('--url', url, '--stream', '/events');
    expect(of('http.stream')).toEqual(['problem /events is compressed (gzip)']);
    expect(of('http.ready')).toEqual(['problem an answer of /health/ready came from a cache, 7 s old']);
  });
});

describe('an instance', () => {
  it('must keep idle connections longer than its balancer', async () => {
    const keepAlive = async (keepAliveTimeout: number, ...args: string[]) =>
      (await consult('--instance', await startPlain(ready, keepAliveTimeout), ...args)).of('http.keep-alive');
    expect(await keepAlive(5_000)).toEqual([
      'problem closes idle connections after 5 s, the balancer after 60 s',
    ]);
    expect(await keepAlive(65_000)).toEqual([
      'fine closes idle connections after 65 s, the balancer after 60 s',
    ]);
    expect(await keepAlive(5_000, '--balancer-idle-ms', '4000')).toEqual([
      'fine closes idle connections after 5 s, the balancer after 4 s',
    ]);
    expect(await keepAlive(0)).toEqual(['fine never closes an idle connection']);
  });

  it('that drains is not ready; what is no Pando cannot be judged; who is away is out of reach', async () => {
    const instance = await startInstance('a');
    const draining = await startPlain((_request, response) => {
      response.writeHead(503, { 'x-pando-instance': 'b' }).end('{}');
    });
    const stranger = await startPlain((_request, response) => void response.writeHead(404).end());
    const [well, away, strange] = [
      await consult('--instance', instance.url),
      await consult('--instance', draining),
      await consult('--url', stranger),
    ];
    expect(well.of('http.ready')).toEqual(['fine ready, asked once']);
    expect(away.of('http.ready')).toEqual(['problem 1 of 1 answers were 503, from b']);
    expect(strange.of('http.ready')).toEqual([
      'unknown /health/ready is answered with 404, and not by Pando',
    ]);
    expect(strange.code).toBe(2);
    const silent = await consult('--url', await startPlain(() => undefined), '--timeout-ms', '300');
    expect(silent.of('http.connection')).toEqual([
      expect.stringMatching(/^unknown no answer from .* within 300 ms$/),
    ]);
    expect(silent.code).toBe(2);
  });
});

describe('what is not as it seems', () => {
  it('is a stream that has a head and nothing else, or an end', async () => {
    const streamed = (go: (response: ServerResponse) => void) =>
      startPlain((request, response) => {
        if (request.url !== '/events') return ready(request, response);
        response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders();
        go(response);
      });
    const told = async (url: string) =>
      (await consult('--url', url, '--stream', '/events', '--timeout-ms', '2000')).of('http.stream');
    expect(await told(await streamed(() => undefined))).toEqual([
      'problem nothing of /events has arrived behind its head',
    ]);
    expect(await told(await streamed((response) => response.end()))).toEqual([
      'problem /events ended before anything came',
    ]);
    expect(await told(await streamed((response) => response.destroy()))).toEqual([
      expect.stringMatching(/^(problem|unknown) /),
    ]);
  });

  it('is a refusal of any request for one of the handshake', async () => {
    const url = await startPlain((request, response) => {
      if (request.url !== '/ws') return ready(request, response);
      response.writeHead(401, { 'x-pando-instance': 'a' }).end();
    });
    expect((await consult('--url', url, '--ws', '/ws')).of('http.upgrade')).toEqual([
      'unknown /ws is answered with 401, as is any request',
    ]);
  });

  it('is an end of the connection for an answer to the handshake', async () => {
    const url = await startPlain((request, response) => {
      if (request.url === '/ws') return void request.socket.destroy();
      ready(request, response);
    });
    const seen = await consult('--url', url, '--ws', '/ws');
    expect(seen.of('http.upgrade')).toEqual([
      expect.stringMatching(/^problem the connection for \/ws ended without an answer: /),
    ]);
    expect(seen.of('http.ready')).toEqual([expect.stringMatching(/^fine ready/)]);
  });

  it('are the metrics of another registry', async () => {
    const url = await startPlain((request, response) => {
      if (request.url !== '/metrics') return ready(request, response);
      response.writeHead(200, { 'x-pando-instance': 'other' }).end('process_cpu_seconds_total 1\n');
    });
    const { of } = await consult('--instance', url);
    expect(of('fleet.per-process')).toEqual([]);
  });

  it('is a proxy that answers for an app that is not there, or leads elsewhere', async () => {
    await using nginx = await startNginx({ ports: [await freePort()] });
    const away = await consult('--url', nginx.url);
    expect(away.of('http.ready')).toEqual(['problem /health/ready is answered with 502, and not by Pando']);
    expect(away.code).toBe(1);
    const url = await startPlain((_request, response) => {
      response.writeHead(301, { location: 'https://ann:swordfish@shop.example/health/ready' }).end();
    });
    const moved = await consult('--url', url);
    expect(moved.of('http.ready')).toEqual([
      'unknown /health/ready leads elsewhere, with 301, to shop.example:443',
    ]);
    expect(moved.output).not.toContain('swordfish');
  });

  it('is a balancer one of whose instances takes connections and answers nothing', async () => {
    await using silent = await silentServers();
    const well = Number(new URL(await startPlain(ready)).port);
    await using balancer = await startTcpBalancer({ ports: [well, silent.port] });
    const { of, code } = await consult('--url', balancer.url, '--timeout-ms', '2000');
    expect(of('http.ready')).toEqual([
      expect.stringMatching(
        /^problem \d+ of \d+ requests came to nothing: no answer from .* within 2000 ms$/,
      ),
    ]);
    expect(code).toBe(1);
  });

  it('is a page with a sign-in, which the URL may name and the report does not', async () => {
    const url = await startPlain((request, response) => {
      const isIn = request.headers.authorization === `Basic ${btoa('ann:sword/fish')}`;
      if (isIn) return ready(request, response);
      response.writeHead(401).end();
    });
    const asked = async (to: string) => consult('--url', to);
    expect((await asked(url)).of('http.ready')).toEqual([expect.stringMatching(/^unknown .* with 401/)]);
    const signedIn = await asked(url.replace('http://', 'http://ann:sword%2Ffish@'));
    expect(signedIn.of('http.ready')).toEqual([expect.stringMatching(/^fine ready/)]);
    expect(signedIn.output).not.toContain('fish');
  });
});
