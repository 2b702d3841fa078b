import type { ReadOptions } from '@pando/core/db';
import { createTestCluster, type DatabaseUrls, type TestServer, waitFor } from '@pando/core/testing';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { testSize } from '../infra/context.js';
import {
  createRegisters,
  getRegister,
  openDatabase,
  type Register,
  setRegister,
} from '../integration/db/open-database.js';

let cluster: Awaited<ReturnType<typeof createTestCluster>>;
let urls: DatabaseUrls;

beforeAll(async () => {
  cluster = await createTestCluster({
    settings: { max_standby_streaming_delay: '100ms', autovacuum: 'off' },
  });
  urls = await cluster.createDatabase('replay');
  const setup = await import('pg').then(({ default: pg }) => new pg.Client(urls.primary));
  await setup.connect();
  await setup.query(createRegisters);
  await setup.end();
  await cluster.caughtUp();
});

afterEach(async () => {
  for (const replica of cluster.replicas) await replica.resumeReplay();
  await cluster.caughtUp();
});

afterAll(() => cluster.close());

const open = (options = {}) => openDatabase({ ...urls, ...options });
const portsOf = (servers: readonly TestServer[]) => servers.map(({ port }) => port);

it('never shows the past to who has written while both replicas stand still', async () => {
  const { db, request, one, reach } = await open();
  for (const replica of cluster.replicas) await replica.pauseReplay();
  const rounds = testSize() === 'full' ? 10 : 1;
  let stale = 0;
  for (let round = 1; round <= rounds; round++) {
    await request(async () => {
      await db.write(setRegister, ['paused', round]);
      for (let batch = 0; batch < 10; batch++) {
        const reads = Array.from({ length: 100 }, () => one<Register>(getRegister, ['paused']));
        for (const row of await Promise.all(reads)) {
          if (row?.value !== round) stale++;
          expect(row?.isReplica).toBe(false);
        }
      }
    });
  }
  expect(stale).toBe(0);

  for (const replica of cluster.replicas) await replica.resumeReplay();
  await cluster.caughtUp();
  await reach('up', 'up');
  await waitFor(() =>
    request(async () => {
      await db.write(setRegister, ['paused', -1]);
      return (await one<Register>(getRegister, ['paused']))?.isReplica;
    }),
  );
});

it('reads from the replica that goes on while the other stands still', async () => {
  const { db, request, one } = await open({ replicaWaitMs: 5_000 });
  const [paused, live] = cluster.replicas;
  await paused?.pauseReplay();
  await request(async () => {
    for (let value = 1; value <= 50; value++) {
      await db.write(setRegister, ['half', value]);
      expect(await one<Register>(getRegister, ['half'])).toMatchObject({ value, port: live?.port });
    }
  });
  const others = await Promise.all(
    Array.from({ length: 40 }, () => request(() => one<Register>(getRegister, ['half']))),
  );
  expect(new Set(others.map((row) => row?.port ?? paused?.port))).toEqual(new Set(portsOf(cluster.replicas)));
});

it('never goes back behind what was read, at the level monotonic', async () => {
  const { db, request, one } = await open({ level: 'monotonic' });
  const [paused, live] = cluster.replicas;
  await paused?.pauseReplay();
  let back = 0;
  for (let value = 1; value <= 20; value++) {
    await request(() => db.write(setRegister, ['monotonic', value])); // somebody else's
    await request(async () => {
      const read = async (options?: ReadOptions) => one<Register>(getRegister, ['monotonic'], options);
      const fresh = await waitFor(async () => {
        const row = await read();
        return row?.value === value && row;
      });
      expect(fresh.port).not.toBe(paused?.port);
      // Several at a time, or all of them might take the one way that is quicker now.
      const elsewhere = Promise.all(Array.from({ length: 10 }, () => read({ level: 'eventual' })));
      for (let again = 0; again < 10; again++) expect(await read()).toMatchObject({ value });
      back += (await elsewhere).filter((row) => row?.value !== value).length;
    });
  }
  expect(back).toBeGreaterThan(0); // the other replica was in rotation all the time
  await live?.pauseReplay();
  await request(() => db.write(setRegister, ['monotonic', 0]));
  await request(async () => {
    const strong = await one<Register>(getRegister, ['monotonic'], { level: 'strong' });
    expect(strong).toMatchObject({ value: 0, isReplica: false });
    expect(await one<Register>(getRegister, ['monotonic'])).toMatchObject({ value: 0, isReplica: false });
  });
});

