import { ConnectionLostError, type Database, OutcomeUnknownError } from '@pando/core/db';
import { createTcpProxy, createTestCluster, type DatabaseUrls, waitFor } from '@pando/core/testing';
import pg from 'pg';
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest';
import { randomOf } from '../../packages/core/src/testing/random.js';
import { seed, testSize } from '../infra/context.js';
import { openDatabase } from '../integration/db/open-database.js';

let cluster: Awaited<ReturnType<typeof createTestCluster>>;
let urls: DatabaseUrls;

beforeAll(async () => {
  cluster = await createTestCluster({ replicas: 0 });
  urls = await cluster.createDatabase('commits');
  const setup = new pg.Client(urls.primary);
  await setup.connect();
  await setup.query('create table ledger (id int primary key)');
  await setup.end();
});

afterAll(() => cluster.close());

const insert = 'insert into ledger values ($1)';

/** A database behind a proxy that can be cut, and what the ledger holds in the end. */
async function setup() {
  const proxy = await createTcpProxy({ target: { host: '127.0.0.1', port: cluster.primary.port } });
  onTestFinished(() => proxy.close());
  const { db } = await openDatabase({ primary: proxy.url(urls.primary) });
  const reader = new pg.Client(urls.primary);
  await reader.connect();
  reader.on('error', () => undefined);
  onTestFinished(() => reader.end());
  const nobodyLeft = `select from pg_stat_activity where application_name like 'pando:%' and state <> 'idle' and datname = 'commits'`;
  const stored = async () => {
    await waitFor(async () => (await cluster.primary.query(nobodyLeft)).length === 0);
    const read = () => db.read<{ id: number }>('select id from ledger', [], { level: 'strong' });
    return new Set((await waitFor(read)).rows.map(({ id }) => id));
  };
  const isStored = (id: number) =>
    waitFor(async () => (await reader.query('select from ledger where id = $1', [id])).rowCount === 1, {
      intervalMs: 5,
    });
  return { proxy, db, stored, isStored };
}

const ways = {
  'db.transaction': (db: Database, id: number, cut: () => void) =>
    db.transaction(async (tx) => {
      await tx.query(insert, [id]);
      await tx.query('select 1'); // the number of the transaction is here by now
      cut();
    }),
  'db.pool': async (db: Database, id: number, cut: () => void) => {
    const client = await db.pool.connect();
    try {
      await client.query('begin');
      await client.query(insert, [id]);
      await client.query('select 1');
      cut();
      await client.query('commit');
    } finally {
      client.release();
    }
  },
};

it.each(Object.keys(ways) as (keyof typeof ways)[])(
  'knows of every transaction of %s whether it was committed when connections are cut at COMMIT',
  async (way) => {
    const random = randomOf(seed());
    const { proxy, db, stored } = await setup();
    proxy.latency(1, 1);
    const base = way === 'db.pool' ? 100_000 : 0;
    const attempts = testSize() === 'full' ? 200 : 40;
    const reported = { committed: new Set<number>(), nothing: new Set<number>() };
    for (let id = base; id < base + attempts; id++) {
      const work = ways[way](db, id, () => setTimeout(() => proxy.reset(), random() * 8));
      await work.then(
        () => reported.committed.add(id),
        (error: unknown) => {
          if (!(error instanceof ConnectionLostError)) throw error;
          reported.nothing.add(id);
        },
      );
      await waitFor(() => db.read('select 1', [], { level: 'strong' }), { intervalMs: 1 });
    }
    const ledger = await stored();
    expect([...reported.committed].filter((id) => !ledger.has(id))).toEqual([]);
    expect([...reported.nothing].filter((id) => ledger.has(id))).toEqual([]);
    expect(reported.committed.size).toBeGreaterThan(0);
  },
);

it('goes on with a transaction of which only the answer to COMMIT was lost', async () => {
  const { proxy, db, stored, isStored } = await setup();
  let isCut = false;
  await db.transaction(async (tx) => {
    await tx.query(insert, [-1]);
    await tx.query('select 1');
    proxy.latency(400);
    void isStored(-1).then(() => {
      isCut = true;
      proxy.reset(); // the answer is still on its way
      proxy.latency(0);
    });
  });
  expect(isCut).toBe(true);
  expect(await stored()).toContain(-1);
});

it('does not believe a server that has lost count in a crash, unless it says that nothing was committed', async () => {
  const { db, stored } = await setup();
  const reported: Record<number, unknown> = {};
  for (let id = -100; id < -90; id++) {
    await waitFor(() => db.read('select 1', [], { level: 'strong' }), { timeoutMs: 20_000 });
    const [walwriter] = await cluster.primary.query(
      `select pid from pg_stat_activity where backend_type = 'walwriter'`,
    );
    reported[id] = await db
      .transaction(async (tx) => {
        await tx.query(insert, [id]);
        await tx.query('select 1');
        process.kill(walwriter?.pid as number, 'SIGKILL'); // takes all sessions with it
      })
      .then(
        () => 'committed',
        (error: unknown) => error,
      );
    await waitFor(() => cluster.primary.query('select 1'), { timeoutMs: 20_000 });
  }
  const ledger = await stored();
  for (const [id, outcome] of Object.entries(reported)) {
    if (outcome === 'committed') expect(ledger).toContain(Number(id));
    else if (outcome instanceof ConnectionLostError) expect(ledger).not.toContain(Number(id));
    else expect(outcome).toBeInstanceOf(OutcomeUnknownError);
  }
});
