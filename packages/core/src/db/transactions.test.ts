import { describe, expect, it } from 'vitest';
import type { Effects, EffectsOptions, EffectsOutcome } from '../kernel/effects.js';
import { createKernel } from '../kernel/kernel.js';
import { cacheToken } from '../kernel/token.js';
import { createFakeClock } from '../testing/fake-clock.js';
import { during } from '../testing/memory-cluster.js';
import { createMemoryDatabase } from '../testing/memory-database.js';
import type { ReadLevel, Transaction } from './api.js';
import { MemoryWorld } from './drivers/memory.js';

const invalidated = cacheToken({ epoch: 'e1', sequence: 7 });

function setup({
  hasEffects = true,
  level,
}: {
  readonly hasEffects?: boolean;
  readonly level?: ReadLevel;
} = {}) {
  const clock = createFakeClock();
  const kernel = createKernel({ clock });
  const world = new MemoryWorld({ clock });
  const carriedOut: (Effects & EffectsOptions & { inUse: number })[] = [];
  const effects = async (asked: Effects, options: EffectsOptions): Promise<EffectsOutcome> => {
    carriedOut.push({ ...asked, ...options, inUse: db.topology().primary.inUse });
    return { token: invalidated, isComplete: true };
  };
  const { db } = createMemoryDatabase({
    ...{ kernel, world, options: { level } },
    effects: hasEffects ? effects : undefined,
  });
  const context = kernel.contexts.open({ id: 'test', signal: new AbortController().signal });
  return {
    clock,
    world,
    db,
    context,
    carriedOut,
    contexts: kernel.contexts,
    transaction: <T>(work: (tx: Transaction) => Promise<T>, options?: { signal?: AbortSignal }) =>
      kernel.contexts.run(context, () => db.transaction(work, options)),
    committed: (key: string) => world.primary.value(key),
  };
}

