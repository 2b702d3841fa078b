import { waitFor } from '@pando/core/testing';
import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { testDatabase } from '../../infra/context.js';
import { openDatabase } from './open-database.js';

let urls: Awaited<ReturnType<typeof testDatabase>>;
let admin: pg.Client;

beforeAll(async () => {
  urls = await testDatabase();
  admin = new pg.Client(urls.primary);
  await admin.connect();
  await admin.query(`
    create table posts (id int generated always as identity primary key, title text unique);
    create unlogged table drafts (id int);
    create sequence numbers;
    create function add_post(text) returns int language sql as
      'insert into posts (title) values ($1) returning id';
  `);
});
afterAll(() => admin.end());

it('statements run where they belong, and every read shows what was written before it', async () => {
  const { db, request } = await openDatabase(urls);
  await request(async () => {
    for (let turn = 1; turn <= 40; turn++) {
      const title = `post ${turn}`;
      await db.sql`insert into posts (title) values (${title})`;
      const { rows } = await db.sql`select count(*)::int as count from posts where title = ${title}`;
      expect(rows).toEqual([{ count: 1 }]);
    }
    const isOnReplica = async () =>
      (await db.sql<{ found: boolean }>`select pg_is_in_recovery() as found`).rows[0]?.found === true;
    await waitFor(isOnReplica);
  });
});

it.each([
  ['a function that writes', `select add_post($1) > 0 as done`, ['by function']],
  ['a table that replicas do not have', `select count(*)::int = 0 as done from drafts where $1 <> ''`, ['a']],
])('%s: refused by a replica, run on the primary', async (_, text, params) => {
  const { db, request } = await openDatabase(urls);
  await request(async () => {
    for (let turn = 0; turn < 2; turn++) {
      expect((await db.query(text, params)).rows).toEqual([{ done: true }]);
      await db.query('delete from posts where title = $1', params);
    }
  });
});

it('functions that change something are known, or named', async () => {
  const { db } = await openDatabase({ ...urls, primaryFunctions: ['add_*'] });
  expect((await db.query(`select nextval('numbers') > 0 as done`)).rows).toEqual([{ done: true }]);
  expect((await db.query(`select add_post('named') > 0 as done`)).rows).toEqual([{ done: true }]);
  expect((await db.read('select count(*)::int from posts where title = $1', ['named'])).rows).toEqual([
    { count: 1 },
  ]);
});

it("errors are the server's own", async () => {
  const { db } = await openDatabase(urls);
  await db.query('insert into posts (title) values ($1)', ['twice']);
  await expect(db.query('insert into posts (title) values ($1)', ['twice'])).rejects.toMatchObject({
    code: '23505',
  });
  await expect(db.query('select * from nothing')).rejects.toMatchObject({ code: '42P01' });
  await expect(db.sql`select ${'no number'}::int`).rejects.toMatchObject({ code: '22P02' });
});

it.each(['select broken(', 'insert broken'])(
  'the stack of a refusal leads to the code that asked, whatever it asked: %s',
  async (text) => {
    const { db } = await openDatabase(urls);
    async function theAsker() {
      await db.query(text);
    }
    await expect(theAsker()).rejects.toMatchObject({ stack: expect.stringContaining('theAsker') });
  },
);

it('so does the stack of a refusal inside a transaction', async () => {
  const { db } = await openDatabase(urls);
  async function theAsker() {
    await db.transaction(async (tx) => {
      await tx.query('select broken(');
    });
  }
  await expect(theAsker()).rejects.toMatchObject({ stack: expect.stringContaining('theAsker') });
});
