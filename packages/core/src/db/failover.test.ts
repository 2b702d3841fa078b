import { describe, expect, it } from 'vitest';
import { createHistories } from '../kernel/histories.js';
import { createKernel } from '../kernel/kernel.js';
import { Revision } from '../kernel/revision.js';
import { dbToken } from '../kernel/token.js';
import { createFakeClock } from '../testing/fake-clock.js';
import { during, startMemoryDatabase as setup } from '../testing/memory-cluster.js';
import type { Transaction } from './api.js';
import { DatabaseRoom } from './db.js';
import { createMemoryDriver, type MemoryServer, MemoryWorld } from './drivers/memory.js';
import { resolveDatabaseOptions } from './options.js';

/** What `pg_promote` does: the server takes writes, on a timeline of its own. */
function promote(server: MemoryServer, timeline = 2): void {
  server.role = 'primary';
  server.timeline = timeline;
}

/** What a standby does that finds a promoted server to follow. */
function follow(server: MemoryServer, timeline = 2): void {
  server.role = 'replica';
  server.timeline = timeline;
}

/** A database whose options name the servers of a world in any way. */
function open(name: (world: MemoryWorld) => { primary: string[]; replicas?: string[] }, world?: MemoryWorld) {
  const clock = world === undefined ? createFakeClock() : (world.clock as ReturnType<typeof createFakeClock>);
  const made = world ?? new MemoryWorld({ clock });
  const kernel = createKernel({ clock });
  const options = resolveDatabaseOptions({ ...name(made), startTimeoutMs: 1_000 });
  const db = new DatabaseRoom(options, { driver: createMemoryDriver(made, options, kernel), kernel });
  return { clock, world: made, db };
}

describe('a promoted replica', () => {
  it('takes the writes from then on, and its predecessor none, whether it answers or not', async () => {
    const { db, world, first, second, set, get, clock } = await setup();
    await set('a', 1);
    promote(first);
    follow(second);
    await clock.advance(200); // the old primary still answers
    const { timeline, primary, replicas } = db.topology();
    expect([timeline, primary.name, primary.state]).toEqual([2, first.label, 'up']);
    expect(replicas.map(({ name, state }) => [name, state])).toEqual([
      [second.label, 'up'],
      [world.primary.label, 'down'],
    ]);
    expect(replicas[1]?.reason).toContain('not in recovery');
    const { size } = world.primary.sessions;
    await set('a', 2);
    expect(await get('a', 'strong')).toBe(2);
    expect([size, world.primary.sessions.size]).toEqual([1, 1]); // only somebody who asks how it is
  });

  it('is found while the primary is away, and who wants to write waits for it', async () => {
    const { db, world, first, set, get, clock } = await setup();
    world.primary.stop();
    const writes = Promise.all([set('a', 1), db.transaction((tx) => tx.query('set', ['b', 2]))]);
    await clock.advance(3_000);
    expect(world.primary.value('a')).toBeUndefined();
    promote(first);
    await during(clock, writes);
    expect([await get('a', 'strong'), await get('b', 'strong')]).toEqual([1, 2]);
    expect(clock.monotonic()).toBeLessThan(3_500);
  });

  it('has its predecessor as a replica when that comes back as one', async () => {
    const { db, world, first, second, clock } = await setup();
    world.primary.stop();
    promote(first);
    follow(second);
    await clock.advance(1_000);
    world.primary.start();
    follow(world.primary);
    await clock.advance(20_000);
    expect(db.topology().replicas.map(({ name, state }) => [name, state])).toEqual([
      [second.label, 'up'],
      [world.primary.label, 'up'],
    ]);
  });

  it('serves tokens of the timeline before it', async () => {
    const { world, first, second, set, get, open, within, clock } = await setup();
    const context = open();
    await within(context, () => set('a', 1));
    world.primary.stop();
    promote(first);
    follow(second);
    await clock.advance(1_000);
    expect(
      await during(
        clock,
        within(context, () => get('a')),
      ),
    ).toBe(1);
  });
});

