import { Readable } from 'node:stream';
import { createPando, type Pando } from '@pando/core';
import { type PandoExpress, pandoExpress } from '@pando/express-adapter';
import compression from 'compression';
import express, { type Express, type NextFunction, type Request, type Response } from 'express';
import { expect, it } from 'vitest';
import { waitFor } from '../../core/src/testing/wait-for.js';

interface Running extends AsyncDisposable {
  readonly pando: Pando;
  get(headers?: Record<string, string>): Promise<globalThis.Response>;
  unstored(reason: string): Promise<boolean>;
}

/** Serves `/page` as `build` says, on a kit of its own. */
async function run(build: (app: Express, adapter: PandoExpress, pando: Pando) => void): Promise<Running> {
  const pando = await createPando({
    limits: { policies: { many: '100/min' } },
    lifecycle: { signals: false, readinessDelayMs: 0 },
  });
  const app = express().set('env', 'test');
  const adapter = pandoExpress(pando);
  app.use(adapter.context());
  build(app, adapter, pando);
  const serving = await adapter.listen(app, { port: 0, host: '127.0.0.1' });
  return {
    pando,
    get: (headers = {}) => fetch(`${serving.url}/page`, { headers }),
    async unstored(reason) {
      const series = `pando_http_cache_unstored_total{reason="${reason}"} 1`;
      return (await pando.metrics.expose()).includes(series);
    },
    async [Symbol.asyncDispose]() {
      await serving.close();
      await pando.close();
    },
  };
}

it('what middleware behind it compresses is stored once for each encoding', async () => {
  let runs = 0;
  const body = 'x'.repeat(5_000);
  await using app = await run((app, { cacheResponse }) => {
    app.get('/page', cacheResponse(), compression(), (_req: Request, res: Response) => {
      runs++;
      res.type('text').send(body);
    });
  });
  const ask = async (encoding: string) => {
    const answer = await app.get({ 'accept-encoding': encoding });
    expect(await answer.text()).toBe(body);
    expect(answer.headers.get('vary')?.toLowerCase()).toBe('accept-encoding');
    return [answer.headers.get('content-encoding'), answer.headers.has('age')];
  };
  expect(await ask('gzip')).toEqual(['gzip', false]); // whereupon it is known that encodings differ
  expect(await ask('gzip')).toEqual(['gzip', false]);
  expect(await ask('identity')).toEqual([null, false]);
  for (let n = 0; n < 2; n++) {
    expect(await ask('gzip')).toEqual(['gzip', true]);
    expect(await ask('identity')).toEqual([null, true]);
  }
  expect(runs).toBe(3);
});

