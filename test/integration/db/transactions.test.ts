import { expect, it } from 'vitest';
import { testDatabase } from '../../infra/context.js';
import { createRegisters, getRegister, openDatabase, type Register, setRegister } from './open-database.js';

async function setup() {
  const { db, request } = await openDatabase({ primary: (await testDatabase()).primary });
  await db.write(createRegisters);
  const value = async (key: string) =>
    (await db.read<Register>(getRegister, [key], { level: 'strong' })).rows[0]?.value;
  return { db, request, value };
}

it('rolls a savepoint back alone, and goes on with the transaction', async () => {
  const { db, value } = await setup();
  await db.transaction(async (tx) => {
    await tx.query(setRegister, ['a', 1]);
    const failing = tx.transaction(async (inner) => {
      await inner.query(setRegister, ['a', 2]);
      await inner.query('insert into registers values ($1, 0)', ['a']);
    });
    await expect(failing).rejects.toMatchObject({ code: '23505' });
    const passedOver = tx.transaction(async (inner) => {
      await inner.query('select 1 / 0').catch(() => undefined);
    });
    await expect(passedOver).rejects.toMatchObject({
      code: 'PANDO_DB_ROLLED_BACK',
      cause: { code: '22012' },
    });
    await tx.transaction(async (inner) => {
      await inner.transaction((innermost) => innermost.query(setRegister, ['b', 2]));
    });
  });
  expect([await value('a'), await value('b')]).toEqual([1, 2]);
});

it('repeats transactions that fell victim to each other, until all are through', async () => {
  const { db, value } = await setup();
  await db.write(setRegister, ['count', 0]);
  const increment = () =>
    db.transaction(
      async (tx) => {
        const { rows } = await tx.query<Register>('select value from registers where key = $1', ['count']);
        await tx.query(setRegister, ['count', (rows[0]?.value ?? 0) + 1]);
      },
      { isolation: 'serializable', retry: 20 },
    );
  await Promise.all([increment(), increment(), increment()]);
  expect(await value('count')).toBe(3);
});

it('repeats the victim of a deadlock', async () => {
  const { db, value } = await setup();
  await db.write(setRegister, ['a', 0]);
  await db.write(setRegister, ['b', 0]);
  const add = 'update registers set value = value + 1 where key = $1';
  let hasA: () => void = () => undefined;
  let hasB: () => void = () => undefined;
  const bothHave = Promise.all([
    new Promise<void>((resolve) => (hasA = resolve)),
    new Promise<void>((resolve) => (hasB = resolve)),
  ]);
  const cross = (first: string, second: string, has: () => void) =>
    db.transaction(
      async (tx) => {
        await tx.query(add, [first]);
        has();
        await bothHave;
        await tx.query(add, [second]);
      },
      { retry: 5 },
    );
  await Promise.all([cross('a', 'b', () => hasA()), cross('b', 'a', () => hasB())]);
  expect([await value('a'), await value('b')]).toEqual([2, 2]);
});
