import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import { createPando, type Pando, type PandoOptions, type Token } from '@pando/core';
import { createDatabase, type DatabaseOptions, outboxMigration } from '@pando/core/db';
import { waitFor } from '@pando/core/testing';
import pg from 'pg';
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { testDatabase } from '../infra/context.js';
import { startInstances } from '../infra/instances.js';
import { type RedisServer, startRedis } from '../infra/redis.js';

const entry = fileURLToPath(new URL('../fixtures/outbox-app.ts', import.meta.url));
const kit = 'outbox';
const soon = { takeoverMs: 500, pollIntervalMs: 50 };

let redis: RedisServer;
let urls: Awaited<ReturnType<typeof testDatabase>>;
let admin: pg.Client;

beforeEach(async () => {
  redis = await startRedis();
  urls = await testDatabase();
  admin = new pg.Client(urls.primary);
  await admin.connect();
  await admin.query(
    `create table posts (id int primary key, title text); insert into posts values (7, 'old')`,
  );
  return async () => {
    await admin.end();
    await redis.close();
  };
});

/** One instance, what it hears on the channel `posts`, and how it reads the post. */
async function join(db: Partial<DatabaseOptions> = {}, options: Partial<PandoOptions> = {}) {
  const pando = await createPando({
    name: kit,
    redis: redis.url,
    ...options,
    db: { primary: urls.primary, replicas: urls.replicas, outbox: soon, ...db },
  });
  onTestFinished(() => pando.close());
  const heard: unknown[] = [];
  let seen: Token | undefined;
  const subscription = await pando.realtime.subscribe('posts', ({ data, token }) => {
    heard.push(data);
    seen = token;
  });
  onTestFinished(() => subscription.close());
  const title = () =>
    pando.cache.getOrLoad('post:7', async () => {
      const { rows } = await pando.db.read<{ title: string }>('select title from posts where id = 7');
      return rows[0]?.title;
    });
  /** What somebody reads who has received the last event. */
  const titleSince = () => {
    const context = pando.kernel.contexts.open({
      id: 'since',
      signal: new AbortController().signal,
      token: seen,
    });
    return pando.kernel.contexts.run(context, title);
  };
  return { pando, heard, title, titleSince };
}

async function rows(): Promise<readonly { id: string; effects: unknown }[]> {
  return (await admin.query('select id, effects from pando_outbox')).rows;
}

const gone = (message: string) =>
  waitFor(async () => (await rows()).length === 0, { message, timeoutMs: 20_000 });

/** Runs code as one request, and tells its token. */
function request<T>({ kernel }: Pando, code: () => Promise<T>) {
  const context = kernel.contexts.open({ id: 'request', signal: new AbortController().signal });
  return { context, done: kernel.contexts.run(context, code) };
}

const rename = (pando: Pando, title: string) =>
  pando.db.transaction(async (tx) => {
    await tx.query('update posts set title = $1 where id = 7', [title]);
    tx.invalidate(['post:7']);
    tx.publish('posts', { title });
  });

describe('a process that is killed between the commit and its effects', () => {
  const killAfterCommit = async (outbox: 'on' | 'off') => {
    const env = { KIT: kit, DATABASE_URL: urls.primary, OUTBOX: outbox };
    await using victims = await startInstances({ entry, env });
    await victims.instances[0]?.kill();
  };

  it('has them carried out by the others, seen once by everybody', async () => {
    const [one, two] = [await join(), await join()];
    expect([await one.title(), await two.title()]).toEqual(['old', 'old']);
    await killAfterCommit('on');
    await waitFor(() => one.heard.length > 0 && two.heard.length > 0, { timeoutMs: 20_000 });
    await gone('the row is removed');
    await rename(one.pando, 'newer'); // what had been published twice would have come before this
    await waitFor(() => one.heard.length > 1 && two.heard.length > 1);
    expect([one.heard, two.heard]).toEqual([
      [{ id: 7 }, { title: 'newer' }],
      [{ id: 7 }, { title: 'newer' }],
    ]);
  });

  it('has everybody read what it committed, once the event is there', async () => {
    const { heard, title, titleSince } = await join();
    expect(await title()).toBe('old');
    await killAfterCommit('on');
    await waitFor(() => heard.length > 0, { timeoutMs: 20_000 });
    expect(await titleSince()).toBe('new');
  });

  it('takes them along where the outbox is switched off', async () => {
    const { pando, heard, title } = await join();
    expect(await title()).toBe('old');
    await killAfterCommit('off');
    expect(await rows()).toEqual([]);
    await pando.realtime.publish('posts', 'later');
    await waitFor(() => heard.includes('later'));
    expect(heard).toEqual(['later']);
    expect(await title()).toBe('old');
  });
});