describe('a connection to what is no primary any more', () => {
  it('executes nothing, and the statement runs where the part is now', async () => {
    const { world, first, set, db, clock } = await setup();
    await set('a', 1);
    follow(world.primary, 1); // its sessions stay, as behind a proxy
    const write = set('a', 2);
    await clock.advance(500);
    promote(first);
    await during(clock, write);
    expect(first.value('a')).toBe(2);
    expect(db.topology().primary.name).toBe(first.label);
  });

  it('fails a transaction that may be repeated, and repeats it where that was asked for', async () => {
    const { world, first, db, set, clock } = await setup();
    const work = (tx: Transaction) => tx.query('set', ['a', 1]);
    await set('a', 0);
    follow(world.primary, 1);
    await expect(db.transaction(work)).rejects.toMatchObject({
      code: 'PANDO_DB_WRONG_ROLE',
      retryable: true,
    });
    follow(first, 1);
    promote(world.primary, 1);
    await clock.advance(3_000);
    await set('a', 0);
    follow(world.primary, 1);
    const repeated = db.transaction(work, { retry: 1 });
    await clock.advance(500);
    promote(first);
    await during(clock, repeated);
    expect(first.value('a')).toBe(1);
  });
});

it('tells whoever keeps what it has read when it has another history', async () => {
  const clock = createFakeClock();
  const kernel = createKernel({ clock });
  const world = new MemoryWorld({ clock, replicas: 1 });
  const [first] = world.replicas as [MemoryServer];
  const options = resolveDatabaseOptions({ primary: world.primary.label, replicas: [first.label] });
  const revision = new Revision();
  const histories = createHistories(revision);
  const db = new DatabaseRoom(options, {
    driver: createMemoryDriver(world, options, kernel),
    kernel,
    histories,
  });
  const [source] = histories.sources;
  const added = revision.number;
  await during(clock, db.start());
  expect(source?.history?.timeline).toBe(1);
  const known = revision.number;
  expect(known).toBeGreaterThan(added);
  await clock.advance(5_000);
  expect(revision.number).toBe(known);
  promote(first);
  await clock.advance(1_000);
  expect(source?.history?.timeline).toBe(2);
  expect(revision.number).toBeGreaterThan(known);
});

describe('while no server takes writes', () => {
  it('calls that need one wait for failoverWaitMs, and say then what they found', async () => {
    const { world, set, get, clock } = await setup({ options: { failoverWaitMs: 2_000 } });
    world.primary.stop();
    const expected = { code: 'PANDO_DB_NO_PRIMARY', retryable: true, status: 503 };
    await expect(during(clock, set('a', 1))).rejects.toMatchObject(expected);
    expect(clock.monotonic()).toBeGreaterThanOrEqual(2_000);
    expect(clock.monotonic()).toBeLessThan(2_100);
    await expect(during(clock, get('a', 'strong'))).rejects.toThrow('within 2000 ms: Cannot connect');
    expect(await get('a')).toBeUndefined(); // replicas go on
  });

  it('no more of them wait than may wait for a connection, nor longer than their request has time', async () => {
    const { db, world, set, contexts, within, clock } = await setup({ options: { pool: { maxWaiting: 2 } } });
    world.primary.stop();
    const held = [set('a', 1), set('b', 1)];
    await clock.advance(1_000);
    await expect(set('c', 1)).rejects.toThrow('2 calls wait for one already');
    world.primary.start();
    await during(clock, Promise.all(held));

    world.primary.stop();
    const until = clock.monotonic() + 300;
    const { signal } = new AbortController();
    const context = contexts.open({ id: 'test', signal, deadlineAt: until });
    const late = during(
      clock,
      within(context, () => set('d', 1)),
    );
    await expect(late).rejects.toMatchObject({ code: 'PANDO_DB_NO_PRIMARY' });
    expect(clock.monotonic()).toBeLessThanOrEqual(until + 1);

    const controller = new AbortController();
    const left = db.write('set', ['e', 1], { signal: controller.signal });
    await clock.advance(100);
    controller.abort(new Error('left'));
    await expect(left).rejects.toThrow('left');
  });

  it('nobody waits any more once the database closes', async () => {
    const { db, world, set, clock } = await setup();
    world.primary.stop();
    const held = set('a', 1);
    held.catch(() => undefined);
    await clock.advance(1_000);
    const began = clock.monotonic();
    await during(clock, db.close());
    await expect(held).rejects.toMatchObject({ retryable: true });
    expect(clock.monotonic() - began).toBeLessThan(100);
  });

  it('says so at once where no other server could take over', async () => {
    const { world, set } = await setup({ replicas: 0 });
    world.primary.stop();
    await expect(set('a', 1)).rejects.toMatchObject({ code: 'PANDO_DB_UNREACHABLE' });
  });
});

