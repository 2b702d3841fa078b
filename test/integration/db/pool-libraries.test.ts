import type { DatabaseOptions, PgPool } from '@pando/core/db';
import { waitFor } from '@pando/core/testing';
import { sql as drizzleSql, eq } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/node-postgres';
import { boolean, integer, pgTable, text } from 'drizzle-orm/pg-core';
import knex from 'knex';
import { type Generated, Kysely, PostgresDialect, sql } from 'kysely';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { testDatabase } from '../../infra/context.js';
import { startPgBouncer } from '../../infra/pgbouncer.js';
import { openDatabase } from './open-database.js';

let urls: Awaited<ReturnType<typeof testDatabase>>;
let admin: pg.Client;

beforeAll(async () => {
  urls = await testDatabase();
  admin = new pg.Client(urls.primary);
  await admin.connect();
  await admin.query(`
    create table posts (id int generated always as identity primary key, title text unique, likes int not null default 0);
    create view places as select pg_is_in_recovery() as is_replica;
  `);
});
afterAll(() => admin.end());

/** What an app does with a library, whichever it is. */
interface Library {
  /** Whether this select was served by a replica. */
  isOnReplica(): Promise<boolean>;
  insert(title: string): Promise<number>;
  likes(title: string): Promise<number | undefined>;
  /** Adds a like in a transaction, reads it there, and maybe throws; returns what it read, and whether that was on a replica. */
  like(title: string, failure?: Error): Promise<{ likes: number | undefined; isOnReplica: boolean }>;
  /** `with … update … returning`. */
  likeByCte(title: string): Promise<number | undefined>;
  /** `select … for update`, in a transaction of its own. */
  lock(title: string): Promise<string | undefined>;
  /** Writes in a read-only transaction. */
  writeReadOnly(): Promise<unknown>;
  /** `set` without setting back. */
  set(searchPath: string): Promise<unknown>;
  searchPath(): Promise<string>;
}

function withKysely(pool: PgPool): Library {
  interface Tables {
    posts: { id: Generated<number>; title: string; likes: Generated<number> };
    places: { is_replica: boolean };
  }
  const db = new Kysely<Tables>({ dialect: new PostgresDialect({ pool }) });
  const place = async (from: Pick<typeof db, 'selectFrom'>) =>
    (await from.selectFrom('places').select('is_replica').executeTakeFirstOrThrow()).is_replica;
  const likes = async (from: Pick<typeof db, 'selectFrom'>, title: string) =>
    (await from.selectFrom('posts').select('likes').where('title', '=', title).executeTakeFirst())?.likes;
  const add = { likes: sql<number>`likes + 1` };
  return {
    isOnReplica: () => place(db),
    insert: async (title) =>
      (await db.insertInto('posts').values({ title }).returning('id').executeTakeFirstOrThrow()).id,
    likes: (title) => likes(db, title),
    like: (title, failure) =>
      db.transaction().execute(async (tx) => {
        await tx.updateTable('posts').set(add).where('title', '=', title).execute();
        const read = { likes: await likes(tx, title), isOnReplica: await place(tx) };
        if (failure) throw failure;
        return read;
      }),
    likeByCte: async (title) =>
      (
        await db
          .with('chosen', (from) => from.selectFrom('posts').select('id').where('title', '=', title))
          .updateTable('posts')
          .set(add)
          .where('id', 'in', (from) => from.selectFrom('chosen').select('id'))
          .returning('likes')
          .executeTakeFirst()
      )?.likes,
    lock: async (title) =>
      (await db.selectFrom('posts').select('title').where('title', '=', title).forUpdate().executeTakeFirst())
        ?.title,
    writeReadOnly: () =>
      db
        .transaction()
        .setAccessMode('read only')
        .execute((tx) => tx.insertInto('posts').values({ title: 'refused' }).execute()),
    set: (path) => sql`set search_path = ${sql.id(path)}`.execute(db),
    searchPath: async () =>
      (await sql<{ search_path: string }>`show search_path`.execute(db)).rows[0]?.search_path ?? '',
  };
}

function withDrizzle(pool: PgPool): Library {
  const posts = pgTable('posts', {
    id: integer().generatedAlwaysAsIdentity().primaryKey(),
    title: text(),
    likes: integer().notNull().default(0),
  });
  const places = pgTable('places', { isReplica: boolean('is_replica').notNull() });
  const db = drizzle({ client: pool as pg.Pool });
  const place = async (from: Pick<typeof db, 'select'>) =>
    (await from.select().from(places))[0]?.isReplica === true;
  const likes = async (from: Pick<typeof db, 'select'>, title: string) =>
    (await from.select({ likes: posts.likes }).from(posts).where(eq(posts.title, title)))[0]?.likes;
  const add = { likes: drizzleSql`${posts.likes} + 1` };
  return {
    isOnReplica: () => place(db),
    insert: async (title) =>
      (await db.insert(posts).values({ title }).returning({ id: posts.id }))[0]?.id as number,
    likes: (title) => likes(db, title),
    like: (title, failure) =>
      db.transaction(async (tx) => {
        await tx.update(posts).set(add).where(eq(posts.title, title));
        const read = { likes: await likes(tx, title), isOnReplica: await place(tx) };
        if (failure) throw failure;
        return read;
      }),
    likeByCte: async (title) => {
      const chosen = db
        .$with('chosen')
        .as(db.select({ id: posts.id }).from(posts).where(eq(posts.title, title)));
      const found = await db
        .with(chosen)
        .update(posts)
        .set(add)
        .where(drizzleSql`${posts.id} in (select id from ${chosen})`)
        .returning({ likes: posts.likes });
      return found[0]?.likes;
    },
    lock: async (title) =>
      (await db.select({ title: posts.title }).from(posts).where(eq(posts.title, title)).for('update'))[0]
        ?.title ?? undefined,
    writeReadOnly: () =>
      db.transaction((tx) => tx.insert(posts).values({ title: 'refused' }), { accessMode: 'read only' }),
    set: (path) => db.execute(drizzleSql`set search_path = ${drizzleSql.identifier(path)}`),
    searchPath: async () =>
      (await db.execute<{ search_path: string }>(drizzleSql`show search_path`)).rows[0]?.search_path ?? '',
  };
}

