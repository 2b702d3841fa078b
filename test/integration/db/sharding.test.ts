import {
  createDatabase,
  type Database,
  type DatabaseOptions,
  idsMigration,
  slotOf,
  slotsMigration,
} from '@pando/core/db';
import { waitFor } from '@pando/core/testing';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { createKernel } from '../../../packages/core/src/kernel/kernel.js';
import { testDatabase } from '../../infra/context.js';

// Two databases of one cluster: one system and one timeline, so that nothing but the shard's name tells their positions apart.
let shards: Record<'a' | 'b', Awaited<ReturnType<typeof testDatabase>>>;
let admins: Record<'a' | 'b', pg.Client>;

beforeAll(async () => {
  shards = { a: await testDatabase(), b: await testDatabase() };
  admins = { a: new pg.Client(shards.a.primary), b: new pg.Client(shards.b.primary) };
  for (const admin of Object.values(admins)) {
    await admin.connect();
    await admin.query(
      'create table posts (id bigint primary key, author text not null, title text not null)',
    );
  }
});

afterAll(async () => {
  await Promise.all(Object.values(admins ?? {}).map((admin) => admin.end()));
});

async function open(options: Partial<DatabaseOptions> = {}) {
  const kernel = createKernel();
  const db = createDatabase({ shards, ...options }, { kernel });
  onTestFinished(() => db.close());
  await db.start();
  await waitFor(() => db.topology().replicas.every(({ state }) => state === 'up'), { intervalMs: 5 });
  const request = <T>(code: () => Promise<T>): Promise<T> =>
    kernel.contexts.run(kernel.contexts.open({ id: 'test', signal: new AbortController().signal }), code);
  return { db, request };
}

const authors = Array.from({ length: 24 }, (_, index) => `author-${index}`);

describe('a database of two shards', () => {
  it('keeps what belongs together together, and finds it by key and by id', async () => {
    const { db, request } = await open();
    await request(async () => {
      for (const author of authors) {
        const id = await db.newId(author);
        await db.shard(author).write('insert into posts values ($1, $2, $3)', [id, author, `of ${author}`]);
        const byId = await db.shard({ id }).read('select author from posts where id = $1', [id]);
        expect(byId.rows).toEqual([{ author }]);
        const byKey = await db.shard(author).read('select id from posts where author = $1', [author]);
        expect(byKey.rows).toEqual([{ id }]);
      }
    });
    const counts = await Promise.all(Object.values(admins).map((admin) => admin.query('select from posts')));
    const [a = 0, b = 0] = counts.map(({ rowCount }) => rowCount ?? 0);
    expect([a > 0, b > 0, a + b]).toEqual([true, true, authors.length]);
  });

  it('places rows in SQL as it does here', async () => {
    const { db } = await open();
    const slotText = `with keyed as (select unnest($1::text[]) as key), hashed as (select key, sha256(convert_to(key, 'UTF8')) as hash from keyed)
      select key, (get_byte(hash, 0) << 4) | (get_byte(hash, 1) >> 4) as slot from hashed`;
    const { rows } = await admins.a.query(slotText, [[...authors, 'été', '😀']]);
    expect(rows).toEqual([...authors, 'été', '😀'].map((key) => ({ key, slot: slotOf(key) })));
    const id = await db.newId('ann');
    const before = await admins.a.query(
      `select ($1::bigint >> 9) & 8191 as slot, abs(extract(epoch from now() - to_timestamp((($1 >> 22) + 1577836800000) / 1000.0))) < 60 as is_now`,
      [id],
    );
    expect(before.rows).toEqual([{ slot: String(slotOf('ann')), is_now: true }]);
  });

  it('reads own writes of each shard on its replicas', async () => {
    const { db, request } = await open();
    let onReplica = 0;
    await request(async () => {
      for (let round = 0; round < 40; round++) {
        const author = `session-${round % 4}`;
        const id = await db.newId(author);
        await db
          .shard(author)
          .transaction((tx) => tx.query('insert into posts values ($1, $2, $3)', [id, author, '']));
        const { rows } = await db
          .shard({ id })
          .read('select pg_is_in_recovery() as is_replica from posts where id = $1', [id]);
        expect(rows).toHaveLength(1);
        if (rows[0]?.is_replica) onReplica++;
      }
    });
    expect(onReplica).toBeGreaterThan(0);
  });

  it('serves query builders shard by shard', async () => {
    const { db } = await open();
    const client = await db.shard({ shard: 'b' }).pool.connect();
    try {
      const { rows } = await client.query('select current_database() as name');
      expect(rows).toEqual([{ name: new URL(shards.b.primary).pathname.slice(1) }]);
    } finally {
      client.release();
    }
  });
});

