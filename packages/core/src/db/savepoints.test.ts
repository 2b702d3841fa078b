import { describe, expect, it } from 'vitest';
import type { Effects, EffectsOptions, EffectsOutcome } from '../kernel/effects.js';
import { createKernel } from '../kernel/kernel.js';
import { createFakeClock } from '../testing/fake-clock.js';
import { during } from '../testing/memory-cluster.js';
import { createMemoryDatabase } from '../testing/memory-database.js';
import type { Transaction } from './api.js';

function setup() {
  const clock = createFakeClock();
  const kernel = createKernel({ clock });
  const carriedOut: Effects[] = [];
  const effects = async (asked: Effects, { token }: EffectsOptions): Promise<EffectsOutcome> => {
    carriedOut.push(asked);
    return { token, isComplete: true };
  };
  const { db, world } = createMemoryDatabase({ kernel, effects });
  return { clock, kernel, db, world, carriedOut, committed: (key: string) => world.primary.value(key) };
}

const set = (tx: Transaction, key: string, value: number) => tx.query('set', [key, value]);

describe('a savepoint', () => {
  it('commits with its transaction, effects and all', async () => {
    const { db, committed, carriedOut } = setup();
    const value = await db.transaction(async (tx) => {
      await set(tx, 'a', 1);
      return tx.transaction(async (inner) => {
        inner.invalidate(['b']);
        inner.expire(['b', 'list']);
        inner.publish('c', 'in');
        await inner.transaction((innermost) => set(innermost, 'b', 2));
        return 'inner';
      });
    });
    expect([value, committed('a'), committed('b')]).toEqual(['inner', 1, 2]);
    expect(carriedOut).toMatchObject([
      { tags: ['b'], expired: ['list'], events: [{ channel: 'c', event: 'in' }] },
    ]);
  });

  it('is rolled back alone when its callback rejects, and takes its effects with it', async () => {
    const { db, committed, carriedOut } = setup();
    await db.transaction(async (tx) => {
      await set(tx, 'a', 1);
      tx.invalidate(['a']);
      const failing = tx.transaction(async (inner) => {
        await set(inner, 'a', 2);
        await set(inner, 'b', 2);
        inner.invalidate(['b']);
        inner.expire(['b']);
        await inner.query('fail', ['23505']);
      });
      await expect(failing).rejects.toMatchObject({ code: '23505' });
      await set(tx, 'c', 3);
    });
    expect([committed('a'), committed('b'), committed('c')]).toEqual([1, undefined, 3]);
    expect(carriedOut).toMatchObject([{ tags: ['a'], expired: [] }]);
  });

  it('whose failed statement was passed over is rolled back, and says so', async () => {
    const { db, committed } = setup();
    await db.transaction(async (tx) => {
      const passedOver = tx.transaction(async (inner) => {
        await set(inner, 'a', 1);
        await inner.query('fail', ['23505']).catch(() => undefined);
      });
      await expect(passedOver).rejects.toMatchObject({
        code: 'PANDO_DB_ROLLED_BACK',
        cause: { code: '23505' },
      });
      await set(tx, 'b', 1);
    });
    expect([committed('a'), committed('b')]).toEqual([undefined, 1]);
  });

  it('lets no statement go past it', async () => {
    const { db, committed } = setup();
    await db.transaction(async (tx) => {
      await tx.transaction(async (inner) => {
        await expect(set(tx, 'a', 1)).rejects.toMatchObject({ code: 'PANDO_DB_TRANSACTION_BUSY' });
        await expect(tx.transaction(async () => 1)).rejects.toMatchObject({
          code: 'PANDO_DB_TRANSACTION_BUSY',
        });
        await set(inner, 'b', 1);
      });
      await set(tx, 'c', 1);
    });
    expect([committed('a'), committed('b'), committed('c')]).toEqual([undefined, 1, 1]);
  });

  it('that nobody awaits commits nothing', async () => {
    const { db, committed } = setup();
    let forgotten: Promise<unknown> | undefined;
    const work = db.transaction(async (tx) => {
      await set(tx, 'a', 1);
      forgotten = tx.transaction((inner) => set(inner, 'b', 1));
      forgotten.catch(() => undefined);
    });
    await expect(work).rejects.toMatchObject({ code: 'PANDO_DB_TRANSACTION_BUSY' });
    await forgotten?.catch(() => undefined);
    expect([committed('a'), committed('b')]).toEqual([undefined, undefined]);
  });

  it('cannot be used after its end, nor after that of its transaction', async () => {
    const { db } = setup();
    const kept: Transaction[] = [];
    await db.transaction(async (tx) => {
      await tx.transaction(async (inner) => void kept.push(inner));
      await expect(kept[0]?.query('get', ['a'])).rejects.toMatchObject({
        code: 'PANDO_DB_TRANSACTION_ENDED',
      });
    });
    expect(() => kept[0]?.invalidate(['a'])).toThrow('has ended');
  });
});

