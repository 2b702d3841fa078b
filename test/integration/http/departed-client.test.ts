import { createPando, type Pando } from '@pando/core';
import { waitFor } from '@pando/core/testing';
import { pandoExpress } from '@pando/express-adapter';
import { pandoFastify } from '@pando/fastify-adapter';
import express from 'express';
import { fastify } from 'fastify';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { testDatabase } from '../../infra/context.js';

let urls: Awaited<ReturnType<typeof testDatabase>>;
let pando: Pando;
let primary: pg.Client;
let replica: pg.Client;

beforeAll(async () => {
  urls = await testDatabase();
  primary = new pg.Client(urls.primary);
  replica = new pg.Client(urls.replicas[0]);
  await Promise.all([primary.connect(), replica.connect()]);
  await primary.query('create table posts (title text)');
  const db = { primary: urls.primary, replicas: urls.replicas.slice(0, 1) };
  pando = await createPando({ db, lifecycle: { signals: false } });
});
afterAll(async () => {
  await Promise.all([primary.end(), replica.end()]);
  await pando.close();
});

/** What each route does before it answers; it never would within the life of a test, but for the write. */
const routes = {
  read: () => pando.db.read('select pg_sleep(600)'),
  strong: () => pando.db.read('select pg_sleep(600)', [], { level: 'strong' }),
  timed: () => pando.db.read('select pg_sleep(600)', [], { timeoutMs: 500_000 }),
  write: (title: string) => pando.db.write('insert into posts select $1 from pg_sleep(0.5)', [title]),
};

async function serveExpress(): Promise<AsyncDisposable & { readonly url: string }> {
  const { context, listen } = pandoExpress(pando);
  const app = express();
  app.use(context());
  app.get('/:route', async (request, response) => {
    await routes[request.params.route as keyof typeof routes](String(request.query.title));
    response.end();
  });
  const serving = await listen(app, { port: 0, host: '127.0.0.1', signals: false });
  return { url: serving.url, [Symbol.asyncDispose]: () => serving.close() };
}

async function serveFastify(): Promise<AsyncDisposable & { readonly url: string }> {
  const app = fastify();
  await app.register(pandoFastify, { pando });
  app.get<{ Params: { route: keyof typeof routes }; Querystring: { title: string } }>(
    '/:route',
    async (request) => {
      await routes[request.params.route](request.query.title);
      return '';
    },
  );
  const url = await app.listen({ port: 0, host: '127.0.0.1' });
  return { url, [Symbol.asyncDispose]: async () => app.close() };
}

/** Sessions of this database, on whichever server, that run something with this text. */
async function running(text: string): Promise<number> {
  const counts = await Promise.all(
    [primary, replica].map((server) =>
      server.query<{ count: number }>(
        `select count(*)::int as count from pg_stat_activity
         where datname = current_database() and state = 'active' and query like $1 and pid <> pg_backend_pid()`,
        [`${text}%`],
      ),
    ),
  );
  return counts.reduce((sum, { rows }) => sum + (rows[0]?.count ?? 0), 0);
}

describe.each([
  ['Express', serveExpress],
  ['Fastify', serveFastify],
])('a client of %s that leaves', (framework, serve) => {
  it.each(['read', 'strong', 'timed'] as const)(
    'has its %s cancelled on the server that runs it',
    async (route) => {
      await using served = await serve();
      const client = new AbortController();
      const left = fetch(`${served.url}/${route}`, { signal: client.signal }).catch(
        (error: Error) => error.name,
      );
      await waitFor(async () => (await running('select pg_sleep(600)')) === 1);
      client.abort();
      expect(await left).toBe('AbortError');
      await waitFor(async () => (await running('select pg_sleep(600)')) === 0);
      // The connection has survived: it was the statement that was cancelled.
      expect((await pando.db.read<{ one: number }>('select 1 as one')).rows).toEqual([{ one: 1 }]);
    },
  );

  it('has its write carried out', async () => {
    await using served = await serve();
    const client = new AbortController();
    const left = fetch(`${served.url}/write?title=${framework}`, { signal: client.signal }).catch(
      () => 'left',
    );
    await waitFor(async () => (await running('insert into posts')) === 1);
    client.abort();
    expect(await left).toBe('left');
    await waitFor(async () => {
      const { rowCount } = await primary.query('select from posts where title = $1', [framework]);
      return rowCount === 1;
    });
  });
});

it('a timeoutMs that is over cancels the statement on the server', async () => {
  const read = pando.db.read('select pg_sleep(601)', [], { timeoutMs: 200 });
  await expect(read).rejects.toMatchObject({ code: 'PANDO_DB_TIMEOUT', status: 504 });
  const work = pando.db.transaction(
    async (tx) => {
      await tx.query(`insert into posts values ('never')`);
      await tx.query('select pg_sleep(601)');
    },
    { timeoutMs: 200 },
  );
  await expect(work).rejects.toMatchObject({ code: 'PANDO_DB_TIMEOUT' });
  await waitFor(async () => (await running('select pg_sleep(601)')) === 0);
  expect((await primary.query(`select from posts where title = 'never'`)).rowCount).toBe(0);
});
