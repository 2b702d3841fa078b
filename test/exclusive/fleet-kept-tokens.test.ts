import { createPando, type Pando } from '@pando/core';
import type { HttpOptions } from '@pando/core/http';
import { createTestCluster, type DatabaseUrls, type TestCluster, waitFor } from '@pando/core/testing';
import { pandoExpress } from '@pando/express-adapter';
import { pandoFastify } from '@pando/fastify-adapter';
import express from 'express';
import { fastify } from 'fastify';
import pg from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type RedisServer, startRedis } from '../infra/redis.js';

/** Each instance knows its clients by a header, and keeps their tokens. */
const http: HttpOptions = {
  tokens: { userOf: ({ headers }) => headers['x-api-key']?.toString(), waitMs: 1_500 },
};

let cluster: TestCluster;
let database: DatabaseUrls;
let redis: RedisServer;
let kits: readonly [Pando, Pando];
let urls: readonly [string, string];

const write = (kit: Pando, value: string) =>
  kit.db.transaction(async (tx) => {
    await tx.query(
      "insert into kept values ('k', $1) on conflict (key) do update set value = excluded.value",
      [value],
    );
    tx.invalidate(['k']);
  });
const read = async (kit: Pando) => {
  const { rows } = await kit.db.read<{ value: string; replica: boolean }>(
    "select value, pg_is_in_recovery() as replica from kept where key = 'k'",
  );
  return rows[0];
};

async function serveExpress(kit: Pando): Promise<string> {
  const { context, listen } = pandoExpress(kit, http);
  const app = express();
  app.use(context());
  app.get('/value', async (_req, res) => void res.json(await read(kit)));
  app.get('/cached', async (_req, res) => void res.json(await kit.cache.getOrLoad('k', () => read(kit))));
  app.put('/value/:value', async (req, res) => {
    await write(kit, req.params.value);
    res.sendStatus(204);
  });
  app.put('/afterwards/:value', (req, res) => {
    res.on('finish', () => void write(kit, req.params.value));
    res.sendStatus(202);
  });
  return (await listen(app, { port: 0, host: '127.0.0.1' })).url;
}

async function serveFastify(kit: Pando): Promise<string> {
  const app = fastify();
  await app.register(pandoFastify, { pando: kit, ...http });
  app.get('/value', () => read(kit));
  app.get('/cached', () => kit.cache.getOrLoad('k', () => read(kit)));
  app.put<{ Params: { value: string } }>('/value/:value', async ({ params }, reply) => {
    await write(kit, params.value);
    return reply.code(204).send();
  });
  return (await app.pando.listen({ port: 0, host: '127.0.0.1' })).url;
}

/** A client that returns nothing of what it got. */
const send = (url: string, method = 'GET', user = 'ann') =>
  fetch(url, { method, headers: { 'x-api-key': user } });
const get = async (url: string, user?: string): Promise<unknown> => (await send(url, 'GET', user)).json();
const put = async (url: string, user?: string) => expect((await send(url, 'PUT', user)).ok).toBe(true);

beforeAll(async () => {
  cluster = await createTestCluster({ replicas: 1 });
  database = await cluster.createDatabase('kept');
  const client = new pg.Client(database.primary);
  await client.connect();
  await client.query('create table kept (key text primary key, value text not null)');
  await client.end();
  redis = await startRedis();
  const options = {
    redis: redis.url,
    db: database,
    lifecycle: { signals: false, readinessDelayMs: 0 },
  } as const;
  kits = [await createPando(options), await createPando(options)];
  urls = [await serveExpress(kits[0]), await serveFastify(kits[1])];
});
afterAll(async () => {
  redis?.thaw();
  for (const kit of kits ?? []) await kit.close();
  await redis?.close();
  await cluster?.close();
});

const replay = () => cluster.replicas[0] as TestCluster['replicas'][number];

beforeEach(async () => {
  await replay().resumeReplay();
  await put(`${urls[0]}/value/before`, 'somebody');
  await cluster.caughtUp();
  await replay().pauseReplay();
});

describe('with the replay of the replica paused', () => {
  it('a client without token reads its own write through the other instance, both ways', async () => {
    const [a, b] = urls;
    for (let round = 0; round < 20; round++) {
      const [to, from] = round % 2 === 0 ? [a, b] : [b, a];
      await put(`${to}/value/own-${round}`);
      expect(await get(`${from}/value`)).toEqual({ value: `own-${round}`, replica: false });
      expect(await get(`${from}/cached`)).toEqual({ value: `own-${round}`, replica: false });
    }
    // The replica shows the past, and is asked for it by whoever wrote nothing.
    expect(await get(`${b}/value`, 'bob')).toEqual({ value: 'before', replica: true });
  });

  it('a write that ends after its answer is kept, too', async () => {
    const [a, b] = urls;
    await put(`${a}/afterwards/late`, 'carl');
    await waitFor(async () => ((await get(`${b}/value`, 'carl')) as { value: string }).value === 'late', {
      message: 'the late write to be seen',
    });
  });
});

describe('with Redis frozen', () => {
  it('a client without token is served by the primary, within the bound', async () => {
    const [a, b] = urls;
    await put(`${a}/value/frozen`);
    redis.freeze();
    try {
      const beganAt = performance.now();
      expect(await get(`${b}/value`)).toEqual({ value: 'frozen', replica: false });
      expect(performance.now() - beganAt).toBeLessThan(5_000);
      expect(await kits[1].metrics.expose()).toMatch(
        /pando_http_kept_tokens_total\{outcome="unknown"\} [1-9]/,
      );
    } finally {
      redis.thaw();
    }
    await waitFor(() => kits.every((kit) => kit.redis?.isUp), { message: 'Redis to be back' });
  });

  it('what was written meanwhile is kept once it answers again', async () => {
    const [a, b] = urls;
    redis.freeze();
    try {
      await put(`${a}/value/meanwhile`, 'dora');
      expect(await get(`${b}/value`, 'dora')).toEqual({ value: 'meanwhile', replica: false });
      await waitFor(async () => (await count(kits[0], 'late')) > 0, { message: 'the token to be late' });
    } finally {
      redis.thaw();
    }
    await waitFor(
      async () => {
        const before = await count(kits[1], 'found');
        const shown = await get(`${b}/value`, 'dora');
        expect(shown).toEqual({ value: 'meanwhile', replica: false });
        return (await count(kits[1], 'found')) > before;
      },
      { message: 'the token to be found' },
    );
  });
});

async function count(kit: Pando, outcome: string): Promise<number> {
  const line = new RegExp(`pando_http_kept_tokens_total\\{outcome="${outcome}"\\} (\\d+)`);
  return Number(line.exec(await kit.metrics.expose())?.[1]);
}
