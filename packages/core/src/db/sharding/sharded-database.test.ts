import { describe, expect, it } from 'vitest';
import { createKernel } from '../../kernel/kernel.js';
import { dbToken } from '../../kernel/token.js';
import { createFakeClock } from '../../testing/fake-clock.js';
import type { Database } from '../api.js';
import { createDatabase } from '../create.js';
import { MemoryWorld } from '../drivers/memory.js';
import type { DatabaseOptions } from '../options.js';

const servers = { primary: 'memory:primary', replicas: ['memory:replica-1'] };
/** Slots of `ann` (1177) and `bob` (2075). */
const slots = { a: '0-2047', b: '2048-4095' };

async function setup({
  isStarted = true,
  ...options
}: Partial<DatabaseOptions> & { isStarted?: boolean } = {}) {
  const clock = createFakeClock();
  const kernel = createKernel({ clock });
  const worlds = { a: new MemoryWorld({ clock, replicas: 1 }), b: new MemoryWorld({ clock, replicas: 1 }) };
  const db = createDatabase(
    { shards: { a: servers, b: servers }, sharding: { slots }, ...options },
    { kernel, worlds },
  );
  if (isStarted) await db.start();
  const open = () => kernel.contexts.open({ id: 'test', signal: new AbortController().signal });
  return { db, worlds, clock, open, within: kernel.contexts.run.bind(kernel.contexts) };
}

const set = (db: Database, key: string, value: unknown) => db.write('set', [key, value]);
const get = async (db: Database, key: string) =>
  (await db.read<{ value: unknown }>('get', [key])).rows[0]?.value;
const valueIn = ({ primary }: MemoryWorld, key: string) => primary.value(key);

describe('a database of two shards', () => {
  it('sends each call to the shard of its key', async () => {
    const { db, worlds } = await setup();
    await set(db.shard('ann'), 'ann', 1);
    await set(db.shard('bob'), 'bob', 2);
    expect([worlds.a, worlds.b].map((world) => [valueIn(world, 'ann'), valueIn(world, 'bob')])).toEqual([
      [1, undefined],
      [undefined, 2],
    ]);
    expect(await get(db.shard('bob'), 'bob')).toBe(2);
    expect(db.shard({ id: await db.newId('bob') })).toBe(db.shard('bob'));
    expect(db.shard('ann').shard('bob')).toBe(db.shard('bob'));
    expect(db.shard({ shard: 'a' })).toBe(db.shard('ann'));
  });

  it('refuses calls that do not say which', async () => {
    const { db } = await setup();
    const refused = expect.objectContaining({ code: 'PANDO_DB_SHARD_KEY_REQUIRED' });
    await expect(db.query('get', ['x'])).rejects.toEqual(refused);
    await expect(db.read('get', ['x'])).rejects.toEqual(refused);
    await expect(db.sql`get`).rejects.toEqual(refused);
    await expect(db.write('set', ['x', 1])).rejects.toEqual(refused);
    await expect(db.transaction(async () => undefined)).rejects.toEqual(refused);
    expect(() => db.pool).toThrow(refused);
  });

  it('keeps a position of each in the token, though their servers look alike', async () => {
    const { db, worlds, open, within } = await setup();
    const context = open();
    await within(context, async () => {
      await set(db.shard('bob'), 'x', 1);
      await set(db.shard('bob'), 'x', 2);
      await set(db.shard('ann'), 'x', 3);
    });
    const at = (shard: 'a' | 'b') => ({ shard, system: 'memory', timeline: 1, lsn: worlds[shard].lsn });
    expect(context.written.db).toEqual([at('a'), at('b')]);
    expect(worlds.a.lsn).not.toBe(worlds.b.lsn);
  });

  it('reads own writes of each shard, and waits for no other', async () => {
    const { db, worlds, open, within, clock } = await setup();
    worlds.b.replicas[0]?.pauseReplay();
    await within(open(), async () => {
      await set(db.shard('bob'), 'x', 1);
      await set(db.shard('ann'), 'x', 2);
      const began = clock.monotonic();
      const sessions = worlds.a.primary.sessions.size;
      expect(await get(db.shard('ann'), 'x')).toBe(2);
      expect(clock.monotonic()).toBe(began);
      expect(worlds.a.primary.sessions.size).toBe(sessions);
      const late = get(db.shard('bob'), 'x');
      await clock.advance(25);
      expect(await late).toBe(1);
    });
  });

  it('goes by the position of the shard that is read, not of another', async () => {
    const { db, worlds, open, within } = await setup();
    const context = open();
    // Far beyond what shard a has: it must not look for it there.
    context.observe(dbToken({ shard: 'b', system: 'memory', timeline: 1, lsn: 1n << 60n }));
    const primarySessions = worlds.a.primary.sessions.size;
    await within(context, () => get(db.shard('ann'), 'x'));
    expect(worlds.a.primary.sessions.size).toBe(primarySessions);
  });

  it('refuses statements for another shard inside a transaction', async () => {
    const { db, worlds } = await setup();
    const crossing = expect.objectContaining({
      code: 'PANDO_DB_CROSS_SHARD',
      message: expect.stringContaining('open on shard a, and a statement inside it is for shard b'),
    });
    const inside = (work: () => Promise<unknown>) =>
      db.shard('ann').transaction(async (tx) => {
        await tx.query('set', ['x', 1]);
        await work();
      });
    await expect(inside(() => set(db.shard('bob'), 'x', 1))).rejects.toEqual(crossing);
    await expect(inside(() => get(db.shard('bob'), 'x'))).rejects.toEqual(crossing);
    await expect(inside(() => db.shard('bob').transaction(async () => undefined))).rejects.toEqual(crossing);
    await expect(inside(() => db.scatter('get', ['x']))).rejects.toEqual(crossing);
    await expect(inside(() => db.shard('bob').pool.query('set', ['x', 1]))).rejects.toEqual(crossing);
    expect([worlds.a, worlds.b].map((world) => valueIn(world, 'x'))).toEqual([undefined, undefined]);
    await inside(() => get(db.shard('ann'), 'x'));
    expect(valueIn(worlds.a, 'x')).toBe(1);
  });
});

