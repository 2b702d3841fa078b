import { createDatabase, type Database } from '@pando/core/db';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { createPgDriver } from '../../../packages/core/src/db/drivers/pg.js';
import { resolveDatabaseOptions } from '../../../packages/core/src/db/options.js';
import type { ResolvedServer } from '../../../packages/core/src/db/server-options.js';
import { createKernel } from '../../../packages/core/src/kernel/kernel.js';
import { testDatabase } from '../../infra/context.js';
import { startPgBouncer } from '../../infra/pgbouncer.js';

let urls: Awaited<ReturnType<typeof testDatabase>>;
let admin: pg.Client;

beforeAll(async () => {
  urls = await testDatabase();
  admin = new pg.Client(urls.primary);
  await admin.connect();
});
afterAll(() => admin.end());

/** One connection to each server: what one call leaves behind would meet the next. */
function open({ primary = urls.primary, replicas = [] as readonly string[] } = {}): Database {
  const db = createDatabase({ primary, replicas, pool: { size: 1, overflow: 0 } });
  onTestFinished(() => db.close());
  return db;
}

const first = async (result: Promise<{ rows: Record<string, unknown>[] }>) =>
  (await result).rows[0]?.found ?? '';
const pidOf = (db: Database) => first(db.read('select pg_backend_pid() as found', [], { level: 'strong' }));

const left = [
  ['a setting', `set search_path = pg_catalog`, `select current_setting('search_path') as found`],
  [
    'a setting by function',
    `select set_config('app.tenant', '7', false)`,
    `select current_setting('app.tenant', true) as found`,
  ],
  ['a role', 'set role pg_monitor', 'select current_user as found'],
  [
    'a temporary table',
    'create temp table scratch (a int)',
    `select to_regclass('pg_temp.scratch') as found`,
  ],
  [
    'a subscription',
    'listen news',
    'select cardinality(array(select pg_listening_channels()))::text as found',
  ],
  [
    'a prepared statement',
    'prepare one as select 1',
    `select count(*)::text as found from pg_prepared_statements where from_sql`,
  ],
  [
    'an advisory lock',
    'select pg_advisory_lock(7)',
    `select count(*)::text as found from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()`,
  ],
] as const;

type Leave = (db: Database, text: string) => Promise<unknown>;
const ways: readonly (readonly [string, Leave])[] = [
  ['db.query', (db, text) => db.query(text)],
  ['db.write', (db, text) => db.write(text)],
  ['db.read', (db, text) => db.read(text)],
  ['a transaction', (db, text) => db.transaction((tx) => tx.query(text))],
];
const cases = ways.flatMap(([way, leave]) =>
  left.map(([what, text, look]) => ({ way, what, leave, text, look })),
);

describe('the next borrower of a connection', () => {
  it.each(cases)('finds nothing of $what that $way has left', async ({ leave, text, look }) => {
    const db = open();
    const before = await first(db.write(look));
    const pid = await pidOf(db);
    await leave(db, text);
    expect(await first(db.write(look))).toBe(before);
    expect(await pidOf(db)).toBe(pid); // it was reset, not thrown away
  });

  it('has the time limit of every other connection, whatever was set before', async () => {
    const db = open();
    const look = `select current_setting('statement_timeout') as found`;
    await db.query('set statement_timeout = 0');
    expect(await first(db.read(look))).toBe('30s');
  });

  it('finds what a transaction has set for itself alone gone without a reset', async () => {
    const db = open();
    const look = `select current_setting('work_mem') as found`;
    const before = await first(db.read(look));
    await db.transaction(async (tx) => {
      await tx.query(`set local work_mem = '1MB'`);
      expect(await first(tx.query(look))).toBe('1MB');
    });
    expect(await first(db.read(look))).toBe(before);
  });

  it('gets another connection where the session cannot be reset', async () => {
    const db = open();
    const pid = await pidOf(db);
    await db.query('begin; set search_path = pg_catalog');
    expect(await pidOf(db)).not.toBe(pid);
  });
});

describe('an advisory lock', () => {
  it('is taken on the primary, where others respect it', async () => {
    const db = open({ replicas: urls.replicas });
    const { rows } = await db.read(
      'select pg_try_advisory_lock(8) as locked, pg_is_in_recovery() as "isReplica"',
    );
    expect(rows).toEqual([{ locked: true, isReplica: false }]);
  });
});

describe('a connection', () => {
  const connect = async (primary: string) => {
    const options = resolveDatabaseOptions({ primary });
    const [server] = options.primary as [ResolvedServer];
    const backend = createPgDriver(options, createKernel()).backend(server);
    const connection = await backend.connect({ onLost: () => undefined });
    onTestFinished(() => connection.close());
    return connection;
  };

  it('tells how many the server has for its role', async () => {
    const direct = `select current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int as found`;
    const { rows } = await admin.query(direct);
    expect(await connect(urls.primary)).toMatchObject({ isPooled: false, capacity: rows[0]?.found });
    const url = new URL(urls.primary);
    const name = url.pathname.slice(1);
    await admin.query(`create role "few ${name}" login connection limit 7`);
    onTestFinished(async () => void (await admin.query(`drop role "few ${name}"`)));
    url.username = `few ${name}`;
    expect(await connect(url.href)).toMatchObject({ capacity: 7 });
  });

  it('that the server does not give is waited for, where the pool has others', async () => {
    const name = new URL(urls.primary).pathname.slice(1);
    await admin.query(`create role "scarce ${name}" login connection limit 4`);
    onTestFinished(async () => void (await admin.query(`drop role "scarce ${name}"`)));
    const url = new URL(urls.primary);
    url.username = `scarce ${name}`;
    const db = createDatabase({ primary: url.href, outbox: false, connectionBudget: false });
    onTestFinished(() => db.close());
    const reads = Array.from({ length: 60 }, () => db.read('select 1, pg_sleep(0.005)'));
    expect(await Promise.all(reads)).toHaveLength(60); // three at a time, beside the one that watches
  });

  it('knows that PgBouncer stands before the server', async () => {
    const bouncer = await startPgBouncer({ target: urls.primary, poolMode: 'session' });
    onTestFinished(() => bouncer.close());
    expect(await connect(bouncer.url)).toMatchObject({ isPooled: true, capacity: undefined });
    const db = open({ primary: bouncer.url });
    const look = `select current_setting('search_path') as found`;
    const before = await first(db.read(look));
    await db.query('set search_path = pg_catalog');
    expect(await first(db.read(look))).toBe(before);
  });
});
