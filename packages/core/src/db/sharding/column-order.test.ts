import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { addTexts, orderOf } from './column-order.js';

const [bool, name, int8, text, timestamptz, numeric, float8] = [16, 19, 20, 25, 1184, 1700, 701];
const sorted = (type: number, texts: readonly string[], collate?: 'C') =>
  [...texts].sort(orderOf('column', type, collate));

describe('values of a type', () => {
  // Each list is in the order that Postgres gives; test/integration/db/scatter.test.ts compares with it at random.
  it.each([
    ['int8', int8, ['-9223372036854775808', '-2', '0', '9', '10', '9223372036854775807']],
    [
      'numeric',
      numeric,
      ['-Infinity', '-1.5', '-1.05', '0.000', '2.50', '10', '12345678901234567890.1', 'Infinity', 'NaN'],
    ],
    ['float8', float8, ['-Infinity', '-1e+300', '-0', '5e-324', '0.1', '1e+300', 'Infinity', 'NaN']],
    ['bool', bool, ['false', 'true']],
    ['name', name, ['B', 'a', '\uff61', '😀']],
    [
      'timestamptz',
      timestamptz,
      [
        '-infinity',
        '4714-11-24 00:00:00+00 BC',
        '0001-01-01 00:00:00+00',
        '2026-03-29 00:30:00.000001+00',
        '2026-03-29 01:30:00.000002+01',
        '2026-03-29 03:30:00+02',
        '2026-03-28 20:30:00.5-05',
        '2026-03-29 01:30:01+00',
        '294276-12-31 23:59:59+00',
        'infinity',
      ],
    ],
  ])('%s are ordered as Postgres does', (_, type, texts) => {
    expect(sorted(type, texts.toReversed())).toEqual(texts);
  });

  it('days are counted as the calendar does', () => {
    const days = fc.date({ min: new Date('0001-01-01'), max: new Date('9999-12-31'), noInvalidDate: true });
    const written = (day: Date) => day.toISOString().replace('T', ' ').replace('Z', '+00');
    const order = orderOf('column', timestamptz, undefined);
    fc.assert(
      fc.property(days, days, (a, b) => {
        expect(Math.sign(order(written(a), written(b)))).toBe(Math.sign(a.getTime() - b.getTime()));
      }),
    );
  });

  it('texts are ordered by their bytes, if they are to be, and else refused', () => {
    expect(sorted(text, ['😀', '\uff61', 'é', 'z', 'Z', ''], 'C')).toEqual([
      '',
      'Z',
      'z',
      'é',
      '\uff61',
      '😀',
    ]);
    expect(() => orderOf('title', text, undefined)).toThrow('The column title of db.scatter is text');
    expect(() => orderOf('shape', 600, undefined)).toThrow('cast it in the statement, or give compare');
  });

  it('dates of another style are refused', () => {
    expect(() => sorted(timestamptz, ['Sun Nov 22 07:41:37 2026 UTC', '2026-01-01 00:00:00+00'])).toThrow(
      'DateStyle',
    );
  });
});

describe('sums', () => {
  it.each([
    ['1', '2', '3'],
    ['9223372036854775807', '1', '9223372036854775808'],
    ['0.1', '0.20', '0.30'],
    ['-0.05', '0.01', '-0.04'],
    ['-1.5', '1.5', '0.0'],
    ['12345678901234567890.123', '-1', '12345678901234567889.123'],
  ])('%s + %s = %s, exactly', (a, b, sum) => {
    expect(addTexts('n', numeric, a, b)).toBe(sum);
    expect(addTexts('n', numeric, b, a)).toBe(sum);
  });

  it('of other types are refused', () => {
    expect(() => addTexts('span', 1186, '1 day', '2 days')).toThrow(
      'The column span of db.scatter cannot be added up',
    );
    expect(addTexts('n', float8, '0.5', '1e+300')).toBe('1e+300');
  });
});
