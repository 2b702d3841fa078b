import { ClosedError } from '@pando/core';
import type { DatabaseOptions, PgPoolClient, PoolQueryResult } from '@pando/core/db';
import { waitFor } from '@pando/core/testing';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { testDatabase } from '../../infra/context.js';
import { openDatabase } from './open-database.js';

let urls: Awaited<ReturnType<typeof testDatabase>>;
let admin: pg.Client;

beforeAll(async () => {
  urls = await testDatabase();
  admin = new pg.Client(urls.primary);
  await admin.connect();
  await admin.query(
    'create table posts (id int generated always as identity primary key, title text unique)',
  );
});
afterAll(() => admin.end());

const open = async (options: Partial<DatabaseOptions> = {}) => {
  const opened = await openDatabase({ ...urls, ...options });
  return { ...opened, pool: opened.db.pool };
};
/** One connection to one server: whatever a client leaves behind, the next one would find. */
const alone = () => open({ replicas: [], pool: { size: 1, overflow: 0, acquireTimeoutMs: 2_000 } });

const where = 'select pg_is_in_recovery() as "isReplica", pg_backend_pid() as pid';
const insert = 'insert into posts (title) values ($1) returning id';
const find = 'select title, pg_is_in_recovery() as "isReplica" from posts where title = $1';

async function placeOf(client: Pick<PgPoolClient, 'query'>): Promise<{ isReplica: boolean; pid: number }> {
  const { rows } = await client.query<{ isReplica: boolean; pid: number }>(where);
  return rows[0] as { isReplica: boolean; pid: number };
}

describe('the pool', () => {
  it('answers as pg does: to texts and configs, with promises and callbacks', async () => {
    const { pool } = await open();
    const reference = new pg.Pool({ connectionString: urls.primary, max: 1 });
    onTestFinished(() => reference.end());
    const text = `select 1::int as one, 'a' as letter, $1::timestamptz as at`;
    const values = ['2026-01-01T00:00:00Z'];
    const plain = ({ command, rowCount, oid, rows, fields }: PoolQueryResult) => ({
      ...{ command, rowCount, oid, rows },
      fields: fields.map(({ name, dataTypeID, format }) => ({ name, dataTypeID, format })),
    });
    const types = { getTypeParser: () => (value: string) => `<${value}>` };
    for (const config of [
      { text, values },
      { text, values, rowMode: 'array' as const },
      { text, values, types },
      { text, values, name: 'a-name' },
    ]) {
      expect(plain(await pool.query(config))).toEqual(plain(await reference.query(config as never)));
    }
    expect(plain(await pool.query(text, values))).toEqual(plain(await reference.query(text, values)));
    const called = new Promise((resolve, reject) => {
      pool.query(text, values, (error, result) => (error ? reject(error) : resolve(result?.rowCount)));
    });
    expect(await called).toBe(1);
    const failed = new Promise((resolve) => pool.query('select * from nothing', resolve));
    expect(await failed).toMatchObject({ code: '42P01' });
    expect(() => pool.query(undefined as never)).toThrow('must be a text');
  });

  it('refuses cursors, which speak to a connection behind its back', async () => {
    const { pool } = await open();
    expect(() => pool.query(new pg.Query('select 1') as never)).toThrow('takes no cursors');
  });

  it('sends reads to replicas that show what was written before', async () => {
    const { pool, request, kernel } = await open();
    await request(async () => {
      for (let turn = 0; turn < 40; turn++) {
        await pool.query(insert, [`routed ${turn}`]);
        expect(kernel.contexts.current().written.db).toHaveLength(1);
        expect((await pool.query(find, [`routed ${turn}`])).rows).toHaveLength(1);
      }
      await waitFor(async () => (await placeOf(pool)).isReplica);
    });
  });

  it('gives clients by callback, too, and counts', async () => {
    const { pool } = await open();
    const pid = await new Promise((resolve, reject) => {
      pool.connect((error, client, done) => {
        if (error || client === undefined) return reject(error);
        client.query<{ pid: number }>(where, (failure, result) => {
          done();
          if (failure) reject(failure);
          else resolve(result?.rows[0]?.pid);
        });
      });
    });
    expect(pid).toEqual(expect.any(Number));
    expect(pool.totalCount).toBeGreaterThan(0);
    expect(pool.waitingCount).toBe(0);
    await waitFor(() => pool.idleCount === pool.totalCount);
  });

  it('ends when its clients are released, and leaves the database open', async () => {
    const { pool, db } = await open();
    const client = await pool.connect();
    const ended = pool.end();
    expect(pool.ending).toBe(true);
    expect(pool.ended).toBe(false);
    await client.query('select 1');
    client.release();
    await ended;
    expect(pool.ended).toBe(true);
    await expect(pool.connect()).rejects.toThrow(ClosedError);
    await expect(pool.query('select 1')).rejects.toThrow(ClosedError);
    await expect(pool.end()).rejects.toThrow('ended twice');
    expect((await db.read('select 1 as one')).rows).toEqual([{ one: 1 }]);
  });
});

