import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ScatterOptions } from '../api.js';
import { mergeGroups } from './aggregates.js';
import { type GatheredRow, gatherRow, rowOrder } from './gathered-row.js';
import { mergeOrdered } from './row-merge.js';
import { planScatter } from './scatter-plan.js';
import { keyColumn } from './scatter-statement.js';

const int4 = 23;
const int8 = 20;
const rowOf = (row: Record<string, number | null>): GatheredRow => {
  const key = Object.values(row).flatMap((value) => [int4, value === null ? null : String(value)]);
  return gatherRow({ ...row, [keyColumn]: JSON.stringify(key) }, Object.keys(row));
};
const orderBy = (...terms: NonNullable<ScatterOptions['orderBy']>) =>
  rowOrder(planScatter({ orderBy: terms }).order);

describe('a merge of ordered lists', () => {
  const value = fc.option(fc.integer({ min: -5, max: 5 }), { nil: null });
  const rows = fc.array(fc.record({ a: value, b: value }), { maxLength: 20 });

  it('is what one sort of all of them would be, from its beginning', () => {
    fc.assert(
      fc.property(
        fc.array(rows, { maxLength: 5 }),
        fc.constantFrom('asc' as const, 'desc' as const),
        fc.constantFrom('first' as const, 'last' as const, undefined),
        fc.nat(40),
        (lists, direction, nulls, count) => {
          const order = orderBy({ column: 'a', direction, nulls }, 'b');
          const parts = lists.map((list) => list.map(rowOf).sort(order));
          const merged = mergeOrdered(parts, order, count);
          expect(merged).toEqual(parts.flat().sort(order).slice(0, count));
        },
      ),
    );
  });

  it('puts nulls where Postgres does', () => {
    const rowsOf = (...values: (number | null)[]) => values.map((a) => rowOf({ a }));
    const valuesIn = (order: ReturnType<typeof orderBy>) =>
      mergeOrdered([rowsOf(2), rowsOf(null), rowsOf(1)], order, 9).map(({ row }) => row.a);
    expect(valuesIn(orderBy('a'))).toEqual([1, 2, null]);
    expect(valuesIn(orderBy(['a', 'desc']))).toEqual([null, 2, 1]);
    expect(valuesIn(orderBy({ column: 'a', nulls: 'first' }))).toEqual([null, 1, 2]);
    expect(valuesIn(orderBy({ column: 'a', direction: 'desc', nulls: 'last' }))).toEqual([2, 1, null]);
  });

  it('goes by a comparison that was given', () => {
    const order = orderBy({ column: 'a', compare: (x, y) => Number(y) - Number(x) });
    expect(mergeOrdered([[rowOf({ a: 3 })], [rowOf({ a: 7 })]], order, 9).map(({ row }) => row.a)).toEqual([
      7, 3,
    ]);
  });
});

describe('groups that are merged', () => {
  const columns = ['n', 'total', 'low', 'high'];
  const part = (country: string, n: number, total: string | null, low: number, high: number) =>
    gatherRow(
      {
        country,
        n,
        total,
        low,
        high,
        [keyColumn]: JSON.stringify([
          int4,
          `${n}`,
          int8,
          total,
          int4,
          `${low}`,
          int4,
          `${high}`,
          `{"country": "${country}"}`,
        ]),
      },
      columns,
    );

  it('count, add, choose and divide', () => {
    const merges = new Map(
      Object.entries({
        n: 'count',
        total: 'sum',
        low: 'min',
        high: 'max',
        mean: { avg: { sum: 'total', count: 'n' } },
      } as const),
    );
    const rows = [
      part('de', 2, '30', 10, 20),
      part('fr', 1, '5', 5, 5),
      part('de', 3, '12', 2, 7),
      part('it', 0, null, 0, 0),
    ];
    expect(mergeGroups(rows, merges).map(({ row }) => row)).toEqual([
      { country: 'de', n: 5, total: '42', low: 2, high: 20, mean: 42 / 5 },
      { country: 'fr', n: 1, total: '5', low: 5, high: 5, mean: 5 },
      { country: 'it', n: 0, total: null, low: 0, high: 0, mean: null },
    ]);
    const [first] = rows;
    expect(first?.row.n).toBe(2);
  });

  it('do not let nulls count', () => {
    const merges = new Map([['total', 'sum' as const]]);
    const totals = (...parts: (string | null)[]) =>
      mergeGroups(
        parts.map((total) => part('de', 1, total, 0, 0)),
        merges,
      ).map(({ row }) => row.total);
    expect(totals(null, '3', null)).toEqual(['3']);
    expect(totals('3', null, '4')).toEqual(['7']);
    expect(totals(null, null)).toEqual([null]);
  });
});

describe('a cursor', () => {
  const { cursors } = planScatter({ orderBy: [['created_at', 'desc'], 'id'] });
  const position = { last: ['2026-01-01 00:00:00+00', '7'], missed: { b: null, c: ['x', 'y'] } };

  it('reads back as it was written', () => {
    expect(cursors.read(cursors.write(position))).toEqual(position);
  });

  it('is refused when it is of another order, or none', () => {
    const refused = expect.objectContaining({ code: 'PANDO_DB_INVALID_PAGE', status: 400 });
    const cursor = cursors.write(position);
    const forged = (json: string) =>
      cursor.slice(0, cursor.lastIndexOf('.') + 1) + Buffer.from(json).toString('base64url');
    expect(() => planScatter({ orderBy: ['created_at', 'id'], cursor })).toThrow(refused);
    for (const text of [
      '',
      'x',
      cursor.slice(1),
      forged('null'),
      forged('{"last":["1"],"missed":{}}'),
      forged('{"last":[1,2],"missed":{}}'),
      forged('{"last":null}'),
      `${cursor}${'A'.repeat(9_000)}`,
      7 as never,
    ]) {
      expect(() => cursors.read(text), text).toThrow(refused);
    }
  });
});

describe('options of a scatter that cannot be right', () => {
  it.each<[ScatterOptions, string]>([
    [{ limit: 0 }, 'limit must be a whole number of at least 1, got 0'],
    [{ offset: -1 }, 'offset must be'],
    [{ timeoutMs: 1.5 }, 'timeoutMs must be'],
    [{ cursor: 'x' }, 'cursor needs orderBy'],
    [{ orderBy: [''] }, 'orderBy must name columns'],
    [{ orderBy: [['a', 'up' as never]] }, 'must be "asc" or "desc"'],
    [{ orderBy: [{ column: 'a', nulls: 'never' as never }] }, 'nulls of orderBy'],
    [{ orderBy: [{ column: 'a', collate: 'de' as never }] }, 'collate of orderBy'],
    [{ onPartial: 'maybe' as never }, 'onPartial must be'],
    [{ merge: { n: 'median' as never } }, 'merge.n must be'],
    [{ merge: { n: 'count', mean: { avg: { sum: 'total', count: 'n' } } } }, 'merge.mean.avg must name'],
    [{ merge: { n: 'count' }, orderBy: ['n'], cursor: 'x' }, 'cursor cannot go with merge'],
  ])('are refused: %o', (options, message) => {
    expect(() => planScatter(options)).toThrow(
      expect.objectContaining({ code: 'PANDO_DB_OPTIONS', message: expect.stringContaining(message) }),
    );
  });
});
