import { OutcomeUnknownError } from '@pando/core/db';
import { createTestCluster, type TestCluster, type TestServer, waitFor } from '@pando/core/testing';
import pg from 'pg';
import { expect, it, onTestFinished } from 'vitest';
import { isPandoError } from '../../packages/core/src/kernel/errors.js';
import { testSize } from '../infra/context.js';
import {
  createRegisters,
  getRegister,
  openDatabase,
  type Register,
  setRegister,
} from '../integration/db/open-database.js';

/** A cluster of its own for each test: each of them loses its primary. */
async function startCluster() {
  const cluster = await createTestCluster();
  onTestFinished(() => cluster.close());
  const urls = await cluster.createDatabase('failover');
  const setup = new pg.Client(urls.primary);
  await setup.connect();
  await setup.query(createRegisters);
  await setup.query('create table ledger (id int primary key)');
  await setup.end();
  await cluster.caughtUp();
  const [heir, other] = cluster.replicas as [TestServer, TestServer];
  return { cluster, urls, heir, other };
}

/** A commit is acknowledged when both replicas have it: whichever is promoted has lost nothing. */
async function synchronous({ primary }: TestCluster): Promise<void> {
  await primary.query(`alter system set synchronous_standby_names = 'ANY 2 (*)'`);
  await primary.query('select pg_reload_conf()');
  const standbys = `select from pg_stat_replication where sync_state = 'quorum'`;
  await waitFor(async () => (await primary.query(standbys)).length === 2);
}

/** Clients that write numbers, each until it knows what became of it. */
function load({ db }: Awaited<ReturnType<typeof openDatabase>>, first: number) {
  const reported = { acknowledged: new Set<number>(), unknown: new Set<number>() };
  const failures: unknown[] = [];
  const acknowledgedAt: number[] = [];
  let next = first;
  let isOver = false;
  const insert = 'insert into ledger values ($1)';
  const attempt = (id: number) =>
    id % 2 ? db.write(insert, [id]) : db.transaction((tx) => tx.query(insert, [id]), { retry: 3 });
  const client = async () => {
    while (!isOver) {
      const id = next++;
      for (let isKnown = false; !isKnown; ) {
        try {
          await attempt(id);
          isKnown = true;
          reported.acknowledged.add(id);
          acknowledgedAt.push(performance.now());
        } catch (error) {
          if (error instanceof OutcomeUnknownError) {
            isKnown = true;
            reported.unknown.add(id);
          } else if (!isPandoError(error) || !error.retryable) throw error; // 23505: written although nothing was said to be
        }
      }
    }
  };
  const clients = Array.from({ length: 16 }, () => client().catch((error: unknown) => failures.push(error)));
  const writesMore = (count: number) => {
    const target = reported.acknowledged.size + count;
    return waitFor(() => failures.length > 0 || reported.acknowledged.size >= target, {
      message: 'acknowledged writes',
    });
  };
  const stop = async () => {
    isOver = true;
    await Promise.all(clients);
    expect(failures.map(String)).toEqual([]);
    return reported;
  };
  return { writesMore, stop, acknowledgedAt };
}

it('goes on at a promoted replica: no acknowledged write is lost, none is made twice, and the pause is short', async () => {
  const rounds = testSize() === 'full' ? 5 : 1;
  for (let round = 0; round < rounds; round++) {
    const { cluster, urls, heir, other } = await startCluster();
    await synchronous(cluster);
    const database = await openDatabase(urls);
    const { db, request, one } = database;
    await request(async () => {
      await db.write(setRegister, ['before', 1]);
      const { writesMore, stop, acknowledgedAt } = load(database, 0);
      await writesMore(200);
      await cluster.primary.stop();
      await heir.promote();
      const promotedAt = performance.now();
      await writesMore(200);
      const pauseMs = (acknowledgedAt.find((at) => at > promotedAt) ?? Number.POSITIVE_INFINITY) - promotedAt;
      const reported = await stop();

      const { rows } = await db.read<{ id: number }>('select id from ledger', [], { level: 'strong' });
      const stored = new Set(rows.map(({ id }) => id));
      expect([...reported.acknowledged].filter((id) => !stored.has(id))).toEqual([]);
      expect(pauseMs).toBeLessThan(2_000);

      // A token of the timeline before: served by the promoted server, and by the other once it follows.
      expect(await one<Register>(getRegister, ['before'])).toMatchObject({ value: 1, port: heir.port });
      await other.follow(heir);
      await waitFor(async () => (await one<Register>(getRegister, ['before']))?.port === other.port);
      expect(db.topology()).toMatchObject({ timeline: 2, primary: { state: 'up' } });
    });
  }
});

