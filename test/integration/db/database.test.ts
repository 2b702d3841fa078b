import { createDatabase, type DatabaseOptions, DatabaseUnreachableError } from '@pando/core/db';
import { createTcpProxy, freePort, waitFor } from '@pando/core/testing';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { testDatabase } from '../../infra/context.js';
import { createRegisters, openDatabase, setRegister } from './open-database.js';

let urls: Awaited<ReturnType<typeof testDatabase>>;
let admin: pg.Client;

beforeAll(async () => {
  urls = await testDatabase();
  admin = new pg.Client(urls.primary);
  await admin.connect();
  await admin.query(`
    ${createRegisters};
    create table visits (id int generated always as identity primary key, note text unique deferrable);
    create sequence numbers;
  `);
});

afterAll(() => admin.end());

const open = async (options: Partial<DatabaseOptions> = {}) => {
  const opened = await openDatabase({ ...urls, ...options });
  const pid = async () => (await opened.one<{ pid: number }>('select pg_backend_pid() as pid'))?.pid;
  return { ...opened, pid };
};

const servedBy = `select inet_server_port() as port, pg_is_in_recovery() as is_replica`;

describe('a database with two replicas', () => {
  it('shows every write to the reads after it, on replicas', async () => {
    const { db, request } = await open();
    let onReplica = 0;
    const sessions = Array.from({ length: 8 }, (_, session) =>
      request(async () => {
        for (let value = 1; value <= 40; value++) {
          if (value % 2) await db.write(setRegister, [`session-${session}`, value]);
          else await db.transaction((tx) => tx.query(setRegister, [`session-${session}`, value]));
          const { rows } = await db.read<{ value: number; is_replica: boolean }>(
            'select value, pg_is_in_recovery() as is_replica from registers where key = $1',
            [`session-${session}`],
          );
          expect(rows[0]?.value).toBe(value);
          if (rows[0]?.is_replica) onReplica++;
        }
      }),
    );
    await Promise.all(sessions);
    expect(onReplica).toBeGreaterThan(80);
  });

  it('does so with synchronous_commit = off', async () => {
    const name = new URL(urls.primary).pathname.slice(1);
    await admin.query(`alter database "${name}" set synchronous_commit = off`);
    onTestFinished(async () => void (await admin.query(`alter database "${name}" reset synchronous_commit`)));
    const { db, request } = await open();
    await request(async () => {
      for (let value = 1; value <= 50; value++) {
        await db.write(setRegister, ['async', value]);
        const { rows } = await db.read('select value from registers where key = $1', ['async']);
        expect(rows).toEqual([{ value }]);
      }
    });
  });

  it('does so with synchronous_commit = off of one transaction', async () => {
    const { db, request } = await open();
    await request(async () => {
      for (let value = 1; value <= 50; value++) {
        await db.transaction(async (tx) => {
          await tx.query('set local synchronous_commit = off');
          await tx.query(setRegister, ['local', value]);
        });
        expect((await db.read('select value from registers where key = $1', ['local'])).rows).toEqual([
          { value },
        ]);
      }
    });
  });

  it('spreads reads over the replicas', async () => {
    const { db } = await open();
    const reads = await Promise.all(Array.from({ length: 40 }, () => db.read<{ port: number }>(servedBy)));
    expect(new Set(reads.map(({ rows }) => rows[0]?.port)).size).toBe(2);
    const strong = await db.read(servedBy, [], { level: 'strong' });
    expect(strong.rows).toMatchObject([{ is_replica: false }]);
  });

  it.each([
    ['an insert', `insert into visits (note) values ('misrouted') returning note`, { note: 'misrouted' }],
    ['a lock', `select key from registers where key = 'nobody' for update`, undefined],
    ['a sequence', `select nextval('numbers')::int > 0 as moved`, { moved: true }],
  ])('runs a read that turns out to be %s on the primary', async (_, sql, row) => {
    const { db } = await open();
    expect((await db.read(sql)).rows[0]).toEqual(row);
  });

  it("gives rows, counts and the server's errors", async () => {
    const { db } = await open();
    const inserted = await db.write(`insert into visits (note) values ('a'), ('b') returning note`);
    expect(inserted).toMatchObject({ rowCount: 2, rows: [{ note: 'a' }, { note: 'b' }] });
    expect(await db.write(`update visits set note = note where note = 'nobody'`)).toMatchObject({
      rowCount: 0,
    });
    await expect(db.write(`insert into visits (note) values ('a')`)).rejects.toMatchObject({
      code: '23505',
      constraint: 'visits_note_key',
    });
    await expect(db.read('select * from nothing')).rejects.toMatchObject({ code: '42P01' });
    await expect(db.read('select $1::int', ['no number'])).rejects.toMatchObject({ code: '22P02' });
    expect((await db.read('select 1 as one')).rows).toEqual([{ one: 1 }]);
  });

  it('keeps its connections when statements fail', async () => {
    const { db, pid } = await open({ replicas: [] });
    const before = await pid();
    for (let i = 0; i < 50; i++) {
      await expect(db.write('insert into registers values (null, 1)')).rejects.toMatchObject({
        code: '23502',
      });
      await expect(db.transaction((tx) => tx.query('select 1 / 0'))).rejects.toMatchObject({ code: '22012' });
    }
    expect(await pid()).toBe(before);
  });

  it('closes a connection that a failed statement has left in a transaction', async () => {
    const { db, pid } = await open({ replicas: [] });
    const before = await pid();
    await expect(db.read('begin; select 1 / 0')).rejects.toMatchObject({ code: '22012' });
    expect(await pid()).not.toBe(before);
  });

  it('works with one server just the same', async () => {
    const { db, request } = await open({ replicas: [] });
    await request(async () => {
      await db.write(setRegister, ['single', 1]);
      expect((await db.read('select value from registers where key = $1', ['single'])).rows).toEqual([
        { value: 1 },
      ]);
    });
    expect(db.topology()).toMatchObject({ primary: { state: 'up' }, replicas: [] });
  });
});

