import { createPando, type Pando, PandoError } from '@pando/core';
import { EventStream, SocketClient } from '@pando/core/testing/suites';
import { type PandoFastifyOptions, pandoFastify } from '@pando/fastify-adapter';
import Fastify, { type FastifyInstance } from 'fastify';
import { afterEach, expect, it } from 'vitest';
import { waitFor } from '../../core/src/testing/wait-for.js';

const kits: Pando[] = [];
afterEach(async () => {
  for (const kit of kits.splice(0)) await kit.close();
});

async function kit(): Promise<Pando> {
  const pando = await createPando({
    limits: { policies: { one: '1/min' } },
    realtime: { drainMs: 50 },
    lifecycle: { signals: false, readinessDelayMs: 0 },
  });
  kits.push(pando);
  return pando;
}

/** An application with the plugin, on a kit of its own. */
async function application(
  options: Omit<PandoFastifyOptions, 'pando'> = {},
): Promise<{ readonly app: FastifyInstance; readonly pando: Pando }> {
  const pando = await kit();
  const app = Fastify();
  await app.register(pandoFastify, { pando, ...options });
  return { app, pando };
}

it('serves injected requests, with context, tokens, limits and counts', async () => {
  const { app, pando } = await application();
  app.get('/items/:id', { config: { pando: { limit: 'one' } } }, async () => {
    const context = pando.kernel.contexts.current();
    context.wrote({ db: [], cache: [{ epoch: 'e', sequence: 1 }], pending: [], opaque: [] });
    return { id: context.id };
  });
  const first = await app.inject({ url: '/items/7', headers: { 'x-request-id': 'request-7' } });
  expect([first.statusCode, first.json()]).toEqual([200, { id: 'request-7' }]);
  expect(first.headers).toMatchObject({
    'x-pando-instance': pando.instanceId,
    'pando-token-app': expect.any(String),
    'set-cookie': expect.stringMatching(/^pando\.app\./),
    'cache-control': 'private',
    ratelimit: '"one";r=0;t=60',
  });
  const second = await app.inject('/items/8');
  expect([second.statusCode, second.headers['content-type']]).toEqual([429, 'application/problem+json']);
  expect((await app.inject('/health/live')).json()).toMatchObject({ status: 'healthy' });
  await waitFor(async () => {
    const text = await pando.metrics.expose();
    return ['200', '429'].every((status) =>
      text.includes(`pando_http_requests_total{method="GET",route="/items/:id",status="${status}"} 1`),
    );
  });
  await app.close();
});

it('gives sibling scopes its hooks, and counts the whole application', async () => {
  const { app, pando } = await application();
  app.register(
    async (scope) => {
      scope.get('/x', async () => ({ open: pando.kernel.contexts.isOpen() }));
    },
    { prefix: '/scope' },
  );
  expect((await app.inject('/scope/x')).json()).toEqual({ open: true });
  await app.close();
});

it('counts a HEAD request on a limited GET route once', async () => {
  const { app } = await application();
  app.get('/x', { config: { pando: { limit: 'one' } } }, async () => 'x');
  expect((await app.inject({ method: 'HEAD', url: '/x' })).statusCode).toBe(200);
  expect((await app.inject({ method: 'HEAD', url: '/x' })).statusCode).toBe(429);
  await app.close();
});

it('counts addresses before the hooks of the application, users after them', async () => {
  const { app } = await application();
  const order: string[] = [];
  app.decorateRequest('asker', '');
  const signIn = async (request: { asker?: string }): Promise<void> => {
    order.push('sign in');
    request.asker = 'ann';
  };
  const limit = {
    policy: 'one',
    key: (request: unknown) => {
      order.push('key');
      return (request as { asker: string }).asker;
    },
  };
  app.get('/by-user', { onRequest: signIn as never, config: { pando: { limit } } }, async () => '');
  app.get('/by-address', { onRequest: signIn as never, config: { pando: { limit: 'one' } } }, async () => '');
  await app.inject('/by-user');
  expect(order.splice(0)).toEqual(['sign in', 'key']);
  await app.inject('/by-address');
  expect((await app.inject('/by-address')).statusCode).toBe(429);
  expect(order).toEqual(['sign in']); // of the first one alone
  await app.close();
});

it('keeps the context through hooks that lose it', async () => {
  const { app, pando } = await application();
  // Callbacks that were queued before the request came, as pools and emitters do it.
  const queue: (() => void)[] = [];
  const timer = setInterval(() => queue.shift()?.(), 1);
  app.addHook('onRequest', (_request, _reply, done) => void queue.push(done));
  app.get('/x', async () => ({ open: pando.kernel.contexts.isOpen() }));
  expect((await app.inject('/x')).json()).toEqual({ open: true });
  clearInterval(timer);
  await app.close();
});