describe('a transaction', () => {
  it('commits when its callback resolves, and moves the token', async () => {
    const { transaction, committed, context, world } = setup();
    const value = await transaction(async (tx) => {
      await tx.query('set', ['a', 1]);
      expect(committed('a')).toBeUndefined();
      return (await tx.query<{ value: number }>('get', ['a'])).rows[0]?.value;
    });
    expect(value).toBe(1);
    expect(committed('a')).toBe(1);
    expect(context.written.db).toMatchObject([{ shard: 'main', lsn: world.lsn }]);
  });

  it('moves nothing when it only read', async () => {
    const { transaction, context } = setup();
    await transaction((tx) => tx.query('get', ['a']));
    expect(context.written.db).toEqual([]);
    expect(context.token.db).toEqual([]);
  });

  it('names what it read in the token, at the level monotonic', async () => {
    const { transaction, context, world } = setup({ level: 'monotonic' });
    await transaction((tx) => tx.query('get', ['a']));
    expect(context.written.db).toEqual([]);
    expect(context.token.db).toMatchObject([{ shard: 'main', lsn: world.lsn }]);
  });

  it('rolls back when its callback rejects or throws, and rejects with the same', async () => {
    const { transaction, committed, context, db } = setup();
    const reason = new Error('changed my mind');
    const work = async (tx: Transaction) => {
      await tx.query('set', ['a', 1]);
      throw reason;
    };
    await expect(transaction(work)).rejects.toBe(reason);
    await expect(
      transaction(() => {
        throw reason;
      }),
    ).rejects.toBe(reason);
    expect(committed('a')).toBeUndefined();
    expect(context.written.db).toEqual([]);
    expect(db.topology().primary).toMatchObject({ inUse: 0, idle: 1 });
  });

  it('whose failed statement was passed over does not commit, and says so', async () => {
    const { transaction, committed } = setup();
    const work = async (tx: Transaction) => {
      await tx.query('set', ['a', 1]);
      await tx.query('fail', ['23505']).catch(() => undefined);
    };
    await expect(transaction(work)).rejects.toMatchObject({
      code: 'PANDO_DB_ROLLED_BACK',
      cause: { code: '23505' },
    });
    expect(committed('a')).toBeUndefined();
  });

  describe('whose COMMIT is not answered', () => {
    const work = async (tx: Transaction) => {
      await tx.query('set', ['a', 1]);
      tx.invalidate(['a']);
      return 'done';
    };

    it('has succeeded if the database says that it was committed, with its effects and its token', async () => {
      const { transaction, committed, world, carriedOut, context } = setup();
      world.primary.losesNextCommit = true;
      await expect(transaction(work)).resolves.toBe('done');
      expect(committed('a')).toBe(1);
      expect(carriedOut).toMatchObject([{ tags: ['a'] }]);
      expect(context.written.db).toMatchObject([{ lsn: world.lsn }]);
    });

    it('can be repeated if the database says that it was rolled back', async () => {
      const { transaction, committed, world, carriedOut, clock } = setup();
      world.primary.dropsNextCommit = true;
      world.primary.noticeMs = 1_000; // until then the transaction is open
      const outcome = transaction(work);
      await expect(during(clock, outcome)).rejects.toMatchObject({
        code: 'PANDO_DB_CONNECTION_LOST',
        retryable: true,
      });
      expect(clock.monotonic()).toBeGreaterThanOrEqual(1_000);
      expect(committed('a')).toBeUndefined();
      expect(carriedOut).toEqual([]);
    });

    it('has an unknown outcome and no effects here if another server has taken over', async () => {
      const { transaction, committed, world, carriedOut } = setup();
      world.primary.losesNextCommit = true;
      const outcome = transaction(async (tx) => {
        await work(tx);
        world.primary.timeline = 2;
      });
      await expect(outcome).rejects.toMatchObject({ code: 'PANDO_DB_OUTCOME_UNKNOWN' });
      expect(committed('a')).toBe(1);
      expect(carriedOut).toEqual([]);
    });

    it('has an unknown outcome if nobody answers in time', async () => {
      const { transaction, world, clock } = setup();
      world.primary.dropsNextCommit = true;
      world.primary.noticeMs = 60_000;
      await expect(during(clock, transaction(work))).rejects.toMatchObject({
        code: 'PANDO_DB_OUTCOME_UNKNOWN',
      });
      expect(clock.monotonic()).toBeGreaterThan(9_000);
      expect(clock.monotonic()).toBeLessThanOrEqual(10_000);
    });
  });

  it('whose connection is lost before COMMIT can be repeated', async () => {
    const { transaction, committed, world } = setup();
    const work = async (tx: Transaction) => {
      await tx.query('set', ['a', 1]);
      world.primary.crash();
      await tx.query('set', ['b', 1]);
    };
    await expect(transaction(work)).rejects.toMatchObject({
      code: 'PANDO_DB_CONNECTION_LOST',
      retryable: true,
    });
    expect(committed('a')).toBeUndefined();
  });

  it('refuses to be used after its end', async () => {
    const { transaction } = setup();
    let kept: Transaction | undefined;
    await transaction(async (tx) => {
      kept = tx;
    });
    await expect(kept?.query('set', ['a', 1])).rejects.toMatchObject({ code: 'PANDO_DB_TRANSACTION_ENDED' });
    expect(() => kept?.invalidate(['a'])).toThrow('has ended');
    expect(() => kept?.publish('a', {})).toThrow('has ended');
  });

  it('refuses another one inside', async () => {
    const { transaction, db } = setup();
    const nested = transaction(() => db.transaction(async () => 1));
    await expect(nested).rejects.toMatchObject({ code: 'PANDO_DB_NESTED_TRANSACTION' });
    await transaction(async () => 1); // not poisoned
  });

  it('sends reads around it to the primary, where they see what was committed before', async () => {
    const { transaction, db, world } = setup();
    for (const replica of world.replicas) replica.pauseReplay();
    await db.write('set', ['a', 1]);
    const seen = await transaction(async (tx) => {
      await tx.query('set', ['a', 2]);
      return (await db.read('get', ['a'], { level: 'eventual' })).rows;
    });
    expect(seen).toEqual([{ value: 1 }]);
  });

  it('ends with its signal, whatever its callback does', async () => {
    const { transaction, committed, clock, db } = setup();
    const controller = new AbortController();
    const rejection = expect(
      transaction(
        async (tx) => {
          await tx.query('set', ['a', 1]);
          await new Promise(() => undefined);
        },
        { signal: controller.signal },
      ),
    ).rejects.toThrow('too slow');
    await clock.advance(1);
    controller.abort(new Error('too slow'));
    await rejection;
    expect(committed('a')).toBeUndefined();
    expect(db.topology().primary.inUse).toBe(0);
  });

  it('refuses an isolation that Postgres does not have', async () => {
    const { db } = setup();
    const isolation = 'serializable; drop table posts' as never;
    await expect(db.transaction(async () => 1, { isolation })).rejects.toMatchObject({
      code: 'PANDO_DB_OPTIONS',
    });
  });

  it('counts as a read of the primary in a load', async () => {
    const { contexts, db } = setup();
    const notes: unknown[] = [];
    const load = { noteRead: (bound: unknown) => notes.push(bound) };
    const context = contexts.openLoad({ id: 'load', signal: new AbortController().signal }, load);
    await contexts.run(context, () => db.transaction((tx) => tx.query('get', ['a'])));
    expect(notes).toEqual([{ shard: 'main', seen: 'primary' }]);
  });
});

