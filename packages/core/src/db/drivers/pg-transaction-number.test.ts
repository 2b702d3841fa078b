import { expect, it } from 'vitest';
import type { FateRow } from './pg-statements.js';
import { TransactionNumber } from './pg-transaction-number.js';

const here = { system: '1', timeline: 1 };
const id = { ...here, life: 'a', xid: '700' };
const says = (fate: FateRow['fate']) => async () => ({ fate });
const refuses = async () => {
  throw Object.assign(new Error('transaction ID 700 is in the future'), { code: '22023', severity: 'ERROR' });
};

it('takes the word of the server that gave the number', async () => {
  const number = new TransactionNumber(here, 'a');
  expect(await number.fateOf(id, says('committed'))).toBe('committed');
  expect(await number.fateOf(id, says('aborted'))).toBe('aborted');
  expect(await number.fateOf(id, says('in progress'))).toBe('running');
  expect(await number.fateOf(id, says(null))).toBe('unknown');
  await expect(number.fateOf(id, refuses)).rejects.toThrow('in the future');
});

it('does not take another transaction for it that got its number after a crash', async () => {
  const number = new TransactionNumber(here, 'b');
  expect(await number.fateOf(id, says('committed'))).toBe('unknown');
  expect(await number.fateOf(id, says('aborted'))).toBe('aborted');
  expect(await number.fateOf(id, says('in progress'))).toBe('aborted');
  expect(await number.fateOf(id, refuses)).toBe('aborted');
});

it('asks no server of another history', async () => {
  const promoted = new TransactionNumber({ system: '1', timeline: 2 }, 'a');
  expect(await promoted.fateOf(id, says('committed'))).toBe('unknown');
});

it('tells nothing written from nothing known', () => {
  const number = new TransactionNumber(here, 'a');
  number.learn({ xid: null });
  expect(number.id).toBeUndefined();
  number.last({ xid: null });
  expect(number.id).toBe('none');
  number.forget();
  expect(number.id).toBeUndefined();
  number.learn({ xid: '700' });
  expect(number.id).toEqual(id);
});
