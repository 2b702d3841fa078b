import fc from 'fast-check';
import { expect, it } from 'vitest';
import { compareIds, formatPosition } from '../realtime/position.js';
import { isCovered } from './position.js';

it('orders positions of one lineage as the server does', () => {
  const part = fc.record({
    id: fc
      .tuple(fc.nat(3), fc.oneof(fc.nat(3), fc.constant('18446744073709551615')))
      .map((id) => id.join('-')),
    index: fc.option(fc.nat(2), { nil: undefined }),
  });
  fc.assert(
    fc.property(part, part, (a, b) => {
      const rank = ({ index }: typeof a) => index ?? Number.POSITIVE_INFINITY;
      const order = compareIds(a.id, b.id) || (rank(a) === rank(b) ? 0 : rank(a) - rank(b));
      const [one, two] = [formatPosition({ ...a, lineage: 'x' }), formatPosition({ ...b, lineage: 'x' })];
      expect(isCovered(one, two)).toBe(order <= 0);
    }),
  );
});

it('takes what cannot be compared as new', () => {
  expect(isCovered('1-0~a', '2-0~b')).toBe(false);
  expect(isCovered('of a later release', '2-0~b')).toBe(false);
  expect(isCovered('1-0~a', '')).toBe(false);
  expect(isCovered('the same', 'the same')).toBe(true);
});
