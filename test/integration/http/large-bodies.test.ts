import { request as httpRequest } from 'node:http';
import { createPando, type Pando } from '@pando/core';
import type { Serving } from '@pando/core/http';
import { pandoExpress } from '@pando/express-adapter';
import { pandoFastify } from '@pando/fastify-adapter';
import express from 'express';
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

const frameworks: Readonly<Record<string, (pando: Pando) => Promise<Uploads>>> = {
  async express(pando) {
    const bodies: unknown[] = [];
    const { context, limit, listen } = pandoExpress(pando);
    const app = express().use(context());
    app.post('/up', limit('upload'), express.json({ limit: 1_000 }), (req, res) => {
      bodies.push(req.body);
      res.sendStatus(204);
    });
    return { serving: await listen(app, { port: 0, host: '127.0.0.1' }), bodies };
  },
  async fastify(pando) {
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

/** Promises a body, sends only its beginning, and tells the answer's status. */
function announce(url: string, bytes: number): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json', 'content-length': bytes };
    const request = httpRequest(url, { method: 'POST', headers, agent: false }, (response) => {
      resolve(response.statusCode);
      request.destroy();
    });
    request.on('error', reject).write('"x');
  });
}

it.each(Object.keys(frameworks))(
  'a body that is too large is refused before it has come, and after the limiter, with %s',
  async (framework) => {
    const pando = await createPando({
      limits: { policies: { upload: '3/h' } },
      lifecycle: { signals: false, readinessDelayMs: 0 },
    });
    ending.push(() => pando.close());
    const { serving, bodies } = (await frameworks[framework]?.(pando)) as Uploads;
    ending.push(() => serving.close());
    const url = `http://127.0.0.1:${serving.port}/up`;
    const body = { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"fits":true}' };
    expect((await fetch(url, body)).status).toBe(204);
    expect([await announce(url, 1_000_000), await announce(url, 1_000_000)]).toEqual([413, 413]);
    // Over the limit nobody looks at the size any more.
    expect([await announce(url, 1_000_000), (await fetch(url, body)).status]).toEqual([429, 429]);
    expect(bodies).toEqual([{ fits: true }]);
  },
);
