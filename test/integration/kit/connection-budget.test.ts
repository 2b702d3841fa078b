import { createPando, type Pando } from '@pando/core';
import { waitFor } from '@pando/core/testing';
import pg from 'pg';
import { expect, it, onTestFinished } from 'vitest';
import { testDatabase, testRedis } from '../../infra/context.js';

const limits = /^pando_db_pool_limit\{.*\} (\d+)$/gm;
const slow = 'select pg_sleep(0.01)';

it('all instances together keep to the budget under load, and share it anew when one has gone', async () => {
  const { primary } = await testDatabase();
  const redis = testRedis();
  const kit = async (): Promise<Pando> => {
    const pando = await createPando({
      name: redis.name,
      redis: { url: redis.url, leaseMs: 3_000 },
      db: { primary, outbox: false, connectionBudget: 12 },
      lifecycle: { signals: false },
    });
    onTestFinished(() => pando.close());
    return pando;
  };
  const kits = [await kit(), await kit(), await kit()];
  const limitsAre = (...expected: readonly number[]) =>
    waitFor(
      async () => {
        const texts = await Promise.all(kits.map(({ metrics }) => metrics.expose()));
        const found = texts.flatMap((text) => [...text.matchAll(limits)].map(([, limit]) => Number(limit)));
        return found.join() === expected.join();
      },
      { message: `${expected}` },
    );

  await limitsAre(3, 3, 3);
  const admin = new pg.Client({ connectionString: primary, application_name: 'admin' });
  await admin.connect();
  onTestFinished(() => admin.end());
  const connections = async () => {
    const { rows } = await admin.query(
      `select count(*)::int as count from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()`,
    );
    return rows[0]?.count as number;
  };
  const load = kits.flatMap(({ db }) => Array.from({ length: 40 }, () => db.query(slow)));
  let isOver = false;
  const all = Promise.all(load).finally(() => {
    isOver = true;
  });
  while (!isOver) expect(await connections()).toBeLessThanOrEqual(12);
  await all;
  expect(await connections()).toBe(12); // three that watch among them

  await kits.pop()?.close();
  await limitsAre(5, 5);
});
