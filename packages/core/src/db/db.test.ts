import { describe, expect, it } from 'vitest';
import { dbToken, emptyToken } from '../kernel/token.js';
import { during, startMemoryDatabase as setup } from '../testing/memory-cluster.js';
import type { Database } from './api.js';

const states = (db: Database) => db.topology().replicas.map(({ state }) => state);

describe('writes', () => {
  it('go to the primary and move the token of the context', async () => {
    const { set, open, within, world } = await setup();
    const context = open();
    await within(context, () => set('a', 1));
    expect(context.written.db).toEqual([{ shard: 'main', system: 'memory', timeline: 1, lsn: world.lsn }]);
    expect(context.token).toEqual(context.written);
  });

  it('that fail move nothing', async () => {
    const { db, open, within } = await setup();
    const context = open();
    await expect(within(context, () => db.write('fail', ['23505']))).rejects.toMatchObject({ code: '23505' });
    expect(context.written).toEqual(emptyToken);
  });

  it('whose answer is lost have an unknown outcome, and do not run twice', async () => {
    const { set, world, open, within } = await setup();
    world.primary.losesNextCommit = true;
    const context = open();
    await expect(within(context, () => set('a', 1))).rejects.toMatchObject({
      code: 'PANDO_DB_OUTCOME_UNKNOWN',
      retryable: false,
    });
    expect(world.log).toHaveLength(1);
  });

  it('reject at once, as repeatable, while the primary is away', async () => {
    const { set, world } = await setup({ options: { failoverWaitMs: 0 } });
    world.primary.stop();
    await expect(set('a', 1)).rejects.toMatchObject({
      code: 'PANDO_DB_UNREACHABLE',
      retryable: true,
      status: 503,
    });
  });

  it('go on while the primary has no connection left for the question how it is', async () => {
    const { set, world, clock, db } = await setup();
    await set('a', 1);
    const [watching] = world.primary.sessions;
    world.primary.maxSessions = 1;
    watching?.lose(new Error('terminated'));
    await clock.advance(10_000);
    expect(db.topology().primary.state).toBe('up');
    await set('a', 2);
    expect(world.primary.sessions.size).toBe(1);
  });

  it('go on as soon as the primary is back', async () => {
    const { set, world, clock, db } = await setup();
    world.primary.stop();
    await clock.advance(500);
    expect(db.topology().primary).toMatchObject({
      state: 'down',
      reason: expect.stringContaining('ECONNREFUSED'),
    });
    world.primary.start();
    await clock.advance(3_000);
    expect(db.topology().primary.state).toBe('up');
    await set('a', 1);
  });

  it('are not sent to a server that became a replica', async () => {
    const { set, world, clock, db } = await setup({ options: { failoverWaitMs: 0 } });
    world.primary.stop();
    world.primary.role = 'replica';
    world.primary.start();
    await clock.advance(3_000);
    expect(db.topology().primary).toMatchObject({
      state: 'down',
      reason: expect.stringContaining('in recovery'),
    });
    await expect(set('a', 1)).rejects.toMatchObject({ code: 'PANDO_DB_WRONG_ROLE', retryable: true });
  });

  it('are not sent to a server of an older timeline', async () => {
    const { set, world, clock, db } = await setup({ options: { failoverWaitMs: 0 } });
    world.primary.timeline = 2;
    await clock.advance(200);
    expect(db.topology().timeline).toBe(2);
    world.primary.stop();
    world.primary.timeline = 1;
    world.primary.start();
    await clock.advance(3_000);
    await expect(set('a', 1)).rejects.toThrow('it is on timeline 1, and the cluster on 2');
  });
});