describe('a transaction', () => {
  it('has the isolation and the access that were asked for', async () => {
    const { db } = await open();
    const characteristics = (options: object) =>
      db.transaction(async (tx) => {
        const { rows } = await tx.query(
          `select current_setting('transaction_isolation') as isolation, current_setting('transaction_read_only') as ro`,
        );
        return rows[0];
      }, options);
    expect(await characteristics({})).toEqual({ isolation: 'read committed', ro: 'off' });
    expect(await characteristics({ isolation: 'serializable' })).toEqual({
      isolation: 'serializable',
      ro: 'off',
    });
    expect(await characteristics({ isolation: 'repeatable read', readOnly: true })).toEqual({
      isolation: 'repeatable read',
      ro: 'on',
    });
  });

  it('rejects with what COMMIT rejects with', async () => {
    const { db } = await open();
    const work = db.transaction(async (tx) => {
      await tx.query('set constraints all deferred');
      await tx.query(`insert into visits (note) values ('twice'), ('twice')`);
    });
    await expect(work).rejects.toMatchObject({ code: '23505' });
  });

  it('does not commit what had failed, although nobody noticed', async () => {
    const { db } = await open();
    const work = db.transaction(async (tx) => {
      await tx.query(setRegister, ['unnoticed', 1]);
      await tx.query('select 1 / 0').catch(() => undefined);
    });
    await expect(work).rejects.toMatchObject({ code: 'PANDO_DB_ROLLED_BACK', cause: { code: '22012' } });
    expect(
      (await db.read(`select from registers where key = 'unnoticed'`, [], { level: 'strong' })).rowCount,
    ).toBe(0);
  });

  it('runs statements that were not awaited before it commits', async () => {
    const { db } = await open();
    await db.transaction(async (tx) => {
      void tx.query(setRegister, ['floating', 1]);
      void tx.query(setRegister, ['floating', 2]);
    });
    const { rows } = await db.read(`select value from registers where key = 'floating'`);
    expect(rows).toEqual([{ value: 2 }]);
  });

  it('cancels what still runs when it is given up', async () => {
    const { db } = await open({ replicas: [] });
    const began = performance.now();
    const work = db.transaction(async (tx) => {
      tx.query('select pg_sleep(20)').catch(() => undefined);
      throw new Error('given up');
    });
    await expect(work).rejects.toThrow('given up');
    expect(performance.now() - began).toBeLessThan(5_000);
    await waitFor(() => db.topology().primary.inUse === 0);
  });
});

