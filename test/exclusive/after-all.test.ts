import { createPando, type Pando } from '@pando/core';
import { createTestCluster, type DatabaseUrls, type TestCluster, waitFor } from '@pando/core/testing';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { testRedis } from '../infra/context.js';

const redis = testRedis();
let cluster: TestCluster;
let database: DatabaseUrls;
const kits: Pando[] = [];

beforeAll(async () => {
  cluster = await createTestCluster({ replicas: 2 });
  database = await cluster.createDatabase('after_all');
  const client = new pg.Client(database.primary);
  await client.connect();
  await client.query('create table posts (id int primary key, title text)');
  await client.query("insert into posts values (1, 'old')");
  await client.end();
  await cluster.caughtUp();
});
afterEach(async () => {
  for (const replica of cluster.replicas) await replica.resumeReplay();
  for (const kit of kits.splice(0)) await kit.close();
  await cluster.caughtUp();
});
afterAll(() => cluster?.close());

async function kit(afterAllMs: number): Promise<Pando> {
  const pando = await createPando({
    name: redis.name,
    redis: redis.url,
    db: { primary: database.primary, replicas: [...database.replicas], pool: { size: 2 } },
    realtime: { afterAllMs },
    lifecycle: { signals: false, readinessDelayMs: 0 },
  });
  kits.push(pando);
  return pando;
}

/** What each replica shows to who asks it directly: a client without a token may be sent to any. */
function shown(): Promise<unknown[]> {
  return Promise.all(
    database.replicas.map(async (url) => {
      const client = new pg.Client(url);
      await client.connect();
      const { rows } = await client.query('select title from posts where id = 1');
      await client.end();
      return rows[0]?.title;
    }),
  );
}

/** Writes through one instance, and notes what replicas show when the event has reached another. */
async function writeAndListen(
  title: string,
  { afterAll, afterAllMs = 60_000 }: { afterAll: boolean; afterAllMs?: number },
) {
  const [a, b] = [await kit(afterAllMs), await kit(afterAllMs)];
  const told: { readonly title: unknown; readonly shown: Promise<unknown[]> }[] = [];
  const others: unknown[] = [];
  await b.realtime.subscribe('posts', ({ data }) => told.push({ title: data, shown: shown() }));
  await b.realtime.subscribe('others', ({ data }) => others.push(data));
  for (const replica of cluster.replicas) await replica.pauseReplay();
  const written = a.db.transaction(async (tx) => {
    await tx.query('update posts set title = $1 where id = 1', [title]);
    tx.invalidate(['post:1']);
    tx.publish('posts', title, { afterAll });
  });
  return { a, told, others, written };
}

it('an event that waits for all arrives when no replica shows the past any more', async () => {
  const { a, told, others, written } = await writeAndListen('held', { afterAll: true });
  await waitFor(
    async () =>
      (await a.db.query('select title from posts', [], { level: 'strong' })).rows[0]?.title === 'held',
  );
  await a.realtime.publish('others', 1);
  await waitFor(() => others.length === 1);
  expect(told).toEqual([]);
  const [first, second] = cluster.replicas;
  await first?.resumeReplay();
  await waitFor(async () => (await shown()).includes('held'));
  await a.realtime.publish('others', 2);
  await waitFor(() => others.length === 2);
  expect(told).toEqual([]);
  await second?.resumeReplay();
  await written;
  await waitFor(() => told.length === 1);
  expect(await told[0]?.shown).toEqual(['held', 'held']);
});

it('one that does not wait arrives before', async () => {
  const { told, written } = await writeAndListen('early', { afterAll: false });
  await written;
  await waitFor(() => told.length === 1);
  expect(await told[0]?.shown).not.toContain('early');
});

it('one whose time has passed arrives all the same, and is counted', async () => {
  const { a, told, written } = await writeAndListen('late', { afterAll: true, afterAllMs: 200 });
  await written;
  await waitFor(() => told.length === 1);
  expect(await told[0]?.shown).not.toContain('late');
  expect(await a.metrics.expose()).toContain('pando_realtime_held_events_total{outcome="late"} 1');
});