it('an invalidation that Redis did not take leaves the row, and a token that names it until Redis is back', async () => {
  const { pando, heard, title } = await join();
  expect(await title()).toBe('old');
  await redis.freeze();
  const write = request(pando, () => rename(pando, 'new'));
  await write.done;
  const [row] = await rows();
  expect(write.context.token.pending).toEqual([row?.id]);
  expect(await pando.kernel.contexts.run(write.context, title)).toBe('new');
  expect(heard).toEqual([]);

  await redis.thaw();
  await waitFor(() => heard.length > 0, { timeoutMs: 20_000, message: 'the withheld event' });
  await gone('the row is removed');
  expect(heard).toEqual([{ title: 'new' }]);
  await waitFor(
    async () => {
      await pando.kernel.contexts.run(write.context, title);
      return write.context.token.pending.length === 0;
    },
    { timeoutMs: 20_000, message: 'the token to use the cache again' },
  );
  expect(write.context.token.cache).toHaveLength(1);
});

it('a pending token asks the primary where Redis has no record, and uses the cache again once the row is gone', async () => {
  const { pando, title } = await join();
  expect(await title()).toBe('old');
  await redis.freeze();
  const write = request(pando, () => rename(pando, 'new'));
  await write.done;
  const [row] = await rows();
  await redis.thaw();
  await gone('the row is removed');
  const { kernel } = pando;
  const record = kernel.keys.atomic('cache', 'settled', row?.id ?? '');
  await waitFor(async () => (await pando.redis?.call(['DEL', record])) === 1, {
    message: 'the record in Redis, to be forgotten',
  });
  await waitFor(
    async () => {
      const { signal } = new AbortController();
      const context = kernel.contexts.open({ id: 'later', signal, token: write.context.token });
      expect(await kernel.contexts.run(context, title)).toBe('new');
      return context.token.pending.length === 0 && context.token.cache.length === 1;
    },
    { timeoutMs: 20_000, message: 'the token to name the counter' },
  );
});

it('after an outage of Redis nothing cached is used before all is carried out that was committed until its end', async () => {
  const { pando, title } = await join({ outbox: { takeoverMs: 3_600_000 } });
  expect(await title()).toBe('old');
  await redis.freeze();
  await admin.query('begin');
  await admin.query(`update posts set title = 'new' where id = 7`);
  const effects = JSON.stringify({ tags: ['post:7'], events: [], named: [] });
  await admin.query('insert into pando_outbox values ($1, gen_random_uuid(), $2)', [kit, effects]);
  await admin.query('commit');
  await waitFor(async () => (await title()) === 'new', { message: 'reads to go past the cache' });

  // Whoever carries the row out takes his time: it is locked, and still it is seen.
  await admin.query('begin; select from pando_outbox for update');
  await redis.thaw();
  const served = new Set<unknown>();
  await waitFor(async () => {
    served.add(await title());
    return pando.redis?.isUp && pando.redis.isLive;
  });
  for (let n = 0; n < 50; n++) served.add(await title());
  expect([...served]).toEqual(['new']);
  await admin.query('commit');

  await join(); // takes it over
  await gone('the row is carried out');
  let loads = 0;
  const load = () => pando.cache.getOrLoad('loads', () => ++loads);
  await waitFor(async () => {
    await load();
    return (await load()) === loads; // the second one was served what the first one loaded
  });
  expect(await title()).toBe('new');
});

