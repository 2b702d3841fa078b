import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { Effects, EffectsOptions, EffectsOutcome } from '../../kernel/effects.js';
import { createKernel } from '../../kernel/kernel.js';
import { createFakeClock } from '../../testing/fake-clock.js';
import { createMemoryDatabase } from '../../testing/memory-database.js';
import type { EffectCall, EffectHandlers } from '../api.js';
import { MemoryWorld } from '../drivers/memory.js';
import type { DatabaseOptions } from '../options.js';
import { outboxMigration } from './migration.js';
import type { OutboxRules } from './rules.js';

type Carried = Effects & EffectsOptions & { readonly by: string };

/** Instances that share one fake cluster, and what each of them has carried out. */
function fleet() {
  const clock = createFakeClock();
  const world = new MemoryWorld({ clock });
  const carried: Carried[] = [];
  /** The outcome of an attempt; what it resolves with decides whether the row goes. */
  const outcomes = new Map<string, () => Promise<boolean>>();
  const join = (
    by: string,
    options: Pick<DatabaseOptions, 'outbox' | 'effects'> = {},
    rules?: Partial<OutboxRules>,
  ) => {
    const kernel = createKernel({ clock });
    const effects = async (asked: Effects, given: EffectsOptions): Promise<EffectsOutcome> => {
      carried.push({ by, ...asked, ...given });
      return { token: given.token, isComplete: (await outcomes.get(by)?.()) ?? true };
    };
    const { db } = createMemoryDatabase({
      kernel,
      world,
      effects,
      options: { probeIntervalMs: 60_000, ...options },
      rules,
    });
    return db;
  };
  const rows = () => world.primary.rows('outbox app ');
  return { clock, world, carried, outcomes, join, rows };
}

const never = () => new Promise<boolean>(() => undefined);

describe('the outbox', () => {
  it('holds a row from the commit until the effects were carried out', async () => {
    const { join, carried, rows, outcomes, clock } = fleet();
    const db = join('a');
    let during = 0;
    outcomes.set('a', async () => {
      during = rows().length;
      return true;
    });
    await db.transaction(async (tx) => {
      await tx.query('set', ['k', 1]);
      tx.invalidate(['k']);
      expect(rows()).toEqual([]);
    });
    expect(during).toBe(1);
    expect(carried).toMatchObject([{ by: 'a', tags: ['k'], events: [] }]);
    await clock.advance(100);
    expect(rows()).toEqual([]);
    await clock.advance(60_000);
    expect(carried).toHaveLength(1);
    await db.close();
  });

  it('holds nothing of a transaction that was rolled back, or without effects', async () => {
    const { join, rows, carried, world } = fleet();
    const db = join('a');
    const reason = new Error('no');
    await expect(
      db.transaction(async (tx) => {
        tx.invalidate(['k']);
        throw reason;
      }),
    ).rejects.toBe(reason);
    await db.transaction((tx) => tx.query('set', ['k', 1]));
    expect(world.log).toHaveLength(1);
    expect([rows(), carried]).toEqual([[], []]);
    await db.close();
  });

  it('has another instance carry out what a process has left, once it has seen it for takeoverMs', async () => {
    const { join, carried, rows, outcomes, clock, world } = fleet();
    outcomes.set('a', never); // it dies here
    const [a, b] = [join('a'), join('b')];
    await b.start();
    void a.transaction(async (tx) => {
      await tx.query('set', ['k', 1]);
      tx.invalidate(['k']);
      tx.publish('c', { n: 1 });
    });
    await clock.advance(4_900);
    expect(carried.map(({ by }) => by)).toEqual(['a']);
    await clock.advance(8_000); // the time until the first look, and until the one after takeoverMs
    const [first, second] = carried;
    expect(carried).toHaveLength(2);
    expect(second).toMatchObject({ by: 'b', id: first?.id, isRepeated: true, tags: ['k'] });
    expect(second?.events).toEqual([{ channel: 'c', event: { n: 1 } }]);
    expect(second?.token.db[0]?.lsn).toBeGreaterThanOrEqual(first?.token.db[0]?.lsn ?? world.lsn);
    expect(rows()).toEqual([]);
    await b.close();
  });

  it('loses effects with their process where it is switched off', async () => {
    const { join, carried, outcomes, clock, rows } = fleet();
    outcomes.set('a', never);
    const [a, b] = [join('a', { outbox: false }), join('b')];
    await b.start();
    void a.transaction(async (tx) => {
      await tx.query('set', ['k', 1]);
      tx.invalidate(['k']);
    });
    await clock.advance(120_000);
    expect(carried.map(({ by }) => by)).toEqual(['a']);
    expect(rows()).toEqual([]);
    await b.close();
  });

  it('has what could not be carried out tried again, until it could', async () => {
    const { join, carried, outcomes, rows, clock } = fleet();
    let isAway = true;
    outcomes.set('a', async () => !isAway);
    const db = join('a');
    await db.transaction(async (tx) => tx.invalidate(['k']));
    await clock.advance(60_000);
    expect(carried.length).toBeGreaterThan(2);
    expect(rows()).toHaveLength(1);
    isAway = false;
    await clock.advance(2_000);
    expect(rows()).toEqual([]);
    const attempts = carried.length;
    await clock.advance(60_000);
    expect(carried).toHaveLength(attempts);
    await db.close();
  });

  it('settles by the commit itself what becomes of effects whose COMMIT was not answered', async () => {
    const { join, carried, clock, world, rows } = fleet();
    const [a, b] = [join('a'), join('b')];
    await b.start();
    await a.start();
    world.primary.losesNextCommit = true;
    const lost = a.transaction(async (tx) => {
      tx.invalidate(['k']);
      world.primary.timeline = 2; // nobody can be asked any more what became of it
    });
    await expect(lost).rejects.toMatchObject({ code: 'PANDO_DB_OUTCOME_UNKNOWN' });
    expect(carried).toEqual([]);
    await clock.advance(30_000);
    expect(carried).toHaveLength(1);
    expect(rows()).toEqual([]);
    await Promise.all([a.close(), b.close()]);
  });

  it('is passed over by transactions that may not write', async () => {
    const { join, carried, world } = fleet();
    const db = join('a');
    await db.transaction(async (tx) => tx.publish('c', 1), { readOnly: true });
    expect(carried).toHaveLength(1);
    expect(world.log).toEqual([]);
    await db.close();
  });
});

