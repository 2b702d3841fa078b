import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createKernel } from '../../kernel/kernel.js';
import { createFakeClock } from '../../testing/fake-clock.js';
import type { ConnectionBudget } from '../connection-budget.js';
import { databaseDefaults } from '../options.js';
import type { AcquireOptions, Lease } from '../ports.js';
import { FencedPool, type FencedPoolOptions } from './fenced-pool.js';
import { MemoryWorld } from './memory.js';

function setup(options: Partial<FencedPoolOptions> = {}, { objection }: { objection?: Error } = {}) {
  const clock = createFakeClock();
  const world = new MemoryWorld({ clock });
  const losses: unknown[] = [];
  const pool = new FencedPool(
    world.primary,
    { ...databaseDefaults.pool, size: 2, overflow: 1, role: 'primary', ...options },
    { onLost: (cause) => losses.push(cause), objection: () => objection },
    createKernel({ clock }),
  );
  const acquire = (rest: Partial<AcquireOptions> = {}) => pool.acquire({ lane: 'main', ...rest });
  const acquireAll = (count: number) => Promise.all(Array.from({ length: count }, () => acquire()));
  return { clock, world, server: world.primary, pool, losses, acquire, acquireAll };
}

const releaseAll = (leases: readonly Lease[]) => {
  for (const lease of leases) lease.release();
};