it('an event is published once, however late and however often its row is carried out', async () => {
  const forgetful: Partial<PandoOptions> = { realtime: { idempotencyMs: 1 } };
  const [one, two] = [await join({}, forgetful), await join({}, forgetful)];
  await admin.query(`
    create function refuse() returns trigger language plpgsql as $$ begin raise 'not yet'; end $$;
    create trigger refuse before delete on pando_outbox execute function refuse()`);
  await rename(one.pando, 'new');
  const left = /^pando_db_outbox_rows_total\{outcome="left"\} (\d+)$/m;
  const attempts = async () => Number(left.exec(await two.pando.metrics.expose())?.[1]);
  await waitFor(async () => (await attempts()) > 1, { timeoutMs: 20_000, message: 'two attempts in vain' });
  await admin.query('drop trigger refuse on pando_outbox');
  await gone('the row is removed');
  await rename(one.pando, 'newer');
  await waitFor(() => one.heard.length > 1 && two.heard.length > 1);
  expect([one.heard, two.heard]).toEqual([
    [{ title: 'new' }, { title: 'newer' }],
    [{ title: 'new' }, { title: 'newer' }],
  ]);
  const ids = async () =>
    (await one.pando.redis?.call(['KEYS', one.pando.kernel.keys.atomic('realtime', 'id', '*')])) as string[];
  await waitFor(async () => (await ids()).length === 0, {
    message: 'the ids to be forgotten with their rows',
  });
});

it('a row that is older than anybody remembers invalidates, and publishes no more', async () => {
  const { pando, heard, title } = await join();
  expect(await title()).toBe('old');
  await admin.query(`update posts set title = 'new'`);
  const left = { tags: ['post:7'], events: [{ channel: 'posts', event: 'ancient' }], named: [] };
  await admin.query(
    `insert into pando_outbox values ($1, gen_random_uuid(), $2, now() - interval '8 days')`,
    [kit, JSON.stringify(left)],
  );
  await gone('the row is carried out');
  await waitFor(async () => (await title()) === 'new');
  await rename(pando, 'newer');
  await waitFor(() => heard.length > 0);
  expect(heard).toEqual([{ title: 'newer' }]);
});

it('instances that see the same rows carry each out once', async () => {
  const seen: unknown[] = [];
  const effects = { count: (payload: unknown) => void seen.push(payload) };
  await join({ effects });
  const numbers = Array.from({ length: 40 }, (_, n) => n);
  for (const n of numbers) {
    const left = JSON.stringify({ tags: [], events: [], named: [{ name: 'count', payload: n }] });
    await admin.query('insert into pando_outbox values ($1, gen_random_uuid(), $2)', [kit, left]);
  }
  await Promise.all([join({ effects }), join({ effects })]);
  await gone('all rows are carried out');
  expect(seen.toSorted((a, b) => Number(a) - Number(b))).toEqual(numbers);
});

it('a row of another kit is left alone', async () => {
  const other = await join({}, { name: 'other' });
  const { pando } = await join();
  await admin.query(
    `insert into pando_outbox values ('stranger', gen_random_uuid(), '{"tags":[],"events":[],"named":[]}')`,
  );
  await rename(pando, 'new');
  await rename(other.pando, 'newer');
  await waitFor(async () => (await rows()).length === 1);
});

it('a transaction that is rolled back, or whose row cannot be written, leaves neither row nor data', async () => {
  const { pando, heard } = await join();
  const reason = new Error('no');
  const failed = pando.db.transaction(async (tx) => {
    tx.invalidate(['post:7']);
    await tx.query(`update posts set title = 'lost'`);
    throw reason;
  });
  await expect(failed).rejects.toBe(reason);
  expect(await rows()).toEqual([]);

  await admin.query('drop table pando_outbox');
  await expect(rename(pando, 'lost')).rejects.toMatchObject({
    code: 'PANDO_DB_OUTBOX_UNAVAILABLE',
    cause: { code: '42P01' },
  });
  expect((await admin.query('select title from posts')).rows).toEqual([{ title: 'old' }]);
  expect(heard).toEqual([]);
  await admin.query(outboxMigration());
  await rename(pando, 'new');
});