function withKnex(pool: PgPool): Library {
  const db = knex({ client: 'pg', connectionPool: pool });
  onTestFinished(() => db.destroy());
  const place = async (from: typeof db) => (await from('places').first('is_replica')).is_replica as boolean;
  const likes = async (from: typeof db, title: string) =>
    (await from('posts').where({ title }).first('likes'))?.likes as number | undefined;
  return {
    isOnReplica: () => place(db),
    insert: async (title) => (await db('posts').insert({ title }).returning('id'))[0].id,
    likes: (title) => likes(db, title),
    like: (title, failure) =>
      db.transaction(async (tx) => {
        await tx('posts').where({ title }).increment('likes');
        const read = { likes: await likes(tx, title), isOnReplica: await place(tx) };
        if (failure) throw failure;
        return read;
      }),
    likeByCte: async (title) => {
      const found = await db
        .with('chosen', db('posts').select('id').where({ title }))
        .from('posts')
        .whereIn('id', db.select('id').from('chosen'))
        .update({ likes: db.raw('likes + 1') }, ['likes']);
      return found[0]?.likes;
    },
    lock: (title) =>
      db.transaction(async (tx) => (await tx('posts').where({ title }).forUpdate().first('title'))?.title),
    writeReadOnly: () => db.transaction((tx) => tx('posts').insert({ title: 'refused' }), { readOnly: true }),
    set: (path) => db.raw(`set search_path = ${path}`),
    searchPath: async () => (await db.raw('show search_path')).rows[0].search_path,
  };
}

describe.each([
  ['Kysely', withKysely],
  ['Drizzle', withDrizzle],
  ['Knex', withKnex],
])('%s', (name, library) => {
  const title = (of: string) => `${name} ${of}`;
  const open = async (options: Partial<DatabaseOptions> = {}) => {
    const { db, request, kernel } = await openDatabase({ ...urls, ...options });
    return { app: library(db.pool), request, written: () => kernel.contexts.current().written.db };
  };

  it('selects on replicas, and sees there what it has written', async () => {
    const { app, request, written } = await open();
    await request(async () => {
      for (let turn = 0; turn < 20; turn++) {
        expect(await app.insert(title(`post ${turn}`))).toEqual(expect.any(Number));
        expect(written()).toHaveLength(1);
        expect(await app.likes(title(`post ${turn}`))).toBe(0);
      }
      await waitFor(() => app.isOnReplica());
    });
  });

  it('reads its writes in a transaction, and after it', async () => {
    const { app, request, written } = await open();
    await app.insert(title('in a transaction'));
    for (let likes = 1; likes <= 20; likes++) {
      await request(async () => {
        expect(await app.like(title('in a transaction'))).toEqual({ likes, isOnReplica: false });
        expect(written()).toHaveLength(1);
        expect(await app.likes(title('in a transaction'))).toBe(likes);
      });
    }
    await request(async () => {
      await expect(app.like(title('in a transaction'), new Error('changed my mind'))).rejects.toThrow(
        'changed my mind',
      );
      expect(written()).toEqual([]);
      await app.insert(title('later')); // has what follows see everything before it
      expect(await app.likes(title('in a transaction'))).toBe(20);
    });
  });

  it('updates behind WITH, locks rows, and writes nothing in a read-only transaction', async () => {
    const { app, request } = await open();
    await request(async () => {
      await app.insert(title('locked'));
      expect(await app.likeByCte(title('locked'))).toBe(1);
      expect(await app.likes(title('locked'))).toBe(1);
      expect(await app.lock(title('locked'))).toBe(title('locked'));
      await expect(app.writeReadOnly()).rejects.toSatisfy(
        (error: { code?: string; cause?: { code?: string } }) => (error.cause ?? error).code === '25006',
      );
    });
  });

  it('hands no setting on to the next borrower', async () => {
    const { app } = await open({ replicas: [], pool: { size: 1, overflow: 0 } });
    const before = await app.searchPath();
    await app.set('pg_catalog');
    expect(await app.searchPath()).toBe(before);
    await app.insert(title('after a setting'));
  });

  it('works through PgBouncer in transaction mode', async () => {
    const bouncer = await startPgBouncer({ target: urls.primary, settings: { default_pool_size: 2 } });
    onTestFinished(() => bouncer.close());
    const { app, request } = await open({
      primary: bouncer.url,
      replicas: [],
      pool: { size: 6, overflow: 0 },
    });
    const sessions = Array.from({ length: 12 }, (_, session) =>
      request(async () => {
        const post = title(`behind PgBouncer ${session}`);
        await app.insert(post);
        for (let likes = 1; likes <= 8; likes++) {
          expect(await app.like(post)).toEqual({ likes, isOnReplica: false });
          expect(await app.likes(post)).toBe(likes);
        }
      }),
    );
    await Promise.all(sessions);
  });
});