describe('limits', () => {
  it('cancel the statement of an aborted read and keep its connection', async () => {
    const { db, pid } = await open({ replicas: [] });
    const before = await pid();
    for (let i = 0; i < 20; i++) {
      const signal = AbortSignal.timeout(5);
      await expect(db.read('select pg_sleep(20)', [], { signal })).rejects.toMatchObject({
        name: 'TimeoutError',
      });
      expect((await db.read('select 1 as one')).rows).toEqual([{ one: 1 }]); // not hit by the cancellation
    }
    expect((await admin.query('select from pg_stat_activity where pid = $1', [before])).rowCount).toBe(1);
    const running = await admin.query(
      `select from pg_stat_activity where query like '%pg_sleep(20)%' and state = 'active' and pid <> pg_backend_pid()`,
    );
    expect(running.rowCount).toBe(0);
  });

  it('cancel an aborted write, which then has no effect', async () => {
    const { db } = await open();
    const signal = AbortSignal.timeout(20);
    const sql = `with slept as (select pg_sleep(20)) insert into registers select 'aborted', 1 from slept`;
    await expect(db.write(sql, [], { signal })).rejects.toMatchObject({ name: 'TimeoutError' });
    expect(
      (await db.read(`select from registers where key = 'aborted'`, [], { level: 'strong' })).rowCount,
    ).toBe(0);
  });

  it('end statements that take too long', async () => {
    const { db } = await open({ statementTimeoutMs: 50 });
    await expect(db.read('select pg_sleep(20)')).rejects.toMatchObject({ code: '57014' });
    await expect(db.write('select pg_sleep(20)')).rejects.toMatchObject({ code: '57014' });
  });

  it('let 200 callers share 3 connections', async () => {
    const { db } = await open({ name: 'sharing', replicas: [], pool: { size: 2, overflow: 1 } });
    const rows = await Promise.all(
      Array.from(
        { length: 200 },
        async (_, i) => (await db.read<{ n: number }>('select $1::int as n', [i])).rows[0]?.n,
      ),
    );
    expect(rows).toEqual(Array.from({ length: 200 }, (_, i) => i));
    const { rows: sessions } = await admin.query(
      `select count(*)::int as count from pg_stat_activity where application_name = 'pando:sharing' and datname = current_database()`,
    );
    expect(sessions[0]?.count).toBeLessThanOrEqual(4);
  });
});

describe('starting', () => {
  it('tells in one line which server cannot be reached, and what to do, without credentials', async () => {
    const port = await freePort();
    const primary = `postgres://app:hunter2@127.0.0.1:${port}/blog`;
    const db = createDatabase({ primary, startTimeoutMs: 300 });
    onTestFinished(() => db.close());
    const error: DatabaseUnreachableError = await db.start().then(
      () => expect.fail('started'),
      (reason) => reason,
    );
    expect(error).toBeInstanceOf(DatabaseUnreachableError);
    expect(error.message).toBe(
      `cannot use the primary database 127.0.0.1:${port}/blog: connect ECONNREFUSED 127.0.0.1:${port}. Start Postgres there, or correct db.primary.`,
    );
  });

  it('gives up at once when waiting will not help', async () => {
    const url = new URL(urls.primary);
    url.pathname = '/nowhere';
    const db = createDatabase({ primary: url.href, startTimeoutMs: 60_000 });
    onTestFinished(() => db.close());
    await expect(db.start()).rejects.toMatchObject({
      code: 'PANDO_DB_UNREACHABLE',
      message: `cannot use the primary database ${url.host}/nowhere: database "nowhere" does not exist. Correct the credentials or the name of the database in db.primary.`,
    });
  });

  it('refuses a replica as primary', async () => {
    const [replica = ''] = urls.replicas;
    const db = createDatabase({ primary: replica, startTimeoutMs: 300 });
    onTestFinished(() => db.close());
    await expect(db.start()).rejects.toThrow('cannot be used as primary: it is in recovery');
  });

  it('takes settings in place of a URL', async () => {
    const { hostname, port, pathname, username } = new URL(urls.primary);
    const { db } = await open({
      replicas: [],
      primary: {
        host: hostname,
        port: Number(port),
        database: pathname.slice(1),
        user: username,
        password: async () => 'unused',
      },
    });
    expect((await db.read('select 1 as one')).rows).toEqual([{ one: 1 }]);
  });
});

describe('positions', () => {
  it('cost no round trip of their own', async () => {
    const { hostname, port } = new URL(urls.primary);
    await using proxy = await createTcpProxy({ target: { host: hostname, port: Number(port) } });
    const { db } = await openDatabase({ primary: proxy.url(urls.primary) });
    await db.write(setRegister, ['distant', 1]); // there is a connection now
    const oneWayMs = 100;
    proxy.latency(oneWayMs);
    const took = async (work: () => Promise<unknown>) => {
      const began = performance.now();
      await work();
      return (performance.now() - began) / (2 * oneWayMs);
    };
    expect(Math.floor(await took(() => db.write(setRegister, ['distant', 2])))).toBe(1);
    // BEGIN travels with the first statement, what is asked around COMMIT with COMMIT.
    const transaction = () => db.transaction((tx) => tx.query(setRegister, ['distant', 3]));
    expect(Math.floor(await took(transaction))).toBe(2);
  });
});
