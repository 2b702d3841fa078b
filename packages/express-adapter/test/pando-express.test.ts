import { createServer } from 'node:http';
import { createPando, type Pando, PandoError } from '@pando/core';
import type { Serving } from '@pando/core/http';
import { SocketClient } from '@pando/core/testing/suites';
import { type PandoExpress, pandoExpress } from '@pando/express-adapter';
import express, { type Express, type NextFunction, type Request, type Response } from 'express';
import { expect, it } from 'vitest';

interface Running extends AsyncDisposable {
  readonly pando: Pando;
  readonly logged: unknown[];
  readonly serving: Serving;
  get(path: string): Promise<globalThis.Response>;
}

/** Serves an application on a kit of its own. */
async function run(
  build: (app: Express, pandoed: PandoExpress, pando: Pando) => void,
  { own = false }: { readonly own?: boolean } = {},
): Promise<Running> {
  const logged: unknown[] = [];
  const quiet = () => undefined;
  const pando = await createPando({
    limits: { policies: { one: '1/min' } },
    lifecycle: { signals: false, readinessDelayMs: 0 },
    logger: { debug: quiet, info: quiet, warn: quiet, error: (fields) => logged.push(fields.err) },
  });
  const app = express().set('env', 'test');
  const adapter = pandoExpress(pando);
  build(app, adapter, pando);
  const serving = await adapter.listen(own ? createServer(app) : app, { port: 0, host: '127.0.0.1' });
  return {
    pando,
    logged,
    serving,
    get: (path) => fetch(`http://127.0.0.1:${serving.port}${path}`),
    async [Symbol.asyncDispose]() {
      await serving.close();
      await pando.close();
    },
  };
}

it('limits and streams without context() before them', async () => {
  await using app = await run((app, { limit, sse }, pando) => {
    app.get('/limited', limit('one'), (_req: Request, res: Response) => {
      res.send(String(pando.kernel.contexts.isOpen()));
    });
    app.get(
      '/events',
      sse(() => 204),
    );
  });
  const answer = await app.get('/limited');
  expect([answer.headers.get('x-pando-instance'), await answer.text()]).toEqual([
    app.pando.instanceId,
    'true',
  ]);
  expect((await app.get('/limited')).status).toBe(429);
  expect((await app.get('/events')).status).toBe(204);
});

it('counts a request once, however often context() is on its way', async () => {
  await using app = await run((app, { context }) => {
    app.use(context());
    app.use('/api', context());
    app.get('/api/x', (_req: Request, res: Response) => void res.end());
  });
  await (await app.get('/api/x')).text();
  expect(await app.pando.metrics.expose()).toContain(
    'pando_http_requests_total{method="GET",route="/api/x",status="200"} 1',
  );
});

it('answers health checks below the path where context() is mounted', async () => {
  await using app = await run((app, { context }) => void app.use('/internal', context()));
  expect((await app.get('/internal/health/live')).status).toBe(200);
  expect((await app.get('/health/live')).status).toBe(404);
});

it('keeps the context through middleware that loses it', async () => {
  const seen: boolean[] = [];
  await using app = await run((app, { context, limit }, pando) => {
    const note = (_req: Request, _res: Response, next: NextFunction): void => {
      seen.push(pando.kernel.contexts.isOpen());
      next();
    };
    // A callback that was queued before the request came, as pools and emitters do it.
    const queue: (() => void)[] = [];
    const timer = setInterval(() => queue.shift()?.(), 1);
    app.use(context());
    app.use((_req: Request, _res: Response, next: NextFunction) => void queue.push(next));
    app.get('/x', note, limit('one'), note, (_req: Request, res: Response) => {
      clearInterval(timer);
      res.end();
    });
  });
  expect((await app.get('/x')).status).toBe(200);
  expect(seen).toEqual([false, true]);
});

it('logs the failures that it answers, since nobody else will', async () => {
  const away = new PandoError({ code: 'PANDO_X', message: 'db1 is away', status: 503 });
  await using app = await run((app) => {
    app.get('/away', (_req: Request, _res: Response, next: NextFunction) => next(away));
  });
  expect((await app.get('/away')).status).toBe(503);
  expect(app.logged).toEqual([away]);
});

it('serves on a server of the application, whose errors stay its own', async () => {
  const away = new PandoError({ code: 'PANDO_X', message: 'db1 is away', status: 503 });
  await using app = await run(
    (app, { context }) => {
      app.use(context());
      app.get('/away', (_req: Request, _res: Response, next: NextFunction) => next(away));
    },
    { own: true },
  );
  const answer = await app.get('/away');
  expect([answer.status, answer.headers.get('content-type')]).toEqual([503, 'text/html; charset=utf-8']);
  expect(app.pando.lifecycle.state).toBe('ready');
});

it('refuses options that cannot be right', async () => {
  await using app = await run(() => undefined);
  expect(() => pandoExpress(app.pando, { helth: false } as never)).toThrow(/Did you mean "health"/);
  const { listen } = pandoExpress(app.pando);
  await expect(listen(express(), {} as never)).rejects.toThrow(/http\.port/);
  await expect(listen(express(), { port: 99_999 })).rejects.toThrow(/http\.port/);
  await expect(listen(express(), { port: 0, hots: 'x' } as never)).rejects.toThrow(/Did you mean "host"/);
  await expect(listen(express(), { prot: 1 } as never)).rejects.toThrow(
    'unknown option "prot" in http. Did you mean "port"?',
  );
  await expect(listen(express(), undefined as never)).rejects.toThrow(/http\.port/);
  const { limit } = pandoExpress(app.pando);
  expect(() => limit('write', { costs: 2 } as never)).toThrow(/Did you mean "cost"/);
});

it('lets go of a server that could not listen, which may then try another port', async () => {
  await using taken = await run(() => undefined);
  const port = Number(new URL(taken.serving.url).port);
  const { listen } = pandoExpress(taken.pando);
  const server = createServer(express());
  const options = { host: '127.0.0.1', ws: { path: '/ws' } };
  await expect(listen(server, { ...options, port })).rejects.toMatchObject({
    code: 'PANDO_HTTP_PORT_IN_USE',
  });
  await using serving = await listen(server, { ...options, port: 0 });
  using socket = await SocketClient.open(`http://127.0.0.1:${serving.port}/ws`);
  expect([socket.closeCode, server.listenerCount('upgrade')]).toEqual([undefined, 1]);
});

it('is given a kit', async () => {
  const promise = createPando();
  for (const none of [undefined, 'pando', promise] as never[]) {
    expect(() => pandoExpress(none)).toThrow(
      /^pando must be a kit, got (undefined|a string|a promise of it)\. /,
    );
  }
  await (await promise).close();
});
