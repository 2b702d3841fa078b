import { createPando } from '@pando/core';
import { waitFor } from '@pando/core/testing';
import { pandoExpress } from '@pando/express-adapter';
import { pandoFastify } from '@pando/fastify-adapter';
import express from 'express';
import { fastify } from 'fastify';
import { expect, it, onTestFinished } from 'vitest';
import { testDatabase } from '../../infra/context.js';

const connections = 10;
/** With ten connections: a hundred statements a second. */
const slowSeconds = 0.1;

/** A kit whose database is the narrow place, whatever the processor does beside. */
async function createKit() {
  const { primary } = await testDatabase();
  const pando = await createPando({
    db: { primary, pool: { size: connections, overflow: 0 } },
    overload: { minConcurrency: 2 * connections, targetLagMs: false },
    lifecycle: { signals: false },
  });
  onTestFinished(() => pando.close());
  return pando;
}
type Kit = Awaited<ReturnType<typeof createKit>>;

const priority = ({ url }: { readonly url: string }) => (url === '/critical' ? 'critical' : undefined);

async function serveExpress(pando: Kit, answer: () => Promise<unknown>): Promise<string> {
  const { context, listen } = pandoExpress(pando, { priority });
  const app = express();
  app.use(context());
  app.get('/:route', async (_request, response) => void response.json(await answer()));
  const serving = await listen(app, { port: 0, host: '127.0.0.1', signals: false });
  onTestFinished(() => serving.close());
  return serving.url;
}

async function serveFastify(pando: Kit, answer: () => Promise<unknown>): Promise<string> {
  const app = fastify();
  await app.register(pandoFastify, { pando, priority });
  app.get('/:route', answer);
  onTestFinished(() => app.close());
  return app.listen({ port: 0, host: '127.0.0.1' });
}

/** Four requests every ten milliseconds, one in twenty of them critical; never more at once, however late the machine is. */
function flood(url: string, durationMs: number): Promise<Record<'critical' | 'normal', number[]>> {
  const statuses = { critical: [] as number[], normal: [] as number[] };
  const ask = async (kind: 'critical' | 'normal'): Promise<void> => {
    const response = await fetch(`${url}/${kind}`);
    await response.arrayBuffer();
    statuses[kind].push(response.status);
  };
  return new Promise((resolve, reject) => {
    const asked: Promise<void>[] = [];
    const until = performance.now() + durationMs;
    const timer = setInterval(() => {
      for (let one = 0; one < 4; one++) asked.push(ask(asked.length % 20 === 0 ? 'critical' : 'normal'));
      if (performance.now() < until) return;
      clearInterval(timer);
      Promise.all(asked).then(() => resolve(statuses), reject);
    }, 10);
  });
}

it.each([
  ['Express', serveExpress],
  ['Fastify', serveFastify],
])(
  '%s answers all that is critical, and lets no queue grow, while the database is asked for four times what it can do',
  async (_name, serve) => {
    const pando = await createKit();
    let seconds = slowSeconds;
    let working = 0;
    let most = 0;
    const url = await serve(pando, async () => {
      most = Math.max(most, ++working);
      try {
        return (await pando.db.read('select pg_sleep($1)', [seconds])).rows.length;
      } finally {
        working -= 1;
      }
    });

    const { critical, normal } = await flood(url, 4_000);
    expect(new Set(critical)).toEqual(new Set([200]));
    expect(new Set(normal)).toEqual(new Set([200, 503]));
    // Nobody refused: three hundred more in each second.
    expect(most).toBeLessThan(10 * connections);
    expect(pando.overload?.groups().get('default')?.inFlight).toBe(0);

    seconds = 0;
    await waitFor(async () => (await fetch(`${url}/normal`)).status === 200);
  },
);
