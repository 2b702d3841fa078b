import { expect, it } from 'vitest';
import type { ReadBound } from '../kernel/context.js';
import type { DbPosition } from '../kernel/token.js';
import { coversWritten } from './admission.js';

const at = (lsn: bigint, { shard = 'main', system = '7', timeline = 1 } = {}): DbPosition => ({
  shard,
  system,
  timeline,
  lsn,
});
const replica = (lsn: bigint, options?: Parameters<typeof at>[1]): ReadBound => {
  const { shard, ...seen } = at(lsn, options);
  return { shard, seen };
};
const primary: ReadBound = { shard: 'main', seen: 'primary' };
const admits = (bounds: readonly ReadBound[], written: readonly DbPosition[], inDoubt = false) =>
  coversWritten(bounds, { written, inDoubt });

it('admits what was read where everything demanded had arrived', () => {
  expect(admits([replica(10n)], [at(10n)])).toBe(true);
  expect(admits([replica(11n), replica(10n)], [at(10n)])).toBe(true);
  expect(admits([replica(1n, { timeline: 2 })], [at(10n)])).toBe(true);
  expect(admits([primary], [at(10n)])).toBe(true);
  expect(admits([replica(1n)], [])).toBe(true);
});

it('refuses what was read behind it, even in part', () => {
  expect(admits([replica(9n)], [at(10n)])).toBe(false);
  expect(admits([primary, replica(10n), replica(9n)], [at(10n)])).toBe(false);
  expect(admits([replica(10n)], [at(10n, { timeline: 2 })])).toBe(false);
});

it('refuses what cannot be compared', () => {
  expect(admits([replica(10n, { system: '8' })], [at(1n)])).toBe(false);
});

it('asks for nothing from shards that were not read', () => {
  expect(admits([], [at(10n)])).toBe(true);
  expect(admits([replica(1n, { shard: 'other' })], [at(10n)])).toBe(true);
  expect(admits([replica(1n, { shard: 'other' })], [at(10n), at(2n, { shard: 'other' })])).toBe(false);
});

it('believes only primaries while it is not known what is demanded', () => {
  expect(admits([replica(10n)], [], true)).toBe(false);
  expect(admits([primary], [], true)).toBe(true);
  expect(admits([], [], true)).toBe(true);
});