it('neither reads from nor writes to a primary that was replaced and goes on, nor what follows it', async () => {
  const { cluster, urls, heir, other } = await startCluster();
  const { db, request, one } = await openDatabase(urls);
  await request(async () => {
    await db.write(setRegister, ['price', 1]);
    await cluster.caughtUp();
    await heir.promote(); // the old primary knows nothing of it, and the other replica goes on following that one
    await waitFor(() => db.topology().timeline === 2);

    const zombie = new pg.Client(urls.primary);
    await zombie.connect();
    zombie.on('error', () => undefined); // ends with its server
    onTestFinished(() => zombie.end());
    await zombie.query(setRegister, ['price', 1_000]);
    // The other one is ahead of the promoted server in bytes, with another history in them.
    await zombie.query(`insert into ledger select generate_series(1000, 20000)`);
    const behind = await zombie.query('select pg_current_wal_lsn()::text as lsn');
    const isThere = 'select where pg_last_wal_replay_lsn() >= $1::pg_lsn';
    await waitFor(async () => (await other.query(isThere, [behind.rows[0]?.lsn])).length > 0);

    await db.write(setRegister, ['price', 4_242]);
    for (let reads = 0; reads < 200; reads++) {
      expect(await one<Register>(getRegister, ['price'])).toMatchObject({ value: 4_242, port: heir.port });
      const level = 'eventual';
      expect(await one<Register>(getRegister, ['price'], { level })).toMatchObject({ port: heir.port });
    }
    const { rows } = await zombie.query(getRegister, ['price']);
    expect(rows).toMatchObject([{ value: 1_000 }]);
    expect(db.topology().replicas).toMatchObject([{ state: 'down' }, { state: 'down' }]);

    // Rebuilt, both serve again.
    await other.follow(heir);
    await cluster.primary.stop();
    await cluster.primary.follow(heir);
    await waitFor(() => db.topology().replicas.every(({ state }) => state === 'up' || state === 'warming'), {
      timeoutMs: 20_000,
    });
    await db.write(setRegister, ['price', 4_243]);
    expect(await one<Register>(getRegister, ['price'])).toMatchObject({ value: 4_243 });
  });
});

it('holds writes while there is no primary, and carries each out once when there is one', async () => {
  const { cluster, urls, heir } = await startCluster();
  const { db, request } = await openDatabase({
    primary: [urls.replicas[0] ?? '', urls.replicas[1] ?? '', urls.primary], // in any order
  });
  await db.write(setRegister, ['held', 0]);
  await cluster.caughtUp();
  await cluster.primary.stop();
  await waitFor(() => db.topology().primary.state === 'down');
  const add = `update registers set value = value + 1 where key = 'held'`;
  const held = Promise.all(Array.from({ length: 50 }, () => request(() => db.write(add))));
  await waitFor(() => db.topology().primary.waiting === 50);
  await heir.promote();
  await held;
  const { rows } = await db.read<Register>(getRegister, ['held'], { level: 'strong' });
  expect(rows).toMatchObject([{ value: 50, port: heir.port }]);
});

it('says within failoverWaitMs that nobody takes writes', async () => {
  const { cluster, urls } = await startCluster();
  const { db } = await openDatabase({ ...urls, failoverWaitMs: 300 });
  await cluster.primary.stop();
  await expect(db.write(setRegister, ['nobody', 1])).rejects.toMatchObject({
    code: 'PANDO_DB_NO_PRIMARY',
    retryable: true,
    status: 503,
  });
});
