/*
 * A user's app, as small as can be: serves on both frameworks, visits itself, and is gone when all is closed. It is
 * compiled against the packed packages as an ES module and as CommonJS. Prints what the visitors saw.
 */
import { createPando, type Pando } from '@pando/core';
import type { Serving } from '@pando/core/http';
import { pandoExpress } from '@pando/express-adapter';
import { pandoFastify } from '@pando/fastify-adapter';
import express from 'express';
import { fastify } from 'fastify';

const address = { port: 0, host: '127.0.0.1' };
let loads = 0;

async function value(pando: Pando): Promise<{ loads: number }> {
  return pando.cache.getOrLoad('value', () => Promise.resolve({ loads: ++loads }), { ttlMs: 60_000 });
}

function serveExpress(pando: Pando): Promise<Serving> {
  const { context, limit, sse, listen } = pandoExpress(pando);
  const app = express();
  app.use(context());
  app.get('/value', async (_request, response) => void response.json(await value(pando)));
  app.get('/limited', limit('two'), (_request, response) => void response.sendStatus(204));
  app.get(
    '/events/:channel',
    sse((request: express.Request) => ({ channels: [String(request.params.channel)] })),
  );
  return listen(app, address);
}

async function serveFastify(pando: Pando): Promise<Serving> {
  const app = fastify();
  await app.register(pandoFastify, { pando });
  app.get('/value', () => value(pando));
  app.get('/limited', { config: { pando: { limit: 'two' } } }, (_request, reply) => reply.code(204).send());
  app.get<{ Params: { channel: string } }>(
    '/events/:channel',
    app.pando.sse(({ params }) => ({ channels: [(params as { channel: string }).channel] })),
  );
  return app.pando.listen(address);
}

async function visit(serve: (pando: Pando) => Promise<Serving>): Promise<object> {
  loads = 0;
  const pando = await createPando({
    limits: { policies: { two: '2/h' } },
    lifecycle: { readinessDelayMs: 0 },
  });
  const { url } = await serve(pando);

  const values = [await fetch(`${url}/value`), await fetch(`${url}/value`)];
  const bodies = await Promise.all(values.map((answer) => answer.json()));
  const limited = [];
  for (let i = 0; i < 3; i++) limited.push((await fetch(`${url}/limited`)).status);
  const stream = await fetch(`${url}/events/news`);
  const reader = (stream.body as ReadableStream<Uint8Array>).getReader();
  const first = await reader.read();
  const { port } = new URL(url);

  await pando.close();
  const refused = await fetch(`http://127.0.0.1:${port}/value`).catch(() => 'refused');
  while (!(await reader.read()).done); // the stream was ended, too
  return {
    bodies,
    limited,
    stream: stream.headers.get('content-type'),
    hasFirstByte: first.value?.length !== 0,
    refused,
  };
}

async function main(): Promise<void> {
  console.log(JSON.stringify({ express: await visit(serveExpress), fastify: await visit(serveFastify) }));
}

void main();
