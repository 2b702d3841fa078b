import { createPando, type Pando, type Token } from '@pando/core';
import { waitFor } from '@pando/core/testing';
import pg from 'pg';
import { beforeEach, expect, it, onTestFinished } from 'vitest';
import { testDatabase, testRedis } from '../../infra/context.js';

const lifetime = { ttlMs: 60_000, staleMs: 60_000 };

let redis: ReturnType<typeof testRedis>;
let primary: string;
let admin: pg.Client;

beforeEach(async () => {
  redis = testRedis();
  ({ primary } = await testDatabase());
  admin = new pg.Client(primary);
  await admin.connect();
  await admin.query('create table likes (id serial)');
  return () => admin.end();
});

/** One instance, and how it counts for somebody who holds a token, whose request it is. */
async function join() {
  const pando = await createPando({
    name: redis.name,
    redis: redis.url,
    db: { primary, outbox: { takeoverMs: 500, pollIntervalMs: 50 } },
    lifecycle: { signals: false },
  });
  onTestFinished(() => pando.close());
  const held: (() => void)[] = [];
  const holding = { isOn: false };
  const load = async () => {
    if (holding.isOn) await new Promise<void>((resolve) => held.push(resolve));
    const { rows } = await pando.db.read<{ n: number }>('select count(*)::int as n from likes');
    return rows[0]?.n ?? -1;
  };
  const count = (token?: Token) =>
    request(pando, () => pando.cache.getOrLoad('count', load, lifetime), token);
  /** Has loads wait for what is returned. */
  const hold = () => {
    holding.isOn = true;
    return () => {
      holding.isOn = false;
      for (const release of held.splice(0)) release();
    };
  };
  return { pando, count, hold };
}

function request<T>({ kernel }: Pando, code: () => Promise<T>, token?: Token): Promise<T> {
  const { signal } = new AbortController();
  return kernel.contexts.run(kernel.contexts.open({ id: 'request', signal, token }), code);
}

it('what a transaction expires is served stale on every instance, but not to whoever has seen it', async () => {
  const [one, two] = [await join(), await join()];
  expect([await one.count(), await two.count()]).toEqual([0, 0]);
  const releases = [one.hold(), two.hold()];
  const written = await request(one.pando, async () => {
    await one.pando.db.transaction(async (tx) => {
      await tx.query('insert into likes default values');
      tx.expire(['count']);
      expect(await one.count()).toBe(0); // before the commit nothing has happened
    });
    return one.pando.kernel.contexts.current().written;
  });
  expect(written).toMatchObject({ cache: [{ sequence: expect.any(Number) }], pending: [] });
  const demanding = [one.count(written), two.count(written)];
  // Nobody can have replaced it: loads are held.
  expect([await one.count(), await two.count()]).toEqual([0, 0]);
  for (const release of releases) release();
  expect(await Promise.all(demanding)).toEqual([1, 1]);
  await waitFor(async () => (await one.count()) === 1 && (await two.count()) === 1);
});

it('is carried out by another instance where its process has died after the commit', async () => {
  const { count } = await join();
  expect(await count()).toBe(0);
  await admin.query('begin; insert into likes default values');
  const effects = JSON.stringify({ tags: [], events: [], named: [], expired: ['count'] });
  await admin.query('insert into pando_outbox values ($1, gen_random_uuid(), $2)', [redis.name, effects]);
  await admin.query('commit');
  await waitFor(async () => (await admin.query('select from pando_outbox')).rowCount === 0, {
    message: 'the row to be carried out',
  });
  await waitFor(async () => (await count()) === 1, { message: 'the value to be replaced' });
});
