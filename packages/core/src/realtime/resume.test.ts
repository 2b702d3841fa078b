import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cursorName, cursorPart, formatCursor } from './cursor.js';
import { placesOf } from './resume.js';

const at = (ms: number) => ({ id: `${ms}-0`, index: undefined, lineage: 'x' });
const cursorOf = (positions: Readonly<Record<string, number>>): string => {
  const parts = Object.entries(positions).map(([channel, ms]) => cursorPart(cursorName(channel), at(ms)));
  return formatCursor(new Map([['x', parts.join('')]]));
};
const lost = { lost: 'malformed' };

describe('where a stream goes on', () => {
  it('is where its client was, and now for channels that it did not follow', () => {
    expect(placesOf(['a', 'b'], cursorOf({ a: 5 }))).toEqual([{ at: at(5) }, {}]);
    expect(placesOf(['a'], '5-0~x')).toEqual([{ at: at(5) }]);
    expect(placesOf(['a', 'b'], '')).toEqual([{}, {}]);
    expect(placesOf(['a', 'b'], '5-0~x')).toEqual([lost, lost]);
  });

  it('is where the client names a position of a channel, whatever the cursor says', () => {
    expect(placesOf(['a', 'b', 'c'], `{"a":"7-0~x","d":"9-0~x"}${cursorOf({ a: 5, b: 6 })}`)).toEqual([
      { at: at(7) },
      { at: at(6) },
      {},
    ]);
    expect(placesOf(['a', 'b'], '{"b":"7-0~x"}')).toEqual([{}, { at: at(7) }]);
    expect(placesOf(['a'], '{}5-0~x')).toEqual([{ at: at(5) }]);
    expect(placesOf(['a', 'b'], '{"a":"","b":"?"}')).toEqual([{}, lost]);
  });

  it('is lost, not ignored, for all channels when the positions cannot be read', () => {
    const tooLong = JSON.stringify({ a: '7-0~x', b: 'x'.repeat(8_192) });
    for (const bad of ['{', '{"a"}', '{"a":7}', '{"a":{"b":"7-0~x"}}', tooLong, `{"a":"7-0~x"}?`]) {
      const [a, b] = placesOf(['a', 'b'], bad);
      expect(b, bad).toEqual(lost);
      expect(a, bad).toEqual(bad.endsWith('?') ? { at: at(7) } : lost);
    }
  });

  it('is read without ever throwing', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(...'{}":,a~1-.c!') }), (text) => {
        expect(placesOf(['a', '__proto__'], `{${text}`)).toHaveLength(2);
      }),
    );
  });
});