describe('causal reads', () => {
  it('are served by replicas', async () => {
    const { get, first, second, clock, db } = await setup();
    expect(await get('a')).toBeUndefined();
    expect(await get('a')).toBeUndefined();
    expect([first.sessions.size, second.sessions.size]).toEqual([2, 2]); // monitor and pool
    await clock.advance(0);
    expect(db.topology().primary.idle).toBe(0);
  });

  it('wait a moment for a replica that is about to have the write', async () => {
    const { get, set, first, second, clock, world } = await setup();
    first.lagMs = second.lagMs = 10;
    await set('a', 1);
    const sessions = world.primary.sessions.size;
    expect(await during(clock, get('a'))).toBe(1);
    expect(world.primary.sessions.size).toBe(sessions); // no second one was needed
    expect(clock.monotonic()).toBeLessThanOrEqual(15);
  });

  it('go to the primary when no replica gets there in time, and do not wait again for one that stands still', async () => {
    const { get, set, first, second, clock } = await setup();
    first.pauseReplay();
    second.pauseReplay();
    await set('a', 1);
    expect(await during(clock, get('a'))).toBe(1);
    expect(clock.monotonic()).toBeGreaterThanOrEqual(25);
    const began = clock.monotonic();
    await during(clock, get('a')); // the other replica, where this one has not waited yet
    await during(clock, get('a'));
    const soFar = clock.monotonic();
    for (let i = 0; i < 100; i++) expect(await get('a')).toBe(1);
    expect(clock.monotonic()).toBe(soFar);
    expect(soFar - began).toBeLessThan(60);
    first.resumeReplay();
    await clock.advance(100);
    const sessions = first.sessions.size;
    expect(await get('a')).toBe(1);
    expect(first.sessions.size).toBeGreaterThanOrEqual(sessions);
  });

  it('see the writes that their token names, whoever made them', async () => {
    const { set, get, open, within, first, second, clock } = await setup();
    first.pauseReplay();
    second.pauseReplay();
    const writer = open();
    await within(writer, () => set('a', 1));
    expect(await within(open(), () => get('a'))).toBeUndefined();
    expect(
      await during(
        clock,
        within(open(writer.token), () => get('a')),
      ),
    ).toBe(1);
  });

  it('need not see them at the level eventual', async () => {
    const { set, get, first, second } = await setup();
    first.pauseReplay();
    second.pauseReplay();
    await set('a', 1);
    expect(await get('a', 'eventual')).toBeUndefined();
    expect(await get('a', 'strong')).toBe(1);
  });

  it.each([
    ['of another system', dbToken({ shard: 'main', system: 'elsewhere', timeline: 1, lsn: 1n })],
    ['of a newer release', { ...emptyToken, opaque: ['2.x.y'] }],
  ])('with a token %s go to the primary', async (_, token) => {
    const { set, get, open, within, first, second } = await setup();
    first.pauseReplay();
    second.pauseReplay();
    await within(open(), () => set('a', 1));
    expect(await within(open(token), () => get('a'))).toBe(1);
  });

  it('do not believe a replica that began again at an earlier point', async () => {
    const { set, get, first, second, clock } = await setup();
    second.stop();
    await set('a', 1);
    await set('a', 2);
    expect(await during(clock, get('a'))).toBe(2);
    first.lagMs = 5;
    first.crash({ backBy: 1 });
    expect(first.value('a')).toBe(1);
    expect(await during(clock, get('a'))).toBe(2);
  });

  it('do not use a replica on another history', async () => {
    const { get, set, first, second, clock, db } = await setup();
    first.timeline = second.timeline = 2;
    await clock.advance(200);
    expect(states(db)).toEqual(['down', 'down']);
    expect(db.topology().replicas[0]?.reason).toBe('it is on timeline 2, and the primary on 1');
    await set('a', 1);
    expect(await get('a')).toBe(1);
  });
});

