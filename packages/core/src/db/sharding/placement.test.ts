import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { composeId } from './ids.js';
import { Placement } from './placement.js';
import { resolveShardingOptions, type ShardingOptions } from './sharding-options.js';
import { slotOf } from './slots.js';

const names = ['a', 'b', 'c'];
const placement = (options: ShardingOptions = {}) =>
  new Placement(names, resolveShardingOptions(options, names));
const shardOf = (given: ShardingOptions, ...keys: Parameters<Placement['of']>[0][]) =>
  keys.map((key) => placement(given).of(key).shard);
const invalid = expect.objectContaining({ code: 'PANDO_DB_INVALID_SHARD_KEY', status: 400 });

describe('a key', () => {
  it('goes where its slot is', () => {
    const slots = { a: '0-1000', b: '1001-2000,4000-4095', c: '2001-3999' };
    const placed = placement({ slots });
    fc.assert(
      fc.property(fc.string({ minLength: 1 }), (key) => {
        const slot = slotOf(key);
        const owner = slot <= 1_000 ? 'a' : slot <= 2_000 || slot >= 4_000 ? 'b' : 'c';
        expect(placed.of(key)).toEqual({ shard: owner, slot });
      }),
    );
  });

  it('is the same as a number, a bigint and a text', () => {
    const placed = placement();
    expect(placed.of(42)).toEqual(placed.of('42'));
    expect(placed.of(42n)).toEqual(placed.of('42'));
  });

  it('has a shard of its own where the directory says so', () => {
    const directory = { acme: 'c', zen: { shard: 'b', slot: 4_096 } };
    expect(placement({ directory }).of('acme')).toEqual({ shard: 'c', slot: undefined });
    expect(placement({ directory }).of('zen')).toEqual({ shard: 'b', slot: 4_096 });
    expect(placement({ directory }).of({ id: composeId(77n, 4_096) }).shard).toBe('b');
  });

  it('goes where its id says', () => {
    const placed = placement();
    for (const key of ['ann', 'bob', 7]) {
      const { shard, slot = 0 } = placed.of(key);
      expect(placed.of({ id: composeId(12_345n, slot) }).shard).toBe(shard);
    }
  });

  it('may be the name of a shard', () => {
    expect(shardOf({}, { shard: 'b' })).toEqual(['b']);
  });

  it.each([
    '',
    1.5,
    Number.NaN,
    new Date(Number.NaN),
    undefined as never,
    null as never,
    { shard: 'x' },
    { shard: 'toString' },
    { id: 'x' },
    { id: composeId(1n, 5_000) },
  ])('is not %o', (key) => {
    expect(() => placement().of(key)).toThrow(invalid);
  });
});

describe('ranges', () => {
  const of2026 = new Date('2026-01-01');
  const ranges = [
    { below: of2026, shard: 'a' },
    { below: 1_800_000_000_000, shard: 'b', slot: 4_100 },
    { shard: 'c' },
  ];

  it('hold the keys below their bound', () => {
    const years = ['2020-01-01', '2025-12-31', '2026-01-01', '2040-01-01'].map((text) => new Date(text));
    expect(shardOf({ strategy: 'range', ranges }, ...years)).toEqual(['a', 'a', 'b', 'c']);
    expect(shardOf({ strategy: 'range', ranges }, of2026.getTime() - 1, 1_800_000_000_000n)).toEqual([
      'a',
      'c',
    ]);
  });

  it('may be of texts', () => {
    const letters = [{ below: 'm', shard: 'a' }, { shard: 'b' }];
    expect(shardOf({ strategy: 'range', ranges: letters }, 'ann', 'm', 'zoe')).toEqual(['a', 'b', 'b']);
  });

  it('refuse keys of another kind, and ids that no range has given', () => {
    expect(() => shardOf({ strategy: 'range', ranges }, 'ann')).toThrow(invalid);
    expect(() => shardOf({ strategy: 'range', ranges }, { id: composeId(1n, 17) })).toThrow(invalid);
    expect(shardOf({ strategy: 'range', ranges }, { id: composeId(1n, 4_100) })).toEqual(['b']);
  });
});

describe('options that cannot be right', () => {
  it.each<[ShardingOptions, string]>([
    [{ slots: { a: '0-4095', b: '7' } }, 'without slot 7, which a has already'],
    [{ slots: { a: '0-4000' } }, 'whose slot 4001 is'],
    [{ slots: { a: '0-4095', x: '' } }, 'no such shard in db.shards'],
    [{ slots: { a: '0-5000' } }, 'slots from 0 to 4095'],
    [{ directory: { acme: 'x' } }, 'db.sharding.directory.acme.shard must be one of "a", "b", "c"'],
    [{ directory: { acme: { shard: 'a', slot: 12 } } }, 'from 4096 to 8191'],
    [{ directory: { acme: { shard: 'a', slot: 5_000 }, zen: { shard: 'b', slot: 5_000 } } }, 'slot 5000'],
    [{ strategy: 'range' }, 'db.sharding.ranges must be an array of ranges'],
    [
      { strategy: 'range', ranges: [{ below: 2, shard: 'a' }, { below: 1, shard: 'a' }, { shard: 'b' }] },
      'ascending',
    ],
    [
      { strategy: 'range', ranges: [{ below: 2, shard: 'a' }, { below: 'x', shard: 'a' }, { shard: 'b' }] },
      'of one kind',
    ],
    [{ strategy: 'range', ranges: [{ below: 2, shard: 'a' }] }, 'left out in the last range'],
    [{ strategy: 'range', ranges: [{ shard: 'a' }, { shard: 'b' }] }, 'a number, a Date or a text'],
    [{ ranges: [{ shard: 'a' }] }, 'left out where strategy is "hash"'],
    [{ version: 0 }, 'db.sharding.version'],
  ])('are refused: %o', (options, message) => {
    expect(() => resolveShardingOptions(options, names)).toThrow(message);
  });
});