it('runs onResponse hooks after a stream, too', async () => {
  const { app } = await application();
  const ended: string[] = [];
  app.addHook('onResponse', async (request) => void ended.push(request.url));
  app.get(
    '/events',
    app.pando.sse(() => ({ channels: ['news'] })),
  );
  const serving = await app.pando.listen({ port: 0, host: '127.0.0.1' });
  const stream = await EventStream.open(`${serving.url}/events`);
  await waitFor(() => stream.text !== '');
  await serving.close();
  await waitFor(() => stream.ended);
  expect(ended).toEqual(['/events']);
});

it('closes by its own close() with a stream and a socket open, however it listens', async () => {
  const { app, pando } = await application({ ws: { path: '/ws' } });
  app.get(
    '/events',
    app.pando.sse(() => ({ channels: ['news'] })),
  );
  const url = await app.listen({ port: 0, host: '127.0.0.1' });
  await waitFor(() => pando.lifecycle.state === 'ready');
  using stream = await EventStream.open(`${url}/events`);
  using socket = await SocketClient.open(`${url}/ws`);
  await waitFor(() => pando.realtime.connections === 2);
  await app.close();
  await waitFor(() => stream.ended);
  expect(await socket.closed()).toBe(1012);
});

it('is closed by the shutdown of the kit, hooks of the application included', async () => {
  const { app, pando } = await application();
  const order: string[] = [];
  app.addHook('onClose', async () => void order.push('closed'));
  await app.pando.listen({ port: 0, host: '127.0.0.1' });
  expect(await pando.lifecycle.shutdown('test')).toMatchObject({ clean: true });
  expect(order).toEqual(['closed']);
  await app.close();
});

it('listens on every address when no host is named', async () => {
  const { app } = await application();
  const serving = await app.pando.listen({ port: 0 });
  expect(serving.url).toBe(`http://localhost:${serving.port}`);
  expect((await fetch(`http://127.0.0.1:${serving.port}/health/live`)).status).toBe(200);
  await serving.close();
});

it('leaves bodies of the application alone, even for errors of Pando', async () => {
  const { app } = await application();
  const away = new PandoError({ code: 'PANDO_X', message: 'db1 is away', status: 503 });
  app.get('/away', async () => {
    throw away;
  });
  app.register(async (scope) => {
    scope.setErrorHandler((error, _request, reply) =>
      reply.code(502).send({ code: (error as PandoError).code }),
    );
    scope.get('/own', async () => {
      throw away;
    });
  });
  expect((await app.inject('/own')).json()).toEqual({ code: 'PANDO_X' });
  const answered = await app.inject('/away');
  expect(answered.headers['content-type']).toBe('application/problem+json');
  expect(Number(answered.headers['content-length'])).toBe(answered.rawPayload.length);
  expect(answered.json()).not.toHaveProperty('detail');
  await app.close();
});

it('refuses options and limits that cannot be right, before anything is served', async () => {
  const pando = await kit();
  const register = async (options: object) => {
    const app = Fastify();
    await app.register(pandoFastify, { pando, ...options });
    app.get('/x', { config: { pando: { limit: 'noe' } } }, async () => '');
    await app.ready();
  };
  await expect(register({ helth: false })).rejects.toThrow(/Did you mean "health"/);
  await expect(register({ closeTimeout: 5 })).rejects.toThrow(/Did you mean "closeTimeoutMs"/);
  await expect(register({ ws: { path: 'ws' } })).rejects.toThrow(/ws\.path/);
  await expect(register({})).rejects.toThrow(/noe.*one/s);
});

it('is registered once, before the routes that use it, with a kit', async () => {
  const { app, pando } = await application();
  await expect(app.register(pandoFastify, { pando })).rejects.toThrow('is registered already');

  const early = Fastify();
  early.get('/limited', { config: { pando: { limit: 'one' } } }, async () => 'x');
  await early.register(pandoFastify, { pando });
  early.get('/', async () => 'x');
  expect((await early.inject('/')).statusCode).toBe(200);
  const answer = await early.inject('/limited');
  expect([answer.statusCode, answer.body]).toEqual([500, expect.stringContaining('before the routes')]);

  const promise = kit();
  for (const none of [undefined, 'pando', promise] as never[]) {
    await expect(Fastify().register(pandoFastify, { pando: none })).rejects.toThrow(
      /^pando must be a kit, got (undefined|a string|a promise of it)\. /,
    );
  }
  await promise;
});
