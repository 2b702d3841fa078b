import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compareIds, formatPosition, parsePosition } from './position.js';

const ids = fc
  .tuple(fc.nat({ max: 999_999_999_999_999 }), fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }))
  .map(([ms, seq]) => ({ ms: BigInt(ms), seq, id: `${ms}-${seq}` }));

const positions = fc.record({
  id: ids.map(({ id }) => id),
  index: fc.option(fc.nat({ max: 99_999 }), { nil: undefined }),
  lineage: fc.stringMatching(/^[0-9a-z]{1,16}$/),
});

describe('a position', () => {
  it('survives its way to a client and back', () => {
    fc.assert(
      fc.property(positions, (position) => {
        expect(parsePosition(formatPosition(position))).toEqual(position);
      }),
    );
  });

  it('is not found in anything else that a client may send', () => {
    const others = [
      '',
      '5',
      '5-0',
      '5-0~',
      '-5-0~a',
      '5-0.~a',
      '5-0~A',
      '5-0~a\n',
      ' 5-0~a',
      `${'9'.repeat(99)}-0~a`,
      '5-0~a~b',
    ];
    for (const text of others) expect(parsePosition(text), text).toBeUndefined();
    fc.assert(
      fc.property(fc.string(), (text) => {
        const position = parsePosition(text);
        if (position !== undefined) expect(formatPosition(position)).toHaveLength(text.length);
      }),
    );
  });

  it('has one spelling, so that ids can be compared as text', () => {
    expect(parsePosition('0005-007~a')).toEqual({ id: '5-7', index: undefined, lineage: 'a' });
    expect(parsePosition('0-00~a')?.id).toBe('0-0');
  });
});

describe('entry ids', () => {
  it('are ordered by time, then by sequence, whatever their length', () => {
    fc.assert(
      fc.property(ids, ids, (a, b) => {
        const expected = a.ms === b.ms ? (a.seq < b.seq ? -1 : a.seq > b.seq ? 1 : 0) : a.ms < b.ms ? -1 : 1;
        expect(Math.sign(compareIds(a.id, b.id))).toBe(expected);
      }),
    );
  });
});