describe('ids', () => {
  it('are unique among instances, and grow in each slot', async () => {
    const instances = await Promise.all([open(), open(), open()]);
    const take = async ({ db }: { db: Database }) => {
      const ids: bigint[] = [];
      for (let round = 0; round < 10; round++) {
        const some = await Promise.all(Array.from({ length: 40 }, () => db.newId('ann')));
        ids.push(...some.map(BigInt));
      }
      return ids;
    };
    const lists = await Promise.all(instances.map(take));
    for (const ids of lists) expect(ids).toEqual([...ids].sort((x, y) => (x < y ? -1 : 1)));
    expect(new Set(lists.flat()).size).toBe(3 * 400);
  });

  it('do not repeat when the clock of the server has gone back', async () => {
    const { db } = await open();
    const before = BigInt(await db.newId('ann'));
    const owner = db.shard('ann').topology().shard as 'a' | 'b';
    // As if the clock had been an hour ahead until now.
    await admins[owner].query('update pando_ids set last = last + (3600000::bigint << 9)');
    const { db: other } = await open();
    const ids = [await other.newId('ann'), await other.newId('ann')].map(BigInt);
    expect(ids[0]).toBeGreaterThan(before + (3_599_000n << 22n));
    expect(ids[1]).toBeGreaterThan(ids[0] as bigint);
  });

  it('say what to do where their table may not be made', async () => {
    const urls = await testDatabase();
    const admin = new pg.Client(urls.primary);
    await admin.connect();
    onTestFinished(() => admin.end());
    const name = new URL(urls.primary).pathname.slice(1);
    await admin.query(`create role "${name}" login; revoke create on schema public from public`);
    onTestFinished(async () => void (await admin.query(`drop owned by "${name}"; drop role "${name}"`)));
    const url = new URL(urls.primary);
    url.username = name;
    const db = createDatabase({ primary: url.href });
    onTestFinished(() => db.close());
    await expect(db.newId('ann')).rejects.toMatchObject({
      code: 'PANDO_DB_IDS_UNAVAILABLE',
      message: expect.stringContaining('migrations/ids.sql'),
    });
    await admin.query(`${idsMigration()} ${idsMigration()} grant select, update on pando_ids to "${name}"`);
    expect(await db.newId('ann')).toMatch(/^\d+$/);
  });
});

describe('a table whose rows are guarded', () => {
  const setState = `update pando_slots set state = $2 where slot = $1`;

  async function guarded() {
    const urls = await testDatabase();
    const admin = new pg.Client(urls.primary);
    await admin.connect();
    onTestFinished(() => admin.end());
    await admin.query(`${slotsMigration()}
      create table things (owner text primary key, value int not null default 0);
      create trigger pando_guard before insert or update or delete on things
        for each row execute function pando_guard('key', 'owner')`);
    await admin.query(`insert into things values ('ann'), ('bob')`);
    const db = createDatabase({ primary: urls.primary });
    onTestFinished(() => db.close());
    return { db, admin };
  }

  it('refuses rows of slots that are not here, of whatever kind the change is', async () => {
    const { db, admin } = await guarded();
    await admin.query(setState, [slotOf('ann'), 'away']);
    const moved = expect.objectContaining({ code: 'PANDO_DB_SLOT_MOVED', retryable: true, status: 503 });
    for (const change of [
      `update things set value = 1 where owner = 'ann'`,
      `update things set owner = 'eve' where owner = 'ann'`,
      `update things set owner = 'ann' where owner = 'bob'`,
      `delete from things where owner = 'ann'`,
      `insert into things values ('ann') on conflict do nothing`,
    ]) {
      await expect(db.write(change), change).rejects.toEqual(moved);
      await expect(
        db.transaction((tx) => tx.query(change)),
        change,
      ).rejects.toEqual(moved);
    }
    await db.write(`update things set value = 1 where owner = 'bob'`);
    await db.write(`delete from things where owner = 'bob'`);
  });

  it('waits for writers from before, and lets none through that has an older snapshot', async () => {
    const { db, admin } = await guarded();
    let frozen: Promise<unknown> | undefined;
    const isWaiting = async () =>
      (
        await db.read(
          `select from pg_stat_activity where wait_event_type = 'Lock' and query like 'update pando_slots%'`,
          [],
          { level: 'strong' },
        )
      ).rowCount > 0;
    let isFrozen = false;
    await db.transaction(async (tx) => {
      await tx.query(`update things set value = 1 where owner = 'ann'`);
      frozen = admin.query(setState, [slotOf('ann'), 'frozen']).finally(() => {
        isFrozen = true;
      });
      await waitFor(isWaiting, { intervalMs: 5 });
      expect(isFrozen).toBe(false);
    });
    await frozen;
    await admin.query(setState, [slotOf('ann'), 'here']);

    const late = db.transaction(
      async (tx) => {
        await tx.query('select from things');
        await admin.query(setState, [slotOf('ann'), 'frozen']);
        await tx.query(`update things set value = 2 where owner = 'ann'`);
      },
      { isolation: 'repeatable read' },
    );
    await expect(late).rejects.toMatchObject({ code: '40001' });
    const { rows } = await db.read(`select value from things where owner = 'ann'`);
    expect(rows).toEqual([{ value: 1 }]);
  });
});