describe('its servers', () => {
  it('are told shard by shard, and as one', async () => {
    const { db, worlds, clock } = await setup();
    worlds.b.primary.stop();
    await clock.advance(500);
    const { shards = [], ...all } = db.topology();
    expect(shards.map(({ shard, primary }) => [shard, primary.state])).toEqual([
      ['a', 'up'],
      ['b', 'down'],
    ]);
    expect(all).toMatchObject({ shard: undefined, primary: { state: 'down' }, replicas: [{}, {}] });
  });

  it('are unhealthy only when no shard is left', async () => {
    const { db, worlds } = await setup();
    const look = () => db.checks()[0]?.run({ signal: new AbortController().signal });
    expect(await look()).toEqual({ status: 'healthy' });
    worlds.b.primary.stop();
    expect(await look()).toMatchObject({
      status: 'degraded',
      detail: expect.stringContaining('shard b is unhealthy: connect ECONNREFUSED'),
    });
    worlds.a.primary.stop();
    expect(await look()).toMatchObject({ status: 'unhealthy' });
  });

  it('are saturated only when every shard has its callers wait', async () => {
    const { db, clock } = await setup({ pool: { size: 1, overflow: 0 } });
    const [, check] = db.checks();
    const look = () => check?.run({ signal: new AbortController().signal });
    expect(check).toMatchObject({ name: 'database-pool', critical: true, shared: false });
    expect(await look()).toEqual({ status: 'healthy' });
    const ends: (() => void)[] = [];
    const crowd = (key: string) => {
      const end = new Promise<void>((resolve) => ends.push(resolve));
      const shard = db.shard(key);
      return [shard.transaction(async () => end), set(shard, 'x', 1)];
    };
    const first = crowd('ann');
    await clock.advance(1_000);
    expect(await look()).toMatchObject({
      status: 'degraded',
      detail: expect.stringContaining('is saturated'),
    });
    const second = crowd('bob');
    await clock.advance(1_000);
    expect(await look()).toMatchObject({ status: 'saturated' });
    for (const end of ends) end();
    await Promise.all([...first, ...second]);
  });

  it('may lack a shard at the start, which is used as soon as it is there', async () => {
    const { db, worlds, clock } = await setup({ isStarted: false });
    worlds.b.primary.stop();
    const starting = db.start();
    await clock.advance(5_000);
    await starting;
    await set(db.shard('ann'), 'x', 1);
    worlds.b.primary.start();
    await set(db.shard('bob'), 'x', 2);
    expect(valueIn(worlds.b, 'x')).toBe(2);
  });

  it('must not all be missing', async () => {
    const { db, worlds, clock } = await setup({ isStarted: false });
    worlds.a.primary.stop();
    worlds.b.primary.stop();
    const starting = db.start();
    const refused = expect(starting).rejects.toMatchObject({ code: 'PANDO_DB_UNREACHABLE' });
    await clock.advance(5_000);
    await refused;
  });

  it('are left together', async () => {
    const { db, worlds } = await setup();
    await Promise.all([set(db.shard('ann'), 'x', 1), set(db.shard('bob'), 'x', 1)]);
    await db.close();
    await db.close();
    const sessions = [worlds.a, worlds.b].flatMap(({ primary, replicas }) => [primary, ...replicas]);
    expect(sessions.map((server) => server.sessions.size)).toEqual([0, 0, 0, 0]);
    await expect(set(db.shard('ann'), 'x', 1)).rejects.toMatchObject({ code: 'PANDO_CLOSED' });
  });
});

describe('options of shards that cannot be right', () => {
  it.each<[DatabaseOptions, string]>([
    [{ shards: {} }, 'db.shards must be an object with 1 to 64 shards'],
    [{ shards: { a: { primary: undefined } } }, 'db.shards.a.primary must be a connection URL'],
    [{ shards: { 'a/b': servers } }, 'whose names are'],
    [{ shards: { a: servers }, primary: 'memory:primary' }, 'db.primary must be left out'],
    [{ shards: { a: servers }, sharding: { slots: { b: '0-4095' } } }, 'no such shard'],
    [{ shards: { a: { ...servers, replica: [] } as never } }, 'unknown option "replica" in db.shards.a'],
  ])('are refused: %o', (options, message) => {
    expect(() => createDatabase(options)).toThrow(message);
  });
});

it('a database without shards is its own only one', async () => {
  const clock = createFakeClock();
  const world = new MemoryWorld({ clock, replicas: 1 });
  const db = createDatabase(servers, { kernel: createKernel({ clock }), world });
  await db.start();
  expect(db.shard('ann')).toBe(db);
  expect(db.shard({ id: await db.newId('ann') })).toBe(db);
  expect(db.shard({ shard: 'main' })).toBe(db);
  expect(() => db.shard('')).toThrow(expect.objectContaining({ code: 'PANDO_DB_INVALID_SHARD_KEY' }));
  expect(db.topology()).toMatchObject({ shard: 'main' });
  expect(db.topology().shards).toBeUndefined();
});