describe('a transaction with retry', () => {
  it('runs again after a conflict, with the effects of its last attempt alone', async () => {
    const { db, committed, carriedOut, clock } = setup();
    let attempts = 0;
    const outcome = db.transaction(
      async (tx) => {
        attempts++;
        tx.invalidate([`attempt-${attempts}`]);
        await set(tx, 'a', attempts);
        if (attempts < 3) await tx.query('fail', [attempts === 1 ? '40001' : '40P01']);
        return attempts;
      },
      { retry: 3 },
    );
    expect(await during(clock, outcome)).toBe(3);
    expect(committed('a')).toBe(3);
    expect(carriedOut).toMatchObject([{ tags: ['attempt-3'] }]);
  });

  it('runs again when its connection was lost, before COMMIT or at it, and nothing was committed', async () => {
    const { db, committed, world, clock } = setup();
    let attempts = 0;
    const outcome = db.transaction(
      async (tx) => {
        attempts++;
        await set(tx, 'a', attempts);
        if (attempts === 1) world.primary.crash();
        if (attempts === 2) world.primary.dropsNextCommit = true;
        await tx.query('get', ['a']);
      },
      { retry: 2 },
    );
    await during(clock, outcome);
    expect([attempts, committed('a')]).toEqual([3, 3]);
  });

  it('does not run again once it was committed, or may have been', async () => {
    const { db, world, clock } = setup();
    let attempts = 0;
    const work = async (tx: Transaction) => {
      attempts++;
      await set(tx, 'a', attempts);
      world.primary.losesNextCommit = true;
    };
    await during(clock, db.transaction(work, { retry: 3 }));
    expect(attempts).toBe(1);
    const unknown = db.transaction(
      async (tx) => {
        await work(tx);
        world.primary.timeline += 1;
      },
      { retry: 3 },
    );
    await expect(during(clock, unknown)).rejects.toMatchObject({ code: 'PANDO_DB_OUTCOME_UNKNOWN' });
    expect(attempts).toBe(2);
  });

  it('finds the conflict in what its callback made of the error', async () => {
    const { db, clock } = setup();
    let attempts = 0;
    const outcome = db.transaction(
      async (tx) => {
        attempts++;
        await tx.query('fail', [attempts === 1 ? '40001' : '23505']).catch((cause) => {
          throw new Error('the order was not placed', { cause });
        });
      },
      { retry: 5 },
    );
    await expect(during(clock, outcome)).rejects.toMatchObject({ cause: { code: '23505' } });
    expect(attempts).toBe(2);
  });

  it('gives up after its number of attempts, at the deadline of its request, or at its signal', async () => {
    const { db, clock, kernel } = setup();
    let attempts = 0;
    const failing = async (tx: Transaction) => {
      attempts++;
      await tx.query('fail', ['40001']);
    };
    await expect(during(clock, db.transaction(failing, { retry: 2 }))).rejects.toMatchObject({
      code: '40001',
    });
    expect(attempts).toBe(3);
    await expect(db.transaction(failing)).rejects.toMatchObject({ code: '40001' });
    expect(attempts).toBe(4);

    const { signal } = new AbortController();
    const deadlineAt = clock.monotonic() + 4; // less than the first pause
    const context = kernel.contexts.open({ id: 'test', signal, deadlineAt });
    const late = kernel.contexts.run(context, () => db.transaction(failing, { retry: 9 }));
    await expect(during(clock, late)).rejects.toMatchObject({ code: '40001' });
    expect(attempts).toBe(5);

    const controller = new AbortController();
    const left = db.transaction(failing, { retry: 9, signal: controller.signal });
    await clock.advance(1);
    controller.abort(new Error('left'));
    await expect(during(clock, left)).rejects.toThrow('left');
  });

  it('is not repeated when too many others are', async () => {
    const { db, clock } = setup();
    let attempts = 0;
    const failing = async (tx: Transaction) => {
      attempts++;
      await tx.query('fail', ['40001']);
    };
    for (let calls = 0; calls < 100; calls++) {
      await expect(during(clock, db.transaction(failing, { retry: 5 }))).rejects.toMatchObject({
        code: '40001',
      });
    }
    // Ten in reserve, and a tenth of those that ran.
    expect(attempts).toBeGreaterThan(110);
    expect(attempts).toBeLessThanOrEqual(120);
  });

  it('takes whole numbers only', async () => {
    const { db } = setup();
    for (const retry of [-1, 1.5, Number.NaN]) {
      await expect(db.transaction(async () => 1, { retry })).rejects.toMatchObject({
        code: 'PANDO_DB_OPTIONS',
      });
    }
  });
});