describe('what happens to a transaction whose process dies before its effects', () => {
  const crash = async (rules?: Partial<OutboxRules>) => {
    const { join, carried, outcomes, clock } = fleet();
    outcomes.set('a', never);
    const [a, b] = [join('a', {}, rules), join('b', {}, rules)];
    await b.start();
    void a.transaction(async (tx) => {
      await tx.query('set', ['k', 1]);
      tx.publish('c', 1);
    });
    await clock.advance(60_000);
    await b.close();
    const [first, second] = carried;
    return {
      isTakenOver: second?.by === 'b',
      goesByTheSameId: second?.id === first?.id,
      namesTheCommit: second?.token.db.length === 1,
    };
  };
  const sound = { isTakenOver: true, goesByTheSameId: true, namesTheCommit: true };

  it('is made good by another', async () => {
    expect(await crash()).toEqual(sound);
  });

  it.each<[string, Partial<OutboxRules>, Partial<typeof sound>]>([
    ['is lost where the row does not commit with it', { rowOf: () => undefined }, { isTakenOver: false }],
    [
      'is seen twice where each attempt has an id of its own',
      { attemptId: () => randomUUID() },
      { goesByTheSameId: false },
    ],
    ['shows the past where nobody asks for a position', { asksPosition: false }, { namesTheCommit: false }],
  ])('%s', async (_, rules, consequence) => {
    expect(await crash(rules)).toMatchObject(consequence);
  });
});

describe("an app's own effect", () => {
  const setup = (handlers: EffectHandlers) => {
    const { clock, join, rows, carried } = fleet();
    return { clock, rows, carried, db: join('a', { effects: handlers }) };
  };

  it('is carried out behind the events, with its payload as JSON and an id of its own', async () => {
    const calls: { payload: unknown; call: EffectCall; announced: number }[] = [];
    const { db, carried, rows, clock } = setup({
      mail: (payload, call) => void calls.push({ payload, call, announced: carried.length }),
    });
    await db.transaction(async (tx) => {
      tx.effect('mail', { at: new Date(0) });
      tx.effect('mail');
      tx.publish('c', 1);
    });
    await clock.advance(100);
    expect(calls.map(({ payload }) => payload)).toEqual([{ at: '1970-01-01T00:00:00.000Z' }, undefined]);
    expect(calls.map(({ announced }) => announced)).toEqual([1, 1]);
    expect(new Set(calls.map(({ call }) => call.id)).size).toBe(2);
    expect(rows()).toEqual([]);
    await db.close();
  });

  it('that fails, or never ends, is tried again under the same id', async () => {
    const ids: string[] = [];
    const { db, rows, clock } = setup({
      mail: async (_, { id }) => {
        ids.push(id);
        if (ids.length === 1) throw new Error('no route to the mail server');
        if (ids.length === 2) await never();
      },
    });
    await db.transaction(async (tx) => tx.effect('mail', 1));
    await clock.advance(60_000);
    expect(ids).toHaveLength(3);
    expect(new Set(ids).size).toBe(1);
    expect(rows()).toEqual([]);
    await db.close();
  });

  it('that fails for long leaves nothing to announce again, and those before it are not called again', async () => {
    const calls: string[] = [];
    let isAway = true;
    const { db, carried, rows, clock } = setup({
      log: (_, { id }) => void calls.push(id),
      mail: async (_, { id }) => {
        if (isAway) throw new Error('no route to the mail server');
        calls.push(id);
      },
    });
    await db.transaction(async (tx) => {
      tx.publish('c', 1);
      tx.effect('log');
      tx.effect('mail');
    });
    await clock.advance(600_000);
    expect(carried.flatMap(({ events }) => events)).toHaveLength(2); // at once, and by the second attempt
    const [{ id } = { id: '' }] = rows();
    isAway = false;
    await clock.advance(600_000);
    expect(rows()).toEqual([]);
    expect(calls).toEqual([`${id}:log:0`, `${id}:log:0`, `${id}:mail:1`]);
    await db.close();
  });

  it('that nobody handles is refused at once; what JSON cannot carry rolls back', async () => {
    const { db, rows } = setup({ mail: () => undefined });
    await expect(db.transaction(async (tx) => tx.effect('male'))).rejects.toMatchObject({
      code: 'PANDO_DB_EFFECT_UNKNOWN',
    });
    const unfit = db.transaction(async (tx) => {
      await tx.query('set', ['k', 1]);
      tx.effect('mail', 1n);
    });
    await expect(unfit).rejects.toThrow(TypeError);
    expect(rows()).toEqual([]);
    await db.close();
  });
});

it('ships the migration as a file that says the same as the function', () => {
  const file = readFileSync(new URL('../../../migrations/outbox.sql', import.meta.url), 'utf8');
  expect(file).toBe(outboxMigration());
  expect(outboxMigration({ schema: 'a"b' })).toContain('"a""b".pando_outbox (');
});