describe('reads that fail', () => {
  it('on a replica because they write run on the primary, as a write', async () => {
    const { db, open, within, world } = await setup();
    const context = open();
    await within(context, () => db.read('set', ['a', 1]));
    expect(context.written.db[0]?.lsn).toBe(world.lsn);
    expect(world.log).toHaveLength(1);
  });

  it('to be reads move the token on the primary, too', async () => {
    const { db, open, within, world } = await setup({ replicas: 0 });
    const context = open();
    await within(context, () => db.read('set', ['a', 1]));
    expect(context.written.db[0]?.lsn).toBe(world.lsn);
  });

  it('for a conflict with replay run again elsewhere', async () => {
    const { db } = await setup();
    await db.read('fail', ['40001', 'replica']);
    await expect(db.read('fail', ['40001'])).rejects.toMatchObject({ code: '40001' });
  });

  it("for anything else reject with the server's error", async () => {
    const { db } = await setup();
    await expect(db.read('fail', ['42P01', 'replica'])).rejects.toMatchObject({ code: '42P01' });
  });

  it('with their server run again on another one', async () => {
    const { db, get, first, second, world, clock } = await setup();
    await Promise.all([get('a'), get('a'), get('a'), get('a')]);
    first.freeze();
    second.freeze();
    const reads = Promise.all([1, 2, 3, 4].map(() => get('a')));
    await clock.advance(10);
    first.stop();
    second.stop();
    first.thaw();
    second.thaw();
    expect(await during(clock, reads)).toEqual([undefined, undefined, undefined, undefined]);
    await clock.advance(200);
    expect(states(db)).toEqual(['down', 'down']);
    expect(world.primary.sessions.size).toBeGreaterThan(1);
  });

  it('on a server that falls silent run again elsewhere once that is noticed', async () => {
    const { get, first, second, clock, db } = await setup({ options: { probeTimeoutMs: 1_000 } });
    await Promise.all([get('a'), get('a')]);
    first.freeze();
    const reads = Promise.all([get('a'), get('a')]);
    expect(await during(clock, reads)).toEqual([undefined, undefined]);
    expect(clock.monotonic()).toBeLessThan(1_300);
    expect(states(db)).toEqual(['down', 'up']);
    second.freeze();
    first.thaw();
    await clock.advance(4_000);
    expect(states(db)).toEqual(['warming', 'down']);
  });

  it('do not spill over to the primary when there are more than the replicas bear', async () => {
    const { db, clock, world } = await setup({ options: { pool: { size: 1, overflow: 0, maxWaiting: 1 } } });
    const hanging = Array.from({ length: 4 }, () => db.read('hang').catch(() => undefined));
    await clock.advance(1);
    await expect(db.read('get', ['a'])).rejects.toMatchObject({ code: 'PANDO_DB_POOL_OVERLOADED' });
    expect(world.primary.sessions.size).toBe(1);
    const closed = db.close();
    await clock.advance(6_000);
    await Promise.all([...hanging, closed]);
  });

  it('reject when nobody is left', async () => {
    const { get, world, clock } = await setup({ options: { failoverWaitMs: 0 } });
    for (const server of [world.primary, ...world.replicas]) server.stop();
    await clock.advance(500);
    await expect(get('a')).rejects.toMatchObject({ code: 'PANDO_DB_UNREACHABLE', retryable: true });
  });

  it('go on at replicas while the primary is away, up to what they have', async () => {
    const { get, set, open, within, world, clock } = await setup({ options: { failoverWaitMs: 0 } });
    await within(open(), () => set('a', 1));
    world.primary.stop();
    await clock.advance(60_000);
    expect(await within(open(), () => get('a'))).toBe(1);
    const ahead = dbToken({ shard: 'main', system: 'memory', timeline: 1, lsn: world.lsn + 8n });
    await expect(
      during(
        clock,
        within(open(ahead), () => get('a')),
      ),
    ).rejects.toMatchObject({
      code: 'PANDO_DB_UNREACHABLE',
    });
  });
});