describe('at start', () => {
  const start = async (options: Partial<DatabaseOptions> = {}, primary = urls.primary) => {
    const effects = async () => ({ token: { db: [], cache: [], pending: [], opaque: [] }, isComplete: true });
    const db = createDatabase({ primary, ...options }, { effects });
    onTestFinished(() => db.close());
    await db.start();
    return db;
  };
  const unavailable = {
    code: 'PANDO_DB_OUTBOX_UNAVAILABLE',
    message: expect.stringContaining('migrations/outbox.sql'),
  };

  it('many instances make the table together', async () => {
    await Promise.all(Array.from({ length: 8 }, () => start()));
    expect(await rows()).toEqual([]);
  });

  it('the table may be made by a migration of yours, in a schema of yours', async () => {
    const outbox = { migrate: false, schema: 'App data' };
    await expect(start({ outbox })).rejects.toMatchObject(unavailable);
    await admin.query(`create schema "App data"; ${outboxMigration(outbox)}`);
    const db = await start({ outbox });
    await db.transaction(async (tx) => tx.invalidate(['a']));
  });

  it('a role without rights is told what to do, and needs none that the table has been given', async () => {
    const role = `outbox_${new URL(urls.primary).pathname.slice(1)}`;
    await admin.query(`create role ${role} login; revoke create on schema public from public, ${role}`);
    onTestFinished(async () => {
      const cleaner = new pg.Client(urls.primary);
      await cleaner.connect();
      await cleaner.query(`drop owned by ${role}; drop role ${role}`);
      await cleaner.end();
    });
    const url = new URL(urls.primary);
    url.username = role;
    await expect(start({}, url.href)).rejects.toMatchObject({ ...unavailable, cause: { code: '42501' } });
    await admin.query(outboxMigration());
    await expect(start({}, url.href)).rejects.toMatchObject(unavailable);
    await start({ outbox: false }, url.href);
    await admin.query(`grant select, insert, update, delete on pando_outbox to ${role}`);
    const db = await start({}, url.href);
    await db.transaction(async (tx) => tx.invalidate(['a']));
    await db.close();
  });
});

it('the row costs no round trip', async () => {
  const turns = new Map<Socket, number>();
  const { hostname, port } = new URL(urls.primary);
  const proxy = createServer((client) => {
    const server = connect(Number(port), hostname);
    let wasAnswered = true;
    turns.set(client, 0);
    client.on('data', (bytes) => {
      if (wasAnswered) turns.set(client, (turns.get(client) ?? 0) + 1);
      wasAnswered = false;
      server.write(bytes);
    });
    server.on('data', (bytes) => {
      wasAnswered = true;
      client.write(bytes);
    });
    for (const [one, other] of [
      [client, server],
      [server, client],
    ] as const) {
      one.on('close', () => other.destroy());
      one.on('error', () => other.destroy());
    }
  });
  proxy.listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  onTestFinished(() => void proxy.close());
  const url = new URL(urls.primary);
  url.host = `127.0.0.1:${(proxy.address() as { port: number }).port}`;
  const quiet = { probeIntervalMs: 3_600_000, outbox: { pollIntervalMs: 3_600_000 } };
  const { pando } = await join({ primary: url.href, replicas: [], ...quiet });
  const total = () => [...turns.values()].reduce((sum, n) => sum + n, 0);
  const cost = async (work: () => Promise<unknown>) => {
    const before = total();
    await work();
    return total() - before;
  };
  const plain = () => pando.db.transaction((tx) => tx.query(`update posts set title = 'plain'`));
  await plain();
  expect(await cost(plain)).toBe(2);
  expect(await cost(() => rename(pando, 'new'))).toBe(2);
});
