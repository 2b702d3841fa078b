import { createTcpProxy, waitFor } from '@pando/core/testing';
import { expect, it, onTestFinished } from 'vitest';
import { testDatabase, testRedis } from '../infra/context.js';
import { startInstances } from '../infra/instances.js';

const entry = new URL('../fixtures/fleet-app.ts', import.meta.url).pathname;

const totalMs = 3_000;

/** An instance whose servers are behind proxies, with a connection open to each. */
async function startApp() {
  const redis = testRedis();
  const { primary } = await testDatabase();
  const proxied = async (url: string, port: number) => {
    const proxy = await createTcpProxy({
      target: { host: '127.0.0.1', port: Number(new URL(url).port || port) },
    });
    onTestFinished(() => proxy.close());
    return proxy;
  };
  const servers = { redis: await proxied(redis.url, 6379), postgres: await proxied(primary, 5432) };
  const group = await startInstances({
    entry,
    env: {
      KIT: redis.name,
      REDIS_URL: servers.redis.url(redis.url),
      DATABASE_URL: servers.postgres.url(primary),
      LIFECYCLE: JSON.stringify({ readinessDelayMs: 0, totalMs }),
      LOG: 'yes',
    },
  });
  onTestFinished(() => group.close());
  const [app] = group.instances;
  if (app === undefined) throw new Error('The app did not start.');
  return { app, ...servers };
}

it('a process whose database answers nobody any more leaves before its deadline, cuts the request that waits for it, and names it', async () => {
  const { app, postgres } = await startApp();
  postgres.blackHole();
  const hanging = fetch(`${app.url}/values/x`).then(
    ({ status }) => status,
    () => 'cut',
  );
  await waitFor(async () => {
    const metrics = await (await fetch(`${app.url}/metrics`)).text();
    return /^pando_http_requests_in_flight 1$/m.test(metrics);
  });
  const beganAt = performance.now();
  expect(await app.terminate()).toEqual({ code: 1, signal: null });
  expect(performance.now() - beganAt).toBeLessThan(totalMs + 2_000);
  expect([503, 'cut']).toContain(await hanging);
  expect(app.output()).toMatch(
    /Shut down, not cleanly\..*rooms: Not closed within lifecycle\.roomsMs: db\./s,
  );
});

it('a process whose Redis answers nobody any more leaves before its deadline', async () => {
  const { app, redis } = await startApp();
  redis.blackHole();
  const beganAt = performance.now();
  expect(await app.terminate()).toMatchObject({ signal: null });
  expect(performance.now() - beganAt).toBeLessThan(totalMs + 2_000);
});
