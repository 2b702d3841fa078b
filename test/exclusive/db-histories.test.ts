import { PandoError, type PandoOptions } from '@pando/core';
import { createTestCluster, type DatabaseUrls, waitFor } from '@pando/core/testing';
import pg from 'pg';
import { beforeEach, expect, it, onTestFinished } from 'vitest';
import { composePando, type KitRules } from '../../packages/core/src/pando.js';
import { type RedisServer, startRedis } from '../infra/redis.js';

let redis: RedisServer;
let cluster: Awaited<ReturnType<typeof createTestCluster>>;
let urls: DatabaseUrls;

beforeEach(async () => {
  redis = await startRedis();
  cluster = await createTestCluster({ replicas: 1 });
  urls = await cluster.createDatabase('histories');
  const admin = new pg.Client(urls.primary);
  await admin.connect();
  await admin.query(`create table posts (id int, title text); insert into posts values (7, 'kept')`);
  await admin.end();
  await cluster.caughtUp();
  return async () => {
    await cluster.close();
    await redis.close();
  };
});

/** One instance whose primary is this, and how it reads the post. */
async function join(primary: string, rules: KitRules = {}) {
  const options: PandoOptions = { name: 'histories', redis: redis.url, db: { primary, outbox: false } };
  const pando = await composePando(options, rules);
  onTestFinished(() => pando.close());
  const title = () =>
    pando.cache.getOrLoad('post:7', async () => {
      const { rows } = await pando.db.read<{ title: string }>('select title from posts where id = 7');
      return rows[0]?.title;
    });
  return { pando, title };
}

it.each([
  ['is served no more', 'kept', {}],
  ['would be served if caches did not follow', 'lost', { cache: { followsHistories: false } }],
] as const)('what a failover has lost %s', async (_, expected, rules) => {
  const [replica] = cluster.replicas;
  const a = await join(urls.primary, rules);
  expect(await a.title()).toBe('kept');
  await replica?.stop();
  await a.pando.db.transaction(async (tx) => {
    await tx.query(`update posts set title = 'lost' where id = 7`);
    tx.invalidate(['post:7']);
  });
  expect(await a.title()).toBe('lost');

  await cluster.primary.kill();
  await replica?.start();
  await replica?.promote();
  const b = await join(urls.replicas[0] as string, rules);
  expect(await b.title()).toBe(expected);
  if (expected === 'lost') return;
  // Its database is away, and so is its cache.
  const isRefused = () =>
    a.title().then(
      () => false,
      (error) => error instanceof PandoError,
    );
  await waitFor(isRefused);
});