describe('a client', () => {
  it('holds no connection while it only reads, and gives the one of a write back before it reads', async () => {
    const { pool } = await alone();
    const [first, second] = await Promise.all([pool.connect(), pool.connect()]);
    for (const client of [first, second, first]) {
      await client.query(insert, [null]);
      expect((await client.query('select lastval() > 0 as known')).rows).toEqual([{ known: true }]);
      await placeOf(client);
    }
    first.release();
    second.release();
    expect(() => first.release()).toThrow('released twice');
    await expect(first.query('select 1')).rejects.toThrow(ClosedError);
  });

  it('stays on the primary from begin to commit, and moves the token with it', async () => {
    const { pool, request, kernel } = await open();
    await request(async () => {
      const client = await pool.connect();
      expect((await client.query('begin')).command).toBe('BEGIN');
      const before = await placeOf(client);
      await client.query(insert, ['in a transaction']);
      expect((await client.query(find, ['in a transaction'])).rows).toEqual([
        { title: 'in a transaction', isReplica: false },
      ]);
      expect(await placeOf(client)).toEqual(before);
      expect(kernel.contexts.current().written.db).toEqual([]);
      expect(await client.query('commit')).toMatchObject({ command: 'COMMIT', rowCount: null });
      expect(kernel.contexts.current().written.db).toHaveLength(1);
      expect((await client.query(find, ['in a transaction'])).rows).toHaveLength(1);
      client.release();
    });
  });

  it('commits nothing without saying so', async () => {
    const { pool, request, kernel } = await open();
    await request(async () => {
      const client = await pool.connect();
      await client.query('begin');
      await client.query(insert, ['lost']);
      await expect(client.query('select 1 / 0')).rejects.toMatchObject({ code: '22012' });
      await expect(client.query('commit')).rejects.toMatchObject({
        code: 'PANDO_DB_ROLLED_BACK',
        cause: { code: '22012' },
      });
      await client.query('rollback');
      expect((await client.query(find, ['lost'])).rows).toEqual([]);
      await client.query('begin');
      await client.query(insert, ['taken back']);
      await client.query('savepoint a');
      await expect(client.query('select 1 / 0')).rejects.toMatchObject({ code: '22012' });
      await client.query('rollback to a');
      await client.query('rollback');
      expect((await client.query(find, ['taken back'])).rows).toEqual([]);
      await client.query('begin transaction isolation level repeatable read read only');
      await placeOf(client);
      await expect(client.query(insert, ['refused'])).rejects.toMatchObject({ code: '25006' });
      await client.query('rollback');
      client.release();
      expect(kernel.contexts.current().token.db).toEqual(kernel.contexts.current().written.db);
    });
  });

  it('shows its commit also when it was part of a longer text, or chained', async () => {
    const { pool, request } = await open();
    for (let turn = 0; turn < 20; turn++) {
      await request(async () => {
        const client = await pool.connect();
        await client.query(`begin; insert into posts (title) values ('text ${turn}'); commit`);
        client.release();
        expect((await pool.query(find, [`text ${turn}`])).rows).toHaveLength(1);
      });
      await request(async () => {
        const client = await pool.connect();
        await client.query('begin');
        await client.query(insert, [`chain ${turn}`]);
        await client.query('commit and chain');
        client.release();
        expect((await pool.query(find, [`chain ${turn}`])).rows).toHaveLength(1);
      });
    }
  });

  it('runs what is not awaited in order', async () => {
    const { pool } = await open();
    const client = await pool.connect();
    const results = await Promise.all([
      client.query('begin'),
      client.query(insert, ['in order']),
      client.query(find, ['in order']),
      client.query('rollback'),
      client.query(find, ['in order']),
    ]);
    client.release();
    expect(results.map(({ rowCount }) => rowCount)).toEqual([null, 1, 1, null, 0]);
  });

  it.each([
    ['a setting', `set search_path = pg_catalog`, `select current_setting('search_path') as found`],
    ['a time limit', `set statement_timeout = 7`, `select current_setting('statement_timeout') as found`],
    [
      'a setting by function',
      `select set_config('app.user', 'me', false)`,
      `select current_setting('app.user', true) as found`,
    ],
    ['a role', 'set role pg_monitor', 'select current_user as found'],
    [
      'a temporary table',
      'create temp table scratch (a int)',
      `select to_regclass('pg_temp.scratch') as found`,
    ],
    ['a subscription', 'listen a', 'select array(select pg_listening_channels()) as found'],
    [
      'a statement',
      'prepare a as select 1',
      `select count(*) as found from pg_prepared_statements where from_sql`,
    ],
    [
      'a lock',
      'select pg_advisory_lock(7)',
      `select count(*) as found from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()`,
    ],
    ['a cursor', 'declare a cursor with hold for select 1', 'select count(*) as found from pg_cursors'],
    ['a transaction', 'begin', `select pg_current_xact_id_if_assigned() as found`],
  ])('that leaves %s behind finds it again, and the next one does not', async (_, leave, look) => {
    const { pool } = await alone();
    const before = (await pool.query(look)).rows;
    const client = await pool.connect();
    await client.query(leave);
    if (leave === 'begin') await client.query(insert, ['never committed']);
    const { pid } = await placeOf(client);
    expect((await client.query(look)).rows).not.toEqual(before);
    client.release();
    expect((await pool.query(look)).rows.map((row) => normal(row))).toEqual(before.map((row) => normal(row)));
    expect((await placeOf(pool)).pid).toBe(pid); // the connection was cleaned, not thrown away
    expect((await pool.query(find, ['never committed'])).rows).toEqual([]);
  });

  it('is cut off where it cannot be cleaned, or is released with an error', async () => {
    const { pool } = await alone();
    const first = await pool.connect();
    await first.query('begin; select 1');
    const { pid } = await placeOf(first);
    first.release();
    const second = await pool.connect();
    await second.query('set search_path = pg_catalog');
    const other = (await placeOf(second)).pid;
    expect(other).not.toBe(pid);
    second.release(true);
    expect((await placeOf(pool)).pid).not.toBe(other);
  });

  it('hears what it listens to', async () => {
    const { pool } = await open();
    const client = await pool.connect();
    const heard: unknown[] = [];
    client.on('notification', (message) => heard.push(message.payload));
    await client.query('listen news');
    await admin.query(`notify news, 'hello'`);
    await waitFor(() => heard.length > 0);
    expect(heard).toEqual(['hello']);
    client.release();
  });

  it('finds out that nothing was committed when the connection is lost at commit', async () => {
    const { pool } = await alone();
    await admin.query(`
      create table slow (id int);
      create function linger() returns trigger language plpgsql as 'begin perform pg_sleep(60); return null; end';
      create constraint trigger slow after insert on slow deferrable initially deferred
        for each row execute function linger()`);
    const client = await pool.connect();
    await client.query('begin');
    const { pid } = await placeOf(client);
    await client.query('insert into slow values (1)');
    const committed = expect(client.query('commit')).rejects.toMatchObject({
      code: 'PANDO_DB_CONNECTION_LOST',
    });
    const running = `select 1 from pg_stat_activity where pid = $1 and wait_event = 'PgSleep'`;
    await waitFor(async () => (await admin.query(running, [pid])).rowCount === 1);
    await admin.query('select pg_terminate_backend($1)', [pid]);
    await committed;
    client.release();
    expect((await pool.query('select * from slow')).rows).toEqual([]);
  });

  it('tells of a lost connection, and the next one has another', async () => {
    const { pool } = await alone();
    const client = await pool.connect();
    const errors: Error[] = [];
    client.on('error', (error) => errors.push(error));
    await client.query('begin');
    const { pid } = await placeOf(client);
    await admin.query('select pg_terminate_backend($1)', [pid]);
    await waitFor(() => errors.length > 0);
    await expect(client.query('select 1')).rejects.toMatchObject({ code: 'PANDO_DB_CONNECTION_LOST' });
    await expect(client.query('commit')).rejects.toMatchObject({ code: 'PANDO_DB_CONNECTION_LOST' });
    client.release();
    expect((await placeOf(pool)).pid).not.toBe(pid);
  });
});

/** What was never set and what was set back differ in Postgres: null and ''. */
const normal = (row: object) => Object.values(row).map((value) => value ?? '');