describe('the effects of a transaction', () => {
  const work = async (tx: Transaction) => {
    tx.publish('posts', { id: 1 });
    await tx.query('set', ['a', 1]);
    tx.invalidate(['a', 'b']);
    tx.invalidate(['b', 'c']);
    tx.publish('posts', { id: 2 });
  };

  it.each([
    [
      'tags without a character',
      (tx: Transaction) => tx.invalidate(['a', '']),
      /tx\.invalidate takes tags of 1 to 512/,
    ],
    [
      'tags that are too long',
      (tx: Transaction) => tx.expire(['x'.repeat(513)]),
      /tx\.expire takes tags of 1 to 512/,
    ],
    ['tags that are no text', (tx: Transaction) => tx.invalidate([undefined as never]), /got undefined/],
    [
      'channels with a space',
      (tx: Transaction) => tx.publish('a b', 1),
      /tx\.publish takes a channel of 1 to 255/,
    ],
    ["channels of Pando's own", (tx: Transaction) => tx.publish('#orders', 1), /got "#orders"/],
  ])('are refused where they are named: %s', async (_what, name, message) => {
    const { transaction, carriedOut } = setup();
    const outcome = transaction(async (tx) => {
      await tx.query('set', ['a', 1]);
      expect(() => name(tx)).toThrow(message);
      tx.invalidate(['b']);
    });
    await outcome;
    // Nothing of what was refused is left: the rest is carried out.
    expect(carriedOut).toMatchObject([{ tags: ['b'], expired: [], events: [] }]);
  });

  it('are carried out after COMMIT, on no connection, with its token', async () => {
    const { transaction, carriedOut, context, world } = setup();
    await transaction(work);
    expect(carriedOut).toEqual([
      {
        tags: ['a', 'b', 'c'],
        expired: [],
        events: [
          { channel: 'posts', event: { id: 1 } },
          { channel: 'posts', event: { id: 2 } },
        ],
        token: expect.objectContaining({ db: [expect.objectContaining({ lsn: world.lsn })] }),
        id: expect.stringMatching(/^[0-9a-f-]{36}$/),
        isRepeatable: true,
        inUse: 0,
      },
    ]);
    expect(context.written.cache).toEqual(invalidated.cache);
  });

  it('are dropped with a rollback', async () => {
    const { transaction, carriedOut } = setup();
    const failing = transaction(async (tx) => {
      await work(tx);
      throw new Error('no');
    });
    await expect(failing).rejects.toThrow('no');
    expect(carriedOut).toEqual([]);
  });

  it('are not asked for where there are none', async () => {
    const { transaction, carriedOut } = setup();
    await transaction((tx) => tx.query('set', ['a', 1]));
    expect(carriedOut).toEqual([]);
  });

  it('are refused at once where nobody carries them out', async () => {
    const { transaction, committed } = setup({ hasEffects: false });
    await expect(transaction(work)).rejects.toMatchObject({ code: 'PANDO_DB_EFFECTS_UNAVAILABLE' });
    expect(committed('a')).toBeUndefined();
  });

  it('are carried out although the caller has left meanwhile', async () => {
    const { transaction, carriedOut, committed, clock, world } = setup();
    const controller = new AbortController();
    const outcome = transaction(
      async (tx) => {
        await work(tx);
        world.primary.freeze();
      },
      { signal: controller.signal },
    );
    await clock.advance(0); // COMMIT is on its way
    expect(committed('a')).toBeUndefined();
    controller.abort(new Error('left'));
    world.primary.thaw();
    await outcome;
    expect(carriedOut).toHaveLength(1);
  });
});