describe('two servers that call themselves primary', () => {
  it('on one timeline are both not used, until one of them is gone', async () => {
    const { db, world, first, set, clock } = await setup({ options: { failoverWaitMs: 500 } });
    first.role = 'primary';
    await clock.advance(200);
    expect(db.topology().primary).toMatchObject({
      state: 'down',
      reason: expect.stringContaining('both say that they are the primary, on timeline 1'),
    });
    const { length } = world.log;
    await expect(during(clock, set('a', 1))).rejects.toMatchObject({ code: 'PANDO_DB_NO_PRIMARY' });
    expect(world.log).toHaveLength(length);
    expect(await db.checks()[0]?.run({ signal: new AbortController().signal })).toMatchObject({
      status: 'unhealthy',
    });
    first.stop();
    await clock.advance(500);
    await during(clock, set('a', 1));
  });

  it('are told apart by their timelines, at start too, in whatever order they are named', async () => {
    for (const primary of [
      ['memory:primary', 'memory:replica-1'],
      ['memory:replica-1', 'memory:primary'],
    ]) {
      const { world, db, clock } = open(() => ({ primary }));
      promote(world.replicas[0] as MemoryServer);
      await during(clock, db.start());
      expect(db.topology()).toMatchObject({
        timeline: 2,
        primary: { name: 'memory:replica-1', state: 'up' },
      });
      await db.close();
    }
  });

  it('are one server under two names when they began at the same moment', async () => {
    const { world, db, clock } = open(({ primary }) => ({
      primary: [primary.label],
      replicas: [primary.label, 'memory:replica-1'],
    }));
    await during(clock, db.start());
    await clock.advance(500);
    await db.write('set', ['a', 1]);
    expect(world.primary.value('a')).toBe(1);
    expect(db.topology()).toMatchObject({
      primary: { state: 'up' },
      replicas: [{ name: 'memory:replica-1' }],
    });
    await db.close();
  });
});

it('finds the primary in a list, whatever its place, and reads from the others', async () => {
  const { db, clock, world } = open(() => ({
    primary: ['memory:replica-1', 'memory:replica-2', 'memory:primary'],
  }));
  await during(clock, db.start());
  await db.write('set', ['a', 1]);
  expect(world.primary.value('a')).toBe(1);
  expect(db.topology()).toMatchObject({
    primary: { name: 'memory:primary', state: 'up' },
    replicas: [
      { name: 'memory:replica-2', state: 'up' },
      { name: 'memory:replica-1', state: 'up' },
    ],
  });
  await db.close();
});

it('neither writes to nor reads from a primary that a token proves to be replaced', async () => {
  const { db, set, get, open, within, world, clock } = await setup({ options: { failoverWaitMs: 500 } });
  const { length } = world.log;
  const token = dbToken({ shard: 'main', system: 'memory', timeline: 2, lsn: 1n });
  await expect(
    during(
      clock,
      within(open(token), () => get('a')),
    ),
  ).rejects.toThrow('and the cluster on 2');
  await expect(during(clock, set('a', 1))).rejects.toMatchObject({ code: 'PANDO_DB_NO_PRIMARY' });
  expect(world.log).toHaveLength(length);
  world.primary.timeline = 2; // its name leads to the promoted server now
  world.primary.crash();
  await during(clock, set('a', 1));
  expect(db.topology().timeline).toBe(2);
});