describe('the pool', () => {
  it('opens connections as they are needed and hands out the one used last', async () => {
    const { acquire, server, pool } = setup();
    const first = await acquire();
    const second = await acquire();
    first.release();
    second.release();
    for (let i = 0; i < 5; i++) {
      const lease = await acquire();
      expect(lease.connection).toBe(second.connection);
      lease.release();
    }
    expect(server.attempts).toBe(2);
    expect(pool).toMatchObject({ inUse: 0, idle: 2, waiting: 0 });
  });

  it('lets callers beyond size and overflow wait in order of arrival', async () => {
    const { acquire, acquireAll, server, pool } = setup();
    const leases = await acquireAll(3);
    const order: number[] = [];
    const waiting = [1, 2].map(async (number) => {
      const lease = await acquire();
      order.push(number);
      lease.release();
    });
    await Promise.resolve();
    expect(pool).toMatchObject({ inUse: 3, waiting: 2 });
    releaseAll(leases);
    await Promise.all(waiting);
    expect(order).toEqual([1, 2]);
    expect(server.attempts).toBe(3);
  });

  it('hands a connection on to who waits, and makes another where it has ended on the way', async () => {
    const { acquire, acquireAll, server } = setup();
    const [first, ...others] = await acquireAll(3);
    const waiting = acquire();
    first?.release();
    expect((await waiting).connection).toBe(first?.connection);
    const unlucky = acquire();
    others[0]?.release();
    others[0]?.connection.destroy();
    expect((await unlucky).connection.isOpen).toBe(true);
    expect(server.attempts).toBe(4);
  });

  it('refuses at once when too many wait', async () => {
    const { acquire, acquireAll, pool, clock } = setup({ maxWaiting: 1 });
    const leases = await acquireAll(3);
    const waiting = acquire();
    await expect(acquire()).rejects.toMatchObject({
      code: 'PANDO_DB_POOL_OVERLOADED',
      status: 503,
      retryable: true,
      message:
        '1 request already waits for one of the 3 connections to primary memory:primary. ' +
        'Raise db.pool.size, shorten queries, or shed load earlier (see docs/how-to/size-pools.md).',
    });
    expect(pool.waiting).toBe(1);
    releaseAll(leases);
    (await waiting).release();
    expect(clock.pending).toBe(1); // the sweeper
  });

  it('refuses who has waited long enough', async () => {
    const { acquire, acquireAll, clock, pool } = setup({ acquireTimeoutMs: 5_000 });
    const leases = await acquireAll(3);
    const rejection = expect(acquire()).rejects.toThrow('None of the 3 connections');
    const sooner = expect(acquire({ timeoutMs: 100 })).rejects.toThrow('within 100 ms');
    await clock.advance(100);
    await sooner;
    expect(pool.waiting).toBe(1);
    await clock.advance(4_900);
    await rejection;
    expect(pool.waiting).toBe(0);
    releaseAll(leases);
    expect(pool).toMatchObject({ inUse: 0, idle: 3 });
  });

  it("stops waiting with the signal's reason, and passes nobody by", async () => {
    const { acquire, acquireAll, pool } = setup();
    const [first, ...others] = await acquireAll(3);
    const controller = new AbortController();
    const left = expect(acquire({ signal: controller.signal })).rejects.toThrow('client left');
    const next = acquire();
    controller.abort(new Error('client left'));
    await left;
    first?.release();
    (await next).release();
    releaseAll(others);
    expect(pool.inUse).toBe(0);
  });

  it('keeps half of its connections from reads that were meant for replicas', async () => {
    const { acquire, pool } = setup({ size: 4, overflow: 0 });
    const spilled = await Promise.all([acquire({ lane: 'spill' }), acquire({ lane: 'spill' })]);
    const third = acquire({ lane: 'spill' });
    const main = await Promise.all([acquire(), acquire()]);
    expect(pool).toMatchObject({ inUse: 4, waiting: 1 });
    releaseAll(main);
    expect(pool.waiting).toBe(1); // a free connection is not enough
    spilled[0]?.release();
    (await third).release();
    spilled[1]?.release();
    expect(pool).toMatchObject({ inUse: 0, waiting: 0 });
  });

  it('keeps a connection on which a statement has failed', async () => {
    const { acquire, server } = setup();
    for (let i = 0; i < 100; i++) {
      const lease = await acquire();
      await expect(lease.connection.query({ text: 'fail', params: ['23505'] })).rejects.toThrow();
      lease.release();
    }
    expect(server.attempts).toBe(1);
  });

  it('resets a connection whose session was changed, and closes it where a pooler stands between', async () => {
    const { acquire, server, pool, clock } = setup();
    const borrow = async () => {
      const lease = await acquire();
      const { connection } = lease;
      lease.sessionChanged();
      lease.release();
      expect(pool.inUse).toBe(1); // nobody gets it before it is clean
      await clock.advance(0);
      expect(pool.inUse).toBe(0);
      return connection;
    };
    const direct = await borrow();
    expect(pool.idle).toBe(1);
    expect(await borrow()).toBe(direct);
    expect(server.sessions.size).toBe(1);

    const pooled = setup();
    pooled.server.isPooled = true;
    const lease = await pooled.acquire();
    lease.sessionChanged();
    lease.release();
    await pooled.clock.advance(0);
    expect(pooled.pool).toMatchObject({ inUse: 0, idle: 0 });
    expect(pooled.server.sessions.size).toBe(0);
  });

  it('closes a connection that does not become fit in time', async () => {
    const { acquire, server, pool, clock } = setup();
    const lease = await acquire();
    lease.sessionChanged();
    server.freeze();
    lease.release();
    await clock.advance(5_000);
    expect(pool).toMatchObject({ inUse: 0, idle: 0 });
    server.thaw();
  });

  it('closes a connection that comes back inside a transaction', async () => {
    const { acquire, server, pool, clock } = setup();
    const lease = await acquire();
    await lease.connection.begin({});
    lease.release();
    await clock.advance(0);
    expect(pool.idle).toBe(0);
    expect(server.sessions.size).toBe(0);
  });

  it('hands out no connection that has ended, and tells its owner', async () => {
    const { acquire, acquireAll, server, losses, pool } = setup();
    releaseAll(await acquireAll(2));
    server.crash();
    expect(losses).toHaveLength(2);
    const lease = await acquire();
    expect(lease.connection.isOpen).toBe(true);
    lease.release();
    expect(pool.idle).toBe(1);
  });

  it('has connections that were idle for long prove themselves, and distrusts the others when one cannot', async () => {
    const { acquire, acquireAll, clock, server, pool } = setup({ validateIdleMs: 1_000 });
    const leases = await acquireAll(2);
    releaseAll(leases);
    server.freeze();
    await clock.advance(900);
    (await acquire()).release(); // not asked yet
    await clock.advance(1_100);
    const pending = acquire();
    await clock.advance(1_000);
    server.thaw();
    const lease = await pending;
    expect(leases.map(({ connection }) => connection.isOpen)).toEqual([false, false]);
    expect(lease.connection.isOpen).toBe(true);
    expect(server.attempts).toBe(3);
    lease.release();
    expect(pool.idle).toBe(1);
  });

  it('closes overflow soon after the burst, and what idles too long', async () => {
    const { acquireAll, clock, pool, server } = setup({ idleMs: 10_000 });
    releaseAll(await acquireAll(3));
    expect(pool.idle).toBe(3);
    await clock.advance(2_000);
    expect(pool.idle).toBe(2);
    expect(server.sessions.size).toBe(2);
    await clock.advance(10_000);
    expect(pool.idle).toBe(0);
    expect(server.sessions.size).toBe(0);
    releaseAll(await acquireAll(3));
    expect(pool.idle).toBe(3);
  });

  it('replaces old connections, at rest and on return', async () => {
    const { acquire, clock, server } = setup({ recycleMs: 60_000, idleMs: 1_000_000, validateIdleMs: false });
    const first = await acquire();
    await clock.advance(70_000);
    first.release();
    const second = await acquire();
    expect(second.connection).not.toBe(first.connection);
    second.release();
    await clock.advance(70_000);
    expect(server.sessions.size).toBe(0);
  });

  it('tells the cause at once when the database is down, and tries seldom', async () => {
    const { acquire, clock, server, pool } = setup({ size: 10, overflow: 20 });
    server.stop();
    let refused = 0;
    for (let ms = 0; ms < 2_000; ms += 10) {
      for (let caller = 0; caller < 10; caller++) {
        await expect(acquire()).rejects.toMatchObject({
          code: 'PANDO_DB_UNREACHABLE',
          retryable: true,
          cause: { code: 'ECONNREFUSED' },
        });
        refused++;
      }
      await clock.advance(10);
    }
    expect(refused).toBe(2_000);
    expect(server.attempts).toBeLessThan(10);
    server.start();
    await clock.advance(1_000);
    (await acquire()).release();
    expect(pool.idle).toBe(1);
  });

  it('tries again at once when it hears that the server was reached', async () => {
    const { acquire, server, pool } = setup();
    server.stop();
    await expect(acquire()).rejects.toThrow('ECONNREFUSED');
    server.start();
    await expect(acquire()).rejects.toThrow('ECONNREFUSED');
    pool.reachable();
    (await acquire()).release();
  });

  it('refuses sessions that its owner objects to', async () => {
    const { acquire, server } = setup({}, { objection: new Error('a replica') });
    await expect(acquire()).rejects.toThrow('a replica');
    expect(server.sessions.size).toBe(0);
  });

  it('cuts off everybody when the server was found silent', async () => {
    const { acquire, server, pool, clock } = setup();
    const lease = await acquire();
    const hanging = expect(lease.connection.query({ text: 'hang', params: [] })).rejects.toMatchObject({
      code: 'PANDO_DB_CONNECTION_LOST',
    });
    server.freeze();
    const connecting = expect(acquire()).rejects.toThrow('the server has fallen silent');
    await clock.advance(0);
    pool.sever();
    await hanging;
    await connecting;
    server.thaw();
    lease.release();
    expect(server.sessions.size).toBe(0);
    await clock.advance(100);
    (await acquire()).release();
  });

  it('keeps to its share of the connections, which changes while it runs', async () => {
    let instances = 2;
    const shares = { shareOf: (_: string, capacity = 6) => Math.min(3, capacity / instances) };
    const { acquire, acquireAll, clock, pool, server } = setup({ budget: shares as ConnectionBudget });
    server.capacity = 4;
    const leases = await acquireAll(3); // before it knows what the server has
    expect(pool.limit).toBe(2);
    const [first, second, third] = leases as [Lease, Lease, Lease];
    first.release(); // one too many
    expect(pool).toMatchObject({ inUse: 2, idle: 0 });
    const waiting = acquire();
    second.release();
    const fourth = await waiting;
    expect(server.sessions.size).toBe(2);

    fourth.release();
    third.release();
    expect(pool.idle).toBe(2);
    instances = 4;
    await clock.advance(1_000);
    expect(server.sessions.size).toBe(1);
    const last = await acquire();
    const next = expect(acquire({ timeoutMs: 100 })).rejects.toThrow('None of the 1 connections to primary');
    await clock.advance(100);
    await next;
    const later = acquire();
    instances = 1;
    await clock.advance(1_000);
    releaseAll([last, await later]);
    expect(server.sessions.size).toBe(2);
    expect(server.attempts).toBe(4);
  });

  it('waits for the connections that it has where the server gives no more, and tries for another now and then', async () => {
    const { acquire, clock, pool, server } = setup({ size: 10, overflow: 0 });
    server.maxSessions = 3;
    let served = 0;
    const callers = Array.from({ length: 40 }, async () => {
      const lease = await acquire();
      await lease.connection.query({ text: 'get', params: ['a'] });
      lease.release();
      served++;
    });
    await Promise.all(callers);
    expect(served).toBe(40);
    expect(pool).toMatchObject({ limit: 3, idle: 3 });
    expect(server.attempts).toBe(10);

    const leases = await Promise.all([acquire(), acquire(), acquire()]);
    const order: string[] = [];
    const queued = ['first', 'second'].map((name) =>
      acquire().then((lease) => {
        order.push(name);
        lease.release();
      }),
    );
    await clock.advance(1_000); // one more try, in vain, by the first
    expect(server.attempts).toBe(11);
    expect(pool.waiting).toBe(2);
    leases[0]?.release();
    await Promise.all(queued);
    expect(order).toEqual(['first', 'second']);
    releaseAll(leases);

    server.maxSessions = 20;
    await clock.advance(10_000);
    expect(pool.limit).toBe(10);
  });

  it('says that the server has no connection left where it holds none itself', async () => {
    const { acquire, server, pool } = setup();
    server.maxSessions = 0;
    const refusals = await Promise.allSettled([acquire(), acquire(), acquire()]);
    for (const refusal of refusals) {
      expect(refusal).toMatchObject({
        reason: { code: 'PANDO_DB_UNREACHABLE', retryable: true, cause: { code: '53300' } },
      });
    }
    expect(pool).toMatchObject({ inUse: 0, waiting: 0 });
  });

  it('closes when the last borrower has returned', async () => {
    const { acquire, acquireAll, pool, server, clock } = setup();
    const leases = await acquireAll(3);
    const waiting = expect(acquire()).rejects.toMatchObject({ code: 'PANDO_CLOSED' });
    const closed = pool.close();
    await waiting;
    await expect(acquire()).rejects.toMatchObject({ code: 'PANDO_CLOSED' });
    releaseAll(leases);
    await closed;
    expect(server.sessions.size).toBe(0);
    expect(clock.pending).toBe(0);
  });

  it('cuts borrowers off that do not return in time', async () => {
    const { acquire, pool, server } = setup();
    const lease = await acquire();
    const hanging = expect(lease.connection.query({ text: 'hang', params: [] })).rejects.toThrow();
    const controller = new AbortController();
    const closed = pool.close({ signal: controller.signal });
    controller.abort(new Error('time is up'));
    await closed;
    await hanging;
    lease.release();
    expect(server.sessions.size).toBe(0);
  });

  it('holds its limits and loses nobody under any sequence of borrowing, failing and aborting', async () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constantFrom('acquire' as const, 'spill' as const) }),
      fc.record({ kind: fc.constantFrom('release' as const, 'abort' as const), index: fc.nat({ max: 9 }) }),
      fc.record({ kind: fc.constantFrom('fail' as const, 'scarce' as const), index: fc.nat({ max: 9 }) }),
      fc.record({ kind: fc.constantFrom('crash' as const, 'advance' as const) }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
        const { acquire, pool, server, clock } = setup({ maxWaiting: 3, acquireTimeoutMs: 500 });
        const held: Lease[] = [];
        const aborts: AbortController[] = [];
        const asked: Promise<unknown>[] = [];
        let settled = 0;
        for (const next of steps) {
          if (next.kind === 'acquire' || next.kind === 'spill') {
            const controller = new AbortController();
            aborts.push(controller);
            const lane = next.kind === 'spill' ? 'spill' : 'main';
            const asking = acquire({ lane, signal: controller.signal }).then(
              (lease) => held.push(lease),
              () => undefined,
            );
            asked.push(asking.finally(() => settled++));
          } else if (next.kind === 'release') held.splice(next.index % (held.length || 1), 1)[0]?.release();
          else if (next.kind === 'abort') aborts[next.index % (aborts.length || 1)]?.abort(new Error('left'));
          else if (next.kind === 'fail') {
            const lease = held[next.index % (held.length || 1)];
            await lease?.connection.query({ text: 'fail', params: ['23505'] }).catch(() => undefined);
          } else if (next.kind === 'scarce') server.maxSessions = next.index;
          else if (next.kind === 'crash') server.crash();
          await clock.advance(next.kind === 'advance' ? 200 : 0);
          expect(pool.inUse).toBeLessThanOrEqual(3);
          expect(pool.waiting).toBeLessThanOrEqual(3);
          expect(server.sessions.size).toBeLessThanOrEqual(3);
        }
        while (settled < asked.length) {
          releaseAll(held.splice(0));
          await clock.advance(50);
        }
        releaseAll(held.splice(0));
        await clock.advance(0);
        expect(pool).toMatchObject({ inUse: 0, waiting: 0 });
        await pool.close();
        expect(server.sessions.size).toBe(0);
        expect(clock.pending).toBe(0);
      }),
      { numRuns: 100 },
    );
  });
});
