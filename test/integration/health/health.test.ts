import { createPando, type Pando, type PandoOptions } from '@pando/core';
import type { HealthBody } from '@pando/core/health';
import { createTcpProxy, waitFor } from '@pando/core/testing';
import { pandoExpress } from '@pando/express-adapter';
import { pandoFastify } from '@pando/fastify-adapter';
import express from 'express';
import Fastify from 'fastify';
import { expect, it, onTestFinished } from 'vitest';
import { exposedValue, parseExposition } from '../../../packages/core/src/testing/exposition.js';
import { testDatabase } from '../../infra/context.js';

/** An instance that looks often, so that a test need not wait for the looks of a day. */
async function instance(options: PandoOptions, framework: 'express' | 'fastify' = 'express') {
  const pando = await createPando({
    ...options,
    health: { intervalMs: 50, timeoutMs: 500, failAfter: 2, passAfter: 2, ...options.health },
    lifecycle: { signals: false, readinessDelayMs: 0 },
  });
  onTestFinished(() => pando.close());
  const url = framework === 'express' ? await onExpress(pando) : await onFastify(pando);
  const ask = async (path: string) => {
    const response = await fetch(`${url}${path}`);
    const { status, components } = (await response.json()) as HealthBody;
    return { code: response.status, status, components };
  };
  return { pando, ask };
}

async function onExpress(pando: Pando): Promise<string> {
  const { context, listen } = pandoExpress(pando);
  const app = express();
  app.use(context());
  return (await listen(app, { port: 0, host: '127.0.0.1' })).url;
}

async function onFastify(pando: Pando): Promise<string> {
  const app = Fastify();
  await app.register(pandoFastify, { pando });
  return (await app.pando.listen({ port: 0, host: '127.0.0.1' })).url;
}

it.each(['express', 'fastify'] as const)(
  'on %s a pool whose connections are all taken makes the instance unready, and the database stays healthy',
  async (framework) => {
    const { primary } = await testDatabase();
    const { pando, ask } = await instance(
      { db: { primary, pool: { size: 2, overflow: 0, acquireTimeoutMs: 60_000, saturatedAfterMs: 50 } } },
      framework,
    );
    expect(await ask('/health/ready')).toMatchObject({
      code: 200,
      components: { database: 'healthy', 'database-pool': 'healthy' },
    });

    const giveUp = new AbortController();
    const sleeps = Array.from({ length: 5 }, () =>
      pando.db.write('select pg_sleep(60)', [], { signal: giveUp.signal }).catch(() => undefined),
    );
    await waitFor(async () => (await ask('/health/ready')).code === 503, { timeoutMs: 20_000 });
    expect(await ask('/health/ready')).toMatchObject({
      status: 'unhealthy',
      components: { database: 'healthy', 'database-pool': 'saturated' },
    });
    expect(await ask('/health')).toMatchObject({ code: 200, status: 'degraded' });
    expect((await ask('/health/live')).code).toBe(200);

    giveUp.abort();
    await Promise.all(sleeps);
    await waitFor(async () => (await ask('/health/ready')).code === 200, { timeoutMs: 20_000 });
    expect(await ask('/health')).toMatchObject({
      status: 'healthy',
      components: { 'database-pool': 'healthy' },
    });
  },
);

it('a database that is away from every instance leaves all of them in the balancer, degraded', async () => {
  const urls = await testDatabase();
  const { hostname, port } = new URL(urls.primary);
  await using proxy = await createTcpProxy({ target: { host: hostname, port: Number(port) } });
  const db = { primary: proxy.url(urls.primary), pool: { saturatedAfterMs: 50 } };
  const fleet = await Promise.all([instance({ db }), instance({ db }), instance({ db }, 'fastify')]);
  const strict = await instance({ db, health: { readyPolicy: 'all' } });

  await proxy.refuse();
  proxy.reset();
  for (const { ask } of [...fleet, strict]) {
    await waitFor(async () => (await ask('/health')).code === 503, { timeoutMs: 20_000 });
  }
  for (const { ask } of fleet) {
    expect(await ask('/health/ready')).toMatchObject({
      code: 200,
      status: 'degraded',
      components: { database: 'unhealthy', 'database-pool': 'healthy' },
    });
    expect((await ask('/health/live')).code).toBe(200);
  }
  expect(await strict.ask('/health/ready')).toMatchObject({ code: 503, status: 'unhealthy' });

  await proxy.heal();
  for (const { ask } of [...fleet, strict]) {
    await waitFor(async () => (await ask('/health')).status === 'healthy', { timeoutMs: 20_000 });
    expect((await ask('/health/ready')).code).toBe(200);
  }
});

it('a database that has fallen silent is not taken for a crowded pool, however many wait for it', async () => {
  const urls = await testDatabase();
  const { hostname, port } = new URL(urls.primary);
  await using proxy = await createTcpProxy({ target: { host: hostname, port: Number(port) } });
  const { pando, ask } = await instance({
    db: {
      primary: proxy.url(urls.primary),
      pool: { size: 1, overflow: 0, acquireTimeoutMs: 60_000, saturatedAfterMs: 50 },
      probeTimeoutMs: 60_000, // it will not be found out by that
    },
  });
  const looks = async () =>
    exposedValue(
      parseExposition(await pando.metrics.expose(), pando.metrics.contentType),
      'pando_health_check_duration_seconds_count',
      { component: 'database-pool' },
    ) ?? 0;
  proxy.blackHole();
  await waitFor(async () => (await ask('/health')).components.database === 'unhealthy', {
    timeoutMs: 20_000,
  });
  const giveUp = new AbortController();
  const calls = Array.from({ length: 5 }, () =>
    pando.db.write('select 1', [], { signal: giveUp.signal }).catch(() => undefined),
  );
  const before = await looks();
  await waitFor(async () => (await looks()) >= before + 4, { timeoutMs: 20_000 });
  expect(await ask('/health/ready')).toMatchObject({
    code: 200,
    components: { database: 'unhealthy', 'database-pool': 'healthy' },
  });
  giveUp.abort();
  await proxy.heal();
  await Promise.all(calls);
});

it('answers do not wait for a check that hangs, and say what was seen last', async () => {
  let hanging = 0;
  let isHung = false;
  const check = {
    name: 'search',
    critical: true,
    timeoutMs: 60_000,
    async run() {
      if (!isHung) return { status: 'healthy' as const };
      hanging += 1;
      return new Promise<never>(() => undefined);
    },
  };
  const { ask } = await instance({ health: { checks: [check] } });
  isHung = true;
  await waitFor(() => hanging === 1);
  for (const path of ['/health', '/health/ready', '/health/live', '/health/startup']) {
    expect([path, (await ask(path)).code]).toEqual([path, 200]);
  }
  expect(hanging).toBe(1);
});
