import { createPando, type Pando } from '@pando/core';
import type { Serving } from '@pando/core/http';
import { pandoExpress } from '@pando/express-adapter';
import { pandoFastify } from '@pando/fastify-adapter';
import express, { type ErrorRequestHandler } from 'express';
import { fastify } from 'fastify';
import { afterEach, expect, it } from 'vitest';

const ending: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of ending.splice(0)) await end();
});

/** An application whose route takes bodies of 1,000 bytes, three times an hour. */
interface Uploads {
  readonly serving: Serving;
  /** The bodies that reached the handler. */
  readonly bodies: unknown[];
}

const frameworks = {
  async express(pando: Pando): Promise<Uploads> {
    const bodies: unknown[] = [];
    const { context, limit, listen } = pandoExpress(pando);
    const app = express().use(context());
    app.post('/up', limit('upload'), express.json({ limit: 1_000 }), (req, res) => {
      bodies.push(req.body);
      res.sendStatus(204);
    });
    const answerError: ErrorRequestHandler = (error: { readonly status: number }, _req, res, _next) =>
      void res.sendStatus(error.status);
    app.use(answerError);
    return { serving: await listen(app, { port: 0, host: '127.0.0.1' }), bodies };
  },
  async fastify(pando: Pando): Promise<Uploads> {
    const bodies: unknown[] = [];
    const app = fastify({ bodyLimit: 1_000 });
    await app.register(pandoFastify, { pando });
    app.post('/up', { config: { pando: { limit: 'upload' } } }, async (request, reply) => {
      bodies.push(request.body);
      return reply.code(204).send();
    });
    return { serving: await app.pando.listen({ port: 0, host: '127.0.0.1' }), bodies };
  },
};

/** Sends a body, and tells the answer's status. */
async function upload(url: string, body: string): Promise<number> {
  const headers = { 'content-type': 'application/json' };
  return (await fetch(url, { method: 'POST', headers, body })).status;
}

it.each(['express', 'fastify'] as const)(
  'a body that is too large is refused before it is parsed, and after the limiter, with %s',
  async (framework) => {
    const pando = await createPando({
      limits: { policies: { upload: '3/h' } },
      lifecycle: { signals: false, readinessDelayMs: 0 },
    });
    ending.push(() => pando.close());
    const { serving, bodies } = await frameworks[framework](pando);
    ending.push(() => serving.close());
    const url = `http://127.0.0.1:${serving.port}/up`;
    const [fits, large] = ['{"fits":true}', 'x'.repeat(5_000)];
    expect(await upload(url, fits)).toBe(204);
    expect([await upload(url, large), await upload(url, large)]).toEqual([413, 413]); // not 400: nobody has parsed it
    expect([await upload(url, large), await upload(url, fits)]).toEqual([429, 429]);
    expect(bodies).toEqual([{ fits: true }]);
  },
);
