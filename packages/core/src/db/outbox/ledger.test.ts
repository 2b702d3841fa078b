import { expect, it, vi } from 'vitest';
import { createKernel } from '../../kernel/kernel.js';
import { createLedgers } from '../../kernel/ledger.js';
import { manyOthers, manyRows } from '../../kernel/token.js';
import { createFakeClock } from '../../testing/fake-clock.js';
import { createMemoryDatabase } from '../../testing/memory-database.js';
import { MemoryWorld } from '../drivers/memory.js';

/** A database whose effects cannot be carried out yet, and its ledger. */
function setup({ outbox }: { readonly outbox?: false } = {}) {
  const clock = createFakeClock();
  const world = new MemoryWorld({ clock });
  const ids: string[] = [];
  const stage = { isAway: true };
  const ledgers = createLedgers();
  const { db } = createMemoryDatabase({
    kernel: createKernel({ clock }),
    ...{ world, ledgers },
    effects: async (_, { token, id }) => {
      ids.push(id);
      return { token, isComplete: !stage.isAway };
    },
    options: {
      probeIntervalMs: 60_000,
      failoverWaitMs: 0,
      outbox: outbox ?? { takeoverMs: 30_000, pollIntervalMs: 30_000 },
    },
  });
  const commit = async (readOnly?: boolean) => {
    await db.transaction(async (tx) => tx.invalidate(['k']), { readOnly });
    return ids.at(-1) as string;
  };
  return { clock, world, db, ledgers, stage, ids, commit };
}

it('a row stands until its effects were carried out, and is known to be done from then on', async () => {
  const { db, ledgers, stage, commit, clock, world } = setup();
  const row = await commit();
  expect(await ledgers.standing()).toEqual([row]);
  expect(await ledgers.carriedOut([row])).toEqual([]);
  stage.isAway = false;
  await clock.advance(60_000);
  expect(await ledgers.standing()).toEqual([]);
  expect(await ledgers.carriedOut([row])).toEqual([row]);
  world.primary.stop();
  expect(await ledgers.carriedOut([row])).toEqual([row]); // what is gone does not come back
  await expect(ledgers.carriedOut(['00000000-0000-0000-0000-000000000000'])).rejects.toMatchObject({
    code: 'PANDO_DB_UNREACHABLE',
  });
  await db.close();
  expect(ledgers.isAbsent).toBe(true);
});

it('of what never was a row, nobody says that it is done', async () => {
  const { db, ledgers, commit } = setup();
  const id = await commit(true);
  expect(await ledgers.carriedOut([id, 'c123'])).toEqual([]);
  await db.close();
});

it('of more rows than can be named, all are done when none is left', async () => {
  const { db, ledgers, stage, commit, clock } = setup();
  const row = await commit();
  expect(await ledgers.carriedOut([manyRows, row, 'c123'])).toEqual([]);
  stage.isAway = false;
  await clock.advance(60_000);
  expect(await ledgers.carriedOut([manyRows, row, 'c123', manyOthers])).toEqual([manyRows, row]);
  await db.close();
});

it('a row that somebody waits for is carried out at once', async () => {
  const { db, ledgers, stage, ids, commit, clock } = setup();
  const row = await commit();
  stage.isAway = false;
  ledgers.hasten([row, 'c123']);
  await clock.advance(100);
  expect(ids).toEqual([row, row]);
  expect(await ledgers.carriedOut([row])).toEqual([row]);
  await db.close();
});

it('any number of callers ask one question at a time', async () => {
  const { db, ledgers, commit, world } = setup();
  const rows = [await commit(), await commit(), await commit()];
  const asked = vi.spyOn(world.primary, 'rows');
  await Promise.all([...rows, ...rows].map((row) => ledgers.carriedOut([row])));
  expect(asked).toHaveBeenCalledTimes(1);
  await db.close();
});

it('a database without an outbox keeps none', async () => {
  const { db, ledgers } = setup({ outbox: false });
  expect(ledgers.isAbsent).toBe(true);
  await db.close();
});
