import { describe, expect, it } from 'vitest';
import { createKernel } from '../kernel/kernel.js';
import { createFakeClock } from '../testing/fake-clock.js';
import { during, read, startMemoryDatabase as setup } from '../testing/memory-cluster.js';
import { createMemoryDatabase } from '../testing/memory-database.js';
import type { Database } from './api.js';
import { MemoryWorld } from './drivers/memory.js';

const states = (db: Database) => db.topology().replicas.map(({ state }) => state);

describe('the life of the room', () => {
  it('begins with the first call where nobody started it', async () => {
    const clock = createFakeClock();
    const { db } = createMemoryDatabase({ kernel: createKernel({ clock }) });
    await db.write('set', ['a', 1]);
    expect(await during(clock, read(db, 'a'))).toBe(1);
  });

  it('does not begin without the primary', async () => {
    const clock = createFakeClock();
    const world = new MemoryWorld({ clock });
    world.primary.stop();
    const { db } = createMemoryDatabase({ kernel: createKernel({ clock }), world });
    await expect(during(clock, db.start())).rejects.toMatchObject({
      code: 'PANDO_DB_UNREACHABLE',
      message:
        'cannot use the primary database memory:primary: connect ECONNREFUSED memory:primary. Start Postgres there, or correct db.primary.',
    });
    expect(clock.monotonic()).toBeLessThanOrEqual(5_001);
    world.primary.start();
    await db.start();
  });

  it('begins when the primary comes up in time, and without replicas', async () => {
    const clock = createFakeClock();
    const world = new MemoryWorld({ clock });
    for (const server of [world.primary, ...world.replicas]) server.stop();
    const { db } = createMemoryDatabase({ kernel: createKernel({ clock }), world });
    const started = db.start();
    await clock.advance(2_000);
    world.primary.start();
    await during(clock, started);
    expect(states(db)).toEqual(['down', 'down']);
  });

  it('ends with all its connections and timers, once', async () => {
    const { db, get, set, world, clock } = await setup();
    await set('a', 1);
    await during(clock, get('a'));
    await Promise.all([db.close(), db.close()]);
    expect([world.primary, ...world.replicas].map(({ sessions }) => sessions.size)).toEqual([0, 0, 0]);
    expect(clock.pending).toBe(0);
    await expect(get('a')).rejects.toMatchObject({ code: 'PANDO_CLOSED' });
    await expect(db.start()).rejects.toMatchObject({ code: 'PANDO_CLOSED' });
  });

  it('waits for running statements before it ends, within a bound', async () => {
    const { db, clock } = await setup();
    const hanging = expect(db.write('hang')).rejects.toMatchObject({ code: 'PANDO_DB_OUTCOME_UNKNOWN' });
    await clock.advance(1);
    const closed = db.close();
    await clock.advance(5_000);
    await closed;
    await hanging;
  });

  it('ends where it never began', async () => {
    const clock = createFakeClock();
    const { db } = createMemoryDatabase({ kernel: createKernel({ clock }) });
    await db.close();
    expect(clock.pending).toBe(0);
  });

  it('shows how it is', async () => {
    const { db, first, world, clock } = await setup();
    const [check] = db.checks();
    const look = () => check?.run({ signal: new AbortController().signal });
    expect(check).toMatchObject({ name: 'database', critical: true });
    expect(await look()).toEqual({ status: 'healthy' });
    first.stop();
    await clock.advance(200);
    expect(await look()).toEqual({
      status: 'degraded',
      detail: 'replica memory:replica-1 is down: connect ECONNREFUSED memory:replica-1',
    });
    world.primary.stop();
    expect(await look()).toEqual({ status: 'unhealthy', detail: 'connect ECONNREFUSED memory:primary' });
  });

  it('says when its pool is saturated, which is another thing than a database that is away', async () => {
    const { db, world, clock } = await setup({ options: { pool: { size: 1, overflow: 0 } } });
    const look = async (name: string) =>
      db
        .checks()
        .find((check) => check.name === name)
        ?.run({ signal: new AbortController().signal });
    let finish: () => void = () => undefined;
    const work = new Promise<void>((resolve) => {
      finish = resolve;
    });
    const long = db.transaction(async () => work);
    const waiting = db.write('set', ['a', 1]);
    await clock.advance(999);
    expect(await look('database-pool')).toEqual({ status: 'healthy' });
    await clock.advance(1);
    expect(await look('database-pool')).toEqual({
      status: 'saturated',
      detail: '1 wait for one of the 1 connections to memory:primary, the first for 1000 ms',
    });
    expect(await look('database')).toEqual({ status: 'healthy' });
    finish();
    await Promise.all([long, waiting]);
    expect(await look('database-pool')).toEqual({ status: 'healthy' });

    const stuck = db.transaction(async () => new Promise(() => undefined)).catch(() => undefined);
    const refused = db.write('set', ['a', 2]).catch(() => undefined);
    await clock.advance(1_500);
    world.primary.stop();
    expect(await look('database')).toMatchObject({ status: 'unhealthy' });
    expect(await look('database-pool')).toEqual({ status: 'healthy' });
    void stuck;
    void refused;
  });

  it('does not look at its pool where that is turned off', async () => {
    const { db } = await setup({ options: { pool: { saturatedAfterMs: false } } });
    expect(db.checks().map(({ name }) => name)).toEqual(['database']);
  });
});