it('takes a replica out of rotation when it is too far behind, and back when it has caught up', async () => {
  const { db, reach, request, one } = await open({ maxLagMs: 300, warmupMs: 200 });
  const [paused, live] = cluster.replicas;
  await paused?.pauseReplay();
  const writer = setInterval(() => void db.write(setRegister, ['lag', Date.now() % 1_000]), 20);
  try {
    await reach('lagging', 'up');
    const rows = await Promise.all(
      Array.from({ length: 20 }, () =>
        request(() => one<Register>(getRegister, ['lag'], { level: 'eventual' })),
      ),
    );
    expect(new Set(rows.map((row) => row?.port))).toEqual(new Set([live?.port]));
    await paused?.resumeReplay();
    await reach('warming', 'up');
    await reach('up', 'up');
  } finally {
    clearInterval(writer);
  }
});

it('waits for a replica that is a little behind', async () => {
  const { db, request, one } = await open({ replicaWaitMs: 2_000 });
  for (const replica of cluster.replicas) await replica.delayReplay(100);
  try {
    await request(async () => {
      await db.write(setRegister, ['delayed', 1]);
      expect(await one<Register>(getRegister, ['delayed'])).toMatchObject({ value: 1, isReplica: true });
    });
  } finally {
    for (const replica of cluster.replicas) await replica.delayReplay(0);
  }
});

it.each([
  { what: 'vacuum', table: 'crowd', texts: ['delete from crowd where id > 500', 'vacuum crowd'], left: 500 },
  { what: 'truncate', table: 'throng', texts: ['truncate throng'], left: 0 },
])('runs a read that conflicts with the replay of $what again elsewhere', async ({ table, texts, left }) => {
  const { db, one } = await open();
  const before = 1_000;
  await db.write(`create table ${table} as select generate_series(1, ${before}) as id`);
  await cluster.caughtUp();
  const slow = `select count(*)::int as count, pg_is_in_recovery() as "isReplica" from ${table}, pg_sleep(3) as pause`;
  const reads = [one<{ count: number }>(slow), one<{ count: number }>(slow)];
  const running = `select from pg_stat_activity where query like '%from ${table}, pg_sleep%' and backend_xmin is not null
    and pid <> pg_backend_pid()`;
  await waitFor(async () => {
    const found = await Promise.all(cluster.replicas.map((replica) => replica.query(running)));
    return found.flat().length === reads.length;
  });
  const conflicts = () =>
    cluster.replicas.map((replica) => replica.log().split('conflict with recovery').length - 1);
  const earlier = conflicts();
  for (const text of texts) await db.write(text);
  for (const row of await Promise.all(reads)) expect([left, before]).toContain(row?.count);
  expect(conflicts()).not.toEqual(earlier);
});

it('names a position that replicas reach although the last page is exactly full', async () => {
  const { db, request, one } = await open({ replicaWaitMs: 4_000 });
  const insertedUpTo = async () => {
    const [row] = await cluster.primary.query(`select (pg_current_wal_insert_lsn() - '0/0')::text as lsn`);
    return Number(row?.lsn);
  };
  const message = `select pg_logical_emit_message(true, '', repeat('x', $1)), set_config('synchronous_commit', 'off', false)`;
  await request(async () => {
    let isFull = false;
    for (let attempt = 1; attempt <= 60 && !isFull; attempt++) {
      const before = await insertedUpTo();
      await db.write(message, [8]);
      const cost = (await insertedUpTo()) - before; // of the records, for 8 bytes; grows by 8 with each 8
      const left = 8_192 - ((before + cost) % 8_192);
      if (left < cost || left > 4_000) {
        await db.write(message, [Math.max(8, (left - 2_000) % 4_000)]);
        continue;
      }
      await db.write(message, [8 + left - cost]);
      isFull = (await insertedUpTo()) % 8_192 === 24;
    }
    expect(isFull).toBe(true);
    const began = performance.now();
    expect(await one('select pg_is_in_recovery() as "isReplica"')).toEqual({ isReplica: true });
    expect(performance.now() - began).toBeLessThan(2_000);
  });
});