describe('the rotation', () => {
  it('leaves out replicas that are too far behind, and takes them back', async () => {
    const { set, get, first, clock, db, open, within } = await setup({ options: { maxLagMs: 1_000 } });
    first.pauseReplay();
    for (let i = 0; i < 20; i++) {
      await within(open(), () => set('a', i));
      await clock.advance(100);
    }
    expect(states(db)).toEqual(['lagging', 'up']);
    for (let i = 0; i < 10; i++) expect(await get('a', 'eventual')).toBe(19);
    first.resumeReplay();
    await clock.advance(300);
    expect(states(db)).toEqual(['warming', 'up']);
    await clock.advance(10_000);
    expect(states(db)).toEqual(['up', 'up']);
  });

  it('leaves out a server that is no replica, or of another system', async () => {
    const { first, second, clock, db } = await setup();
    first.role = 'primary';
    second.system = 'stranger';
    await clock.advance(200);
    expect(db.topology().replicas.map(({ state, reason }) => [state, reason?.split('.')[0]])).toEqual([
      ['down', 'memory:replica-1 cannot be used as replica: it is not in recovery'],
      [
        'down',
        'memory:replica-2 cannot be used as replica: it belongs to system stranger, and the primary to memory',
      ],
    ]);
  });

  it('follows the primary to another timeline', async () => {
    const { world, clock, db, get, set } = await setup();
    for (const server of [world.primary, ...world.replicas]) server.timeline = 2;
    await clock.advance(1_000);
    expect(db.topology()).toMatchObject({ system: 'memory', timeline: 2 });
    expect(states(db).every((state) => state !== 'down')).toBe(true);
    await set('a', 1);
    expect(await during(clock, get('a'))).toBe(1);
  });
});

describe('loads', () => {
  it('learn what their reads were certain to see', async () => {
    const { get, set, contexts, world, clock, first, second } = await setup();
    await set('a', 1);
    const notes: unknown[] = [];
    const load = { noteRead: (bound: unknown) => notes.push(bound) };
    const init = { id: 'load', signal: new AbortController().signal, token: contexts.current().token };
    await during(
      clock,
      contexts.run(contexts.openLoad(init, load), () => get('a')),
    );
    expect(notes).toEqual([
      { shard: 'main', seen: expect.objectContaining({ system: 'memory', timeline: 1, lsn: world.lsn }) },
    ]);
    first.stop();
    second.stop();
    await during(
      clock,
      contexts.run(contexts.openLoad(init, load), () => get('a')),
    );
    expect(notes[1]).toEqual({ shard: 'main', seen: 'primary' });
  });
});

describe('aborts', () => {
  it("reject with the signal's reason and free the connection", async () => {
    const { db, clock } = await setup();
    const controller = new AbortController();
    const rejection = expect(db.read('hang', [], { signal: controller.signal })).rejects.toThrow('enough');
    await clock.advance(1);
    controller.abort(new Error('enough'));
    await rejection;
    await clock.advance(1);
    expect(db.topology().replicas.map(({ inUse }) => inUse)).toEqual([0, 0]);
  });

  it('of the request cancel its reads', async () => {
    const { db, clock, contexts } = await setup();
    const controller = new AbortController();
    const context = contexts.open({ id: 'request', signal: controller.signal });
    const rejection = expect(contexts.run(context, () => db.read('hang'))).rejects.toThrow('client left');
    await clock.advance(1);
    controller.abort(new Error('client left'));
    await rejection;
  });
});

it('lets any number of reads wait for one signal without a warning', async () => {
  const { db, contexts, within, clock } = await setup();
  const warnings: Error[] = [];
  const warn = (warning: Error) => warnings.push(warning);
  process.on('warning', warn);
  const controller = new AbortController();
  const context = contexts.open({ id: 'request', signal: controller.signal });
  const reads = within(context, () => Promise.allSettled(Array.from({ length: 50 }, () => db.read('hang'))));
  await clock.advance(1);
  controller.abort(new Error('enough'));
  expect((await reads).every(({ status }) => status === 'rejected')).toBe(true);
  process.off('warning', warn);
  expect(warnings).toEqual([]);
});