it('an answer that is written piece by piece is stored whole', async () => {
  let runs = 0;
  await using app = await run((app, { cacheResponse }) => {
    app.get('/page', cacheResponse(), async (_req: Request, res: Response) => {
      runs++;
      const reused = Buffer.from('one, ');
      res.write(reused);
      await new Promise((resolve) => setImmediate(resolve));
      reused.fill('!'); // the buffer is the handler's
      res.write('dHdvLCA=', 'base64');
      res.end('drei 🌳');
    });
  });
  const [first, second] = [await app.get(), await app.get()];
  expect([await first.text(), await second.text(), runs]).toEqual([
    'one, two, drei 🌳',
    'one, two, drei 🌳',
    1,
  ]);
  expect([first.headers.get('etag'), second.headers.get('etag')]).toEqual([
    null,
    expect.stringMatching(/^W\/"/),
  ]);
});

it.each<[string, (res: Response) => void]>([
  ['an object', (res) => void res.writeHead(200, { 'x-own': 'yes', 'content-type': 'text/plain' })],
  ['a list', (res) => void res.writeHead(200, 'Fine', ['x-own', 'yes', 'content-type', 'text/plain'])],
])('headers that are given to writeHead as %s are stored', async (_, begin) => {
  await using app = await run((app, { cacheResponse }) => {
    app.get('/page', cacheResponse(), (_req: Request, res: Response) => {
      begin(res);
      res.end('body');
    });
  });
  for (const hasAge of [false, true]) {
    const { headers } = await app.get();
    expect([headers.get('x-own'), headers.get('content-type'), headers.has('age')]).toEqual([
      'yes',
      'text/plain',
      hasAge,
    ]);
  }
});

it('a body over the bound passes at the pace of its client, and is not stored', async () => {
  const chunk = Buffer.alloc(65_536, 'x');
  const chunks = 320; // 20 MB: more than the sockets' buffers hold
  let produced = 0;
  await using app = await run((app, { cacheResponse }) => {
    app.get('/page', cacheResponse(), (_req: Request, res: Response) => {
      produced = 0;
      const source = function* () {
        for (; produced < chunks; produced++) yield chunk;
      };
      Readable.from(source()).pipe(res);
    });
  });
  const slow = await app.get();
  await waitFor(() => app.unstored('size'));
  expect(produced).toBeLessThan(chunks); // who does not read is not written to without end
  expect((await slow.arrayBuffer()).byteLength).toBe(chunks * chunk.length);
  const second = await app.get();
  expect([second.headers.has('age'), (await second.arrayBuffer()).byteLength]).toEqual([false, 20_971_520]);
});

it('an answer that breaks off is not stored', async () => {
  let runs = 0;
  await using app = await run((app, { cacheResponse }) => {
    app.get('/page', cacheResponse(), (_req: Request, res: Response) => {
      runs++;
      res.write('half of');
      if (runs > 1) res.end(' it');
      else setImmediate(() => res.destroy());
    });
  });
  await expect(app.get().then((answer) => answer.text())).rejects.toThrow();
  expect(await (await app.get()).text()).toBe('half of it');
  expect(await (await app.get()).text()).toBe('half of it');
  expect(runs).toBe(2);
});

it('an answer with trailers is not stored', async () => {
  await using app = await run((app, { cacheResponse }) => {
    app.get('/page', cacheResponse(), (_req: Request, res: Response) => {
      res.write('body');
      res.addTrailers({ 'x-sum': '1' });
      res.end();
    });
  });
  for (let n = 0; n < 2; n++) expect((await app.get()).headers.has('age')).toBe(false);
  expect(await app.unstored('stream')).toBe(true);
});

it.each(['before', 'behind'])(
  'an answer to which middleware %s it adds a cookie with the head is not stored',
  async (place) => {
    // As packages for sessions do.
    const session = (_req: Request, res: Response, next: NextFunction): void => {
      const { writeHead } = res;
      res.writeHead = ((...head: [number]) => {
        res.setHeader('set-cookie', 'session=1');
        return writeHead.apply(res, head);
      }) as typeof res.writeHead;
      next();
    };
    await using app = await run((app, { cacheResponse }) => {
      const handlers = place === 'before' ? [session, cacheResponse()] : [cacheResponse(), session];
      app.get('/page', handlers as never[], (_req: Request, res: Response) => void res.json({}));
    });
    for (let n = 0; n < 2; n++) {
      const { headers } = await app.get();
      expect([headers.get('set-cookie'), headers.has('age')]).toEqual(['session=1', false]);
    }
    expect(await app.unstored('cookie')).toBe(true);
  },
);

it("Express's own entity tag stays, and answers 304 on a miss as on a hit", async () => {
  let runs = 0;
  await using app = await run((app, { cacheResponse }) => {
    app.get('/page', cacheResponse({ tags: ['page'] }), (_req: Request, res: Response) => {
      runs++;
      res.json({ same: 'always' });
    });
  });
  const etag = (await app.get()).headers.get('etag') ?? '';
  expect(etag).toMatch(/^W\/"11-/); // as Express names it
  expect((await app.get({ 'if-none-match': etag })).status).toBe(304);
  expect(runs).toBe(1);
  await app.pando.cache.invalidate(['page']);
  expect((await app.get({ 'if-none-match': etag })).status).toBe(304);
  expect(runs).toBe(2);
  expect(await (await app.get()).json()).toEqual({ same: 'always' }); // what was stored is whole
  expect(runs).toBe(2);
});

it('middleware behind it leaves the handler in the load, so that the cache knows what it reads', async () => {
  const loads: boolean[] = [];
  await using app = await run((app, { cacheResponse, context, limit }, pando) => {
    app.get('/page', cacheResponse(), context() as never, limit('many'), (_req: Request, res: Response) => {
      loads.push(pando.kernel.contexts.current().load !== undefined);
      res.end();
    });
  });
  await app.get();
  expect(loads).toEqual([true]);
});

it('streams of events open behind it as elsewhere', async () => {
  await using app = await run((app, { cacheResponse, sse }) => {
    app.get(
      '/page',
      cacheResponse(),
      sse(() => ({ channels: ['news'] })),
    );
  });
  const stream = await app.get();
  expect(stream.headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
  await waitFor(() => app.pando.realtime.connections === 1);
  await stream.body?.cancel();
  await waitFor(() => app.pando.realtime.connections === 0);
  expect(await app.unstored('stream')).toBe(true);
});

it('one behind another leaves it to the first', async () => {
  let runs = 0;
  await using app = await run((app, { cacheResponse }) => {
    app.use(cacheResponse());
    app.get('/page', cacheResponse({ ttlMs: 5 }), (_req: Request, res: Response) => {
      res.send(`run ${++runs}`);
    });
  });
  const bodies = [await (await app.get()).text(), await (await app.get()).text()];
  expect(bodies).toEqual(['run 1', 'run 1']);
});

it('a request that middleware behind it takes for another method is not stored', async () => {
  await using app = await run((app, { cacheResponse }) => {
    app.use(cacheResponse());
    app.use((req: Request, _res: Response, next: NextFunction) => {
      if (req.headers['x-mine'] !== undefined) req.method = 'DELETE';
      next();
    });
    app.all('/page', (req: Request, res: Response) => void res.send(req.method));
  });
  expect(await (await app.get({ 'x-mine': 'DELETE' })).text()).toBe('DELETE');
  expect([await (await app.get()).text(), await app.unstored('method')]).toEqual(['GET', true]);
});

it('a failure that is held back is answered once, however often it is sent', async () => {
  let runs = 0;
  let isEnded = false;
  await using app = await run((app, { cacheResponse }) => {
    app.get('/page', cacheResponse({ ttlMs: 1, staleIfErrorMs: 60_000 }), (_req: Request, res: Response) => {
      if (++runs === 1) return void res.send('whole');
      res
        .status(500)
        .set('x-failed', 'yes')
        .end('first', () => {
          isEnded = true;
        });
      res.write('more');
      res.status(503).send('second');
    });
  });
  expect(await (await app.get()).text()).toBe('whole');
  await waitFor(async () => {
    const answer = await app.get();
    expect([answer.status, answer.headers.has('x-failed'), await answer.text()]).toEqual([
      200,
      false,
      'whole',
    ]);
    return runs > 1;
  });
  await waitFor(() => isEnded);
});

it('a failure of which something has left stays one', async () => {
  let runs = 0;
  await using app = await run((app, { cacheResponse }) => {
    app.get('/page', cacheResponse({ ttlMs: 1, staleIfErrorMs: 60_000 }), (_req: Request, res: Response) => {
      if (++runs === 1) return void res.send('whole');
      res.status(500).write('half, ');
      res.end('and half');
    });
  });
  await app.get();
  await waitFor(async () => (await app.get()).status === 500);
});
