import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { startMemoryDatabase as setup } from '../../testing/memory-cluster.js';
import { slotsMigration } from './guard-migration.js';
import { idEpochMs, slotOfId } from './ids.js';
import { idsMigration } from './ids-migration.js';
import { slotOf } from './slots.js';

describe('newId', () => {
  it('gives ids that are unique, grow, and carry the slot of their key', async () => {
    const { db } = await setup();
    const ids = await Promise.all(Array.from({ length: 100 }, () => db.newId('ann')));
    expect(new Set(ids).size).toBe(100);
    expect(ids.map(BigInt)).toEqual(ids.map(BigInt).sort((a, b) => (a < b ? -1 : 1)));
    expect(new Set(ids.map(slotOfId))).toEqual(new Set([slotOf('ann')]));
  });

  it('takes many with one round trip where many wait, and the next few with none', async () => {
    const { db, world, clock } = await setup();
    let taken = 0;
    const { takeTicks } = world;
    world.takeTicks = (count) => {
      taken += 1;
      return takeTicks.call(world, count);
    };
    await Promise.all(Array.from({ length: 50 }, () => db.newId('ann')));
    expect(taken).toBeLessThanOrEqual(2);
    await clock.advance(5);
    const before = taken;
    for (let i = 0; i < 8; i++) await db.newId('bob');
    expect(taken).toBe(before + 1);
  });

  it('does not give out what it took long ago', async () => {
    const { db, clock } = await setup();
    await db.newId('ann');
    await clock.advance(5_000);
    const id = await db.newId('ann');
    expect(Number(BigInt(id) >> 22n) + idEpochMs).toBe(clock.now());
  });

  it('rejects while the primary is away, and goes on when it is back', async () => {
    const { db, world, clock } = await setup({ options: { failoverWaitMs: 0 } });
    world.primary.stop();
    await expect(db.newId('ann')).rejects.toMatchObject({ code: 'PANDO_DB_UNREACHABLE' });
    world.primary.start();
    await clock.advance(3_000);
    await db.newId('ann');
  });

  it('ends its wait with its signal, and nobody else’s', async () => {
    const { db, world } = await setup();
    world.primary.freeze();
    const reason = new Error('left');
    const leaving = new AbortController();
    const left = db.newId('ann', { signal: leaving.signal });
    const stays = db.newId('ann');
    leaving.abort(reason);
    await expect(left).rejects.toBe(reason);
    world.primary.thaw();
    await stays;
  });
});

it.each([
  ['ids', idsMigration()],
  ['slots', slotsMigration()],
])('the migration of %s is the one that the package holds', (name, text) => {
  const file = readFileSync(new URL(`../../../migrations/${name}.sql`, import.meta.url), 'utf8');
  expect(file).toBe(text);
});
