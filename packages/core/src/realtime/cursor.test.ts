import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cursorName, cursorPart, formatCursor, parseCursor } from './cursor.js';
import type { Position } from './position.js';

const channels = fc.uniqueArray(fc.stringMatching(/^[A-Za-z0-9_:.\-/]{1,30}$/), {
  maxLength: 128,
  selector: cursorName,
});
const position: fc.Arbitrary<Position> = fc.record({
  id: fc
    .tuple(fc.nat({ max: 9_999_999_999_999 }), fc.nat({ max: 99_999 }))
    .map(([ms, seq]) => `${ms}-${seq}`),
  index: fc.option(fc.nat({ max: 127 }), { nil: undefined }),
  lineage: fc.constantFrom('a1b2c3d4', 'ffff0000'),
});

const cursorOf = (positions: ReadonlyMap<string, Position>): string => {
  const groups = new Map<string, string>();
  for (const [name, at] of positions) {
    groups.set(at.lineage, (groups.get(at.lineage) ?? '') + cursorPart(name, at));
  }
  return formatCursor(groups);
};

describe('a cursor', () => {
  it('gives back the position of each channel, whatever lineages they have', () => {
    fc.assert(
      fc.property(
        channels.chain((names) =>
          fc.tuple(
            fc.constant(names),
            fc.array(position, { minLength: names.length, maxLength: names.length }),
          ),
        ),
        ([names, list]) => {
          const positions = new Map(names.map((name, index) => [cursorName(name), list[index] as Position]));
          const cursor = cursorOf(positions);
          expect(parseCursor(cursor)).toEqual(positions);
          expect(cursor).toMatch(/^[\x21-\x7e]*$/);
          expect(cursor.length).toBeLessThan(8_192);
        },
      ),
    );
  });

  it('takes about 20 characters a channel', () => {
    const name = cursorName('orders');
    expect(cursorPart(name, { id: '1700000000000-3', index: undefined, lineage: 'a' })).toHaveLength(17);
  });

  it('is refused when it is malformed, oversized, or names a channel twice', () => {
    const good = cursorOf(new Map([[cursorName('a'), { id: '5-0', index: 1, lineage: 'x' }]]));
    expect(parseCursor(good)?.size).toBe(1);
    const part = good.slice(good.indexOf('!'));
    for (const bad of [
      '',
      'c',
      'c2~x',
      `${good}${part}`,
      `${good}!`,
      `${good}.`,
      `${good}~`,
      good.replace('x', 'X'),
    ]) {
      expect(parseCursor(bad), bad).toBeUndefined();
    }
    expect(parseCursor(`c1${'~x'.repeat(5_000)}`)).toBeUndefined();
  });

  it('never throws, and never gives an id that is no id', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(...'c1~!-.az09AZ_') }), (text) => {
        for (const { id } of parseCursor(`c1${text}`)?.values() ?? []) expect(id).toMatch(/^\d+-\d+$/);
      }),
    );
  });
});
