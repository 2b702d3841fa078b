import { createDatabase } from '@pando/core/db';
import { createTcpProxy, waitFor } from '@pando/core/testing';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { parseLsn } from '../../../packages/core/src/db/position.js';
import { randomOf } from '../../../packages/core/src/testing/random.js';
import { seed, testDatabase } from '../../infra/context.js';
import { createRegisters, openDatabase, setRegister } from './open-database.js';

let urls: Awaited<ReturnType<typeof testDatabase>>;
let admin: pg.Client;

beforeAll(async () => {
  urls = await testDatabase();
  admin = new pg.Client(urls.primary);
  await admin.connect();
  await admin.query(createRegisters);
});
afterAll(() => admin.end());

const alone = { size: 1, overflow: 0 };

describe('the position of a write', () => {
  const slot = () => new URL(urls.primary).pathname.slice(1);
  beforeAll(async () => {
    await admin.query('create publication everything for all tables');
    await admin.query(`select pg_create_logical_replication_slot($1, 'pgoutput')`, [slot()]);
    return async () => void (await admin.query('select pg_drop_replication_slot($1)', [slot()]));
  });

  /** Where the record of the latest commit ends, as the log itself tells. */
  const endOfCommit = () =>
    waitFor(async () => {
      const { rows } = await admin.query<{ lsn: string }>(
        `select lsn from pg_logical_slot_get_binary_changes($1, null, null, 'proto_version', '1', 'publication_names', 'everything')
         where get_byte(data, 0) = ascii('C')`,
        [slot()],
      );
      const last = rows.at(-1);
      return last && parseLsn(last.lsn);
    });

  const set = `insert into registers values ('position', 1) on conflict (key) do update set value = registers.value + 1`;
  type Opened = Awaited<ReturnType<typeof openDatabase>>;
  const ways: readonly (readonly [string, (opened: Opened) => Promise<unknown>])[] = [
    ['a write', ({ db }) => db.write(set)],
    ['a write behind WITH', ({ db }) => db.query(`with written as (${set} returning value) table written`)],
    ['several statements at once', ({ db }) => db.query(`${set}; ${set}; select 1`)],
    ['a transaction', ({ db }) => db.transaction((tx) => tx.query(set))],
    [
      'a transaction that is not flushed at its commit',
      ({ db }) =>
        db.transaction(async (tx) => {
          await tx.query('set local synchronous_commit = off');
          await tx.query(set);
        }),
    ],
    [
      'a transaction of a pooled client',
      async ({ db }) => {
        const client = await db.pool.connect();
        for (const text of ['begin', 'set local synchronous_commit = off', set, 'commit'])
          await client.query(text);
        client.release();
      },
    ],
  ];

  it.each(ways)('lies behind the commit of %s, to the byte', async (_, write) => {
    const opened = await openDatabase({ primary: urls.primary, pool: alone });
    const { request, kernel } = opened;
    for (let turn = 0; turn < 5; turn++) {
      await request(async () => {
        await write(opened);
        const [written] = kernel.contexts.current().written.db;
        expect(written?.lsn).toBeGreaterThanOrEqual(await endOfCommit());
      });
    }
  });
});

describe('a transaction', () => {
  it('whose statements run all at once rejects with the first error, and leaves nothing', async () => {
    const { db } = await openDatabase({ primary: urls.primary, pool: alone });
    const work = db.transaction((tx) =>
      Promise.all([
        tx.query(setRegister, ['at once', 1]),
        tx.query('select 1 / 0'),
        tx.query(setRegister, ['at once', 2]),
      ]),
    );
    await expect(work).rejects.toMatchObject({ code: '22012' });
    expect((await db.read(`select from registers where key = 'at once'`)).rowCount).toBe(0);
  });
});

describe('a cancellation', () => {
  it('hits nothing but the statement that was given up, however late it comes', async () => {
    const random = randomOf(seed());
    const { hostname, port } = new URL(urls.primary);
    await using proxy = await createTcpProxy({ target: { host: hostname, port: Number(port) } });
    proxy.latency(1, 2);
    const { db } = await openDatabase({ primary: proxy.url(urls.primary), pool: alone });
    let given = 0;
    for (let turn = 0; turn < 60; turn++) {
      const leaving = new AbortController();
      const timer = setTimeout(() => leaving.abort(new Error('left')), random() * 8);
      await db.read('select pg_sleep(0.002)', [], { signal: leaving.signal }).catch((error: Error) => {
        expect(error.message).toBe('left');
        given++;
      });
      clearTimeout(timer);
      expect((await db.read('select pg_sleep(0.005)')).rowCount).toBe(1);
    }
    expect(given).toBeGreaterThan(0);
  });
});

describe('a session that the server ends', () => {
  it('is an error of whoever uses it, and of nobody while it is idle', async () => {
    const { db } = await openDatabase({
      primary: urls.primary,
      name: 'ended',
      pool: { size: 4, overflow: 0 },
    });
    const pids = () =>
      Promise.all(
        Array.from({ length: 4 }, () =>
          db.read<{ pid: number }>('select pg_backend_pid() as pid, pg_sleep(0.05)'),
        ),
      ).then((results) => results.map(({ rows }) => rows[0]?.pid));
    const before = await pids();
    expect(new Set(before).size).toBe(4);
    const work = db.transaction(async (tx) => {
      await tx.query('select 1');
      await admin.query('select pg_terminate_backend(pid) from unnest($1::int[]) pid', [before]);
      await waitFor(() => db.topology().primary.idle === 0);
      await tx.query('select 1');
    });
    await expect(work).rejects.toMatchObject({ code: 'PANDO_DB_CONNECTION_LOST' });
    expect((await pids()).filter((pid) => before.includes(pid))).toEqual([]);
  });
});

describe('serializable', () => {
  it('is what the primary is for: no standby can give it', async () => {
    const where = 'select pg_is_in_recovery() as "isReplica"';
    const { db } = await openDatabase({ ...urls });
    const { rows } = await db.transaction((tx) => tx.query(where), {
      isolation: 'serializable',
      readOnly: true,
    });
    expect(rows).toEqual([{ isReplica: false }]);
    const client = await db.pool.connect();
    await client.query('begin transaction isolation level serializable read only');
    expect((await client.query(where)).rows).toEqual([{ isReplica: false }]);
    await client.query('commit');
    client.release();
  });

  it('as the default of a database takes its replicas out of rotation, which say why', async () => {
    const name = new URL(urls.primary).pathname.slice(1);
    await admin.query(`alter database "${name}" set default_transaction_isolation = serializable`);
    onTestFinished(async () => {
      await admin.query(`alter database "${name}" reset default_transaction_isolation`);
    });
    const db = createDatabase(urls);
    onTestFinished(() => db.close());
    await db.start();
    await waitFor(() => db.topology().replicas.every(({ reason }) => reason?.includes('serializable')));
    expect((await db.read('select pg_is_in_recovery() as "isReplica"')).rows).toEqual([{ isReplica: false }]);
  });
});
