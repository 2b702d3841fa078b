import { createDatabase, type Database } from '@pando/core/db';
import pg from 'pg';
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest';
import { testDatabase } from '../../infra/context.js';
import { startPgBouncer } from '../../infra/pgbouncer.js';

let url: string;
let admin: pg.Client;

beforeAll(async () => {
  url = (await testDatabase()).primary;
  admin = new pg.Client(url);
  await admin.connect();
  await admin.query('create table posts (id int primary key, title text not null)');
  await admin.query(`insert into posts select n, 'post ' || n from generate_series(1, 20) n`);
});
afterAll(() => admin.end());

function open(primary: string, prepareStatements?: boolean): Database {
  // One connection: what a session keeps is asked on the same one.
  const db = createDatabase({ primary, prepareStatements, pool: { size: 1, overflow: 0 } });
  onTestFinished(() => db.close());
  return db;
}

const byId = 'select * from posts where id = $1';
/** Our own questions are prepared, too. */
const isOwn = `statement ~ 'pg_current_wal_flush_lsn'`;
const keptIf = (condition: string) =>
  `select statement, generic_plans + custom_plans as runs from pg_prepared_statements where ${condition}`;
const kept = keptIf(`not ${isOwn}`);
const often = async (run: (turn: number) => Promise<unknown>) => {
  for (let turn = 1; turn <= 10; turn++) await run(turn);
};

it('statements that come again and again are prepared, others are not', async () => {
  const db = open(url);
  await often((id) => db.read(byId, [id]));
  await often((id) => db.write('update posts set title = title where id = $1', [id]));
  await often((id) => db.read(`select ${id} + $1::int`, [id])); // another text each time
  await often(() => db.read('select 1; select 2')); // several at once cannot be prepared
  const { rows } = await db.read(`${kept} order by 1`);
  expect(rows).toEqual([
    { statement: byId, runs: '6' },
    { statement: 'update posts set title = title where id = $1', runs: '6' },
  ]);
});

it('what is asked behind every write is prepared, too', async () => {
  const db = open(url);
  await often((id) => db.write('update posts set title = title where id = $1', [id]));
  expect((await db.read(keptIf(isOwn))).rows).toEqual([{ statement: expect.any(String), runs: '6' }]);
});

it('nothing is prepared where it was switched off', async () => {
  const db = open(url, false);
  await often((id) => db.read(byId, [id]));
  expect((await db.read(kept)).rows).toEqual([]);
});

it('a change of columns is noticed by nobody, and prepared anew', async () => {
  const db = open(url);
  await often((id) => db.read(byId, [id]));
  await admin.query('alter table posts add column likes int not null default 7');
  onTestFinished(async () => {
    await admin.query('alter table posts drop column likes');
  });
  expect((await db.read(byId, [3])).rows).toEqual([{ id: 3, title: 'post 3', likes: 7 }]);
  await often((id) => db.read(byId, [id]));
  expect((await db.read(kept)).rows).toEqual([
    { statement: byId, runs: '6' },
    { statement: byId, runs: '10' },
  ]);
});

it('a statement in a transaction is not prepared: a name that is of no use would cost the transaction', async () => {
  const db = open(url);
  await often((id) => db.transaction((tx) => tx.query(byId, [id])));
  expect((await db.read(kept)).rows).toEqual([]);
});

it('what a session has forgotten runs unprepared, once, and writes only once', async () => {
  const db = open(url);
  const insert = 'insert into posts values ($1, $2)';
  await often((turn) => db.write(insert, [100 + turn, 'new']));
  await db.write('deallocate all');
  await db.write(insert, [200, 'new']);
  await often((turn) => db.write(insert, [200 + turn, 'new']));
  expect((await db.read('select count(*)::int from posts where id >= 100')).rows).toEqual([{ count: 21 }]);
  expect((await db.read(kept)).rows).toEqual([]);
});

it('behind PgBouncer in transaction mode, no call fails and no call gets the answer of another', async () => {
  const settings = { default_pool_size: 2 };
  const bouncer = await startPgBouncer({ target: url, settings });
  onTestFinished(() => bouncer.close());
  const databases = Array.from({ length: 3 }, () => {
    const db = createDatabase({ primary: bouncer.url, pool: { size: 4, overflow: 0 } });
    onTestFinished(() => db.close());
    return db;
  });
  const texts = [byId, 'select id from posts where id = $1', 'select title, id from posts where id = $1'];
  const reads = Array.from({ length: 300 }, async (_, turn) => {
    const id = 1 + (turn % 20);
    const db = databases[turn % databases.length] as Database;
    const { rows } = await db.read(texts[turn % texts.length] as string, [id]);
    expect(rows).toEqual([expect.objectContaining({ id })]);
    await db.write('update posts set title = title where id = $1', [id]);
  });
  await Promise.all(reads);
});
