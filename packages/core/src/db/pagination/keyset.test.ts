import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Cursors } from './cursor.js';
import { type KeysetColumn, type KeysetOptions, keyset } from './keyset.js';

const newestFirst: readonly KeysetColumn[] = [
  ['created_at', 'desc'],
  ['id', 'desc'],
];
const rowsOf = (...ids: number[]) => ids.map((id) => ({ id, page_key: ['2026-01-01', `${id}`] }));
/** A cursor of the list `newestFirst`. */
const cursor = (secret?: string) =>
  keyset({ orderBy: newestFirst, limit: 1, secret }).page(rowsOf(9, 8)).next ?? '';

describe('the statement of a page', () => {
  it('has no condition at the beginning, and asks for one row more', () => {
    const list = keyset({ orderBy: newestFirst, limit: 2 });
    expect(list.key).toBe(`array[to_jsonb(created_at) #>> '{}', to_jsonb(id) #>> '{}'] as page_key`);
    expect(list).toMatchObject({
      where: 'true',
      order: 'order by created_at desc, id desc limit 3',
      params: [],
    });
  });

  it('goes on behind a cursor, with its parameters after the others', () => {
    const list = keyset({ orderBy: newestFirst, after: cursor(), params: ['ann'] });
    expect(list.where).toBe('(created_at, id) < ($2, $3)');
    expect(list.params).toEqual(['ann', '2026-01-01', '9']);
  });

  it('goes back in the opposite order', () => {
    const list = keyset({ orderBy: newestFirst, before: cursor(), limit: 2 });
    expect(list.where).toBe('(created_at, id) > ($1, $2)');
    expect(list.order).toBe('order by created_at asc, id asc limit 3');
  });

  it('is one for each column where directions differ, within a range', () => {
    const orderBy: readonly KeysetColumn[] = [
      ['title', 'asc'],
      ['id', 'desc'],
    ];
    const after = keyset({ orderBy, limit: 1 }).page([...rowsOf(2), ...rowsOf(1)]).next;
    expect(keyset({ orderBy, after }).where).toBe(
      '(title >= $1 and (title > $1 or (title = $1 and id < $2)))',
    );
  });
});

describe('a page', () => {
  it('has its rows without their keys, and cursors to both sides where there is something', () => {
    const first = keyset({ orderBy: newestFirst, limit: 2 }).page(rowsOf(9, 8, 7));
    expect(first).toEqual({ items: [{ id: 9 }, { id: 8 }], next: expect.any(String), previous: undefined });
    const second = keyset({ orderBy: newestFirst, limit: 2, after: first.next }).page(rowsOf(7));
    expect(second).toEqual({ items: [{ id: 7 }], next: undefined, previous: expect.any(String) });
    const back = keyset({ orderBy: newestFirst, limit: 2, before: second.previous }).page(rowsOf(8, 9));
    expect(back).toEqual({ items: [{ id: 9 }, { id: 8 }], next: expect.any(String), previous: undefined });
    expect(back.next).toBe(first.next);
  });

  it('that is empty leads nowhere', () => {
    expect(keyset({ orderBy: newestFirst }).page([])).toEqual({
      items: [],
      next: undefined,
      previous: undefined,
    });
  });

  it('holds no more than there may be, whatever the client asks for', () => {
    expect(keyset({ orderBy: newestFirst, limit: '5000' }).order).toContain('limit 101');
    expect(keyset({ orderBy: newestFirst, limit: '7', maxLimit: 5 }).order).toContain('limit 6');
    expect(keyset({ orderBy: newestFirst }).order).toContain('limit 21');
  });

  it.each(['0', '-1', '1.5', 'many', '', ['2', '3'], {}, null, true, '1e3'])(
    'is refused as a request of the client for a limit of %j',
    (limit) => {
      expect(() => keyset({ orderBy: newestFirst, limit })).toThrow(
        expect.objectContaining({ code: 'PANDO_DB_INVALID_PAGE', status: 400 }),
      );
    },
  );

  it('is refused between two cursors', () => {
    expect(() => keyset({ orderBy: newestFirst, after: cursor(), before: cursor() })).toThrow(
      'two positions',
    );
  });

  it('says what is missing when its statement was put together wrongly', () => {
    const list = keyset({ orderBy: newestFirst });
    expect(() => list.page([{ id: 1 }])).toThrow('Put the `key` of the keyset into the select list');
    expect(() => list.page([{ page_key: [null, '1'] }])).toThrow('["created_at", "desc", "nullable"]');
  });
});

describe('a cursor', () => {
  const refused = (options: Partial<KeysetOptions>) =>
    expect(() => keyset({ orderBy: newestFirst, ...options })).toThrow(
      expect.objectContaining({ code: 'PANDO_DB_INVALID_PAGE', status: 400 }),
    );

  it('brings back exactly what it was made of', () => {
    const value = fc.option(fc.oneof(fc.string(), fc.constantFrom('ä€\u{1f332}', '\u2028\\', '"\n')));
    fc.assert(
      fc.property(fc.array(value, { minLength: 1, maxLength: 4 }), (values) => {
        const cursors = new Cursors(values, 'a secret of the test');
        expect(cursors.read(cursors.write(values) ?? '')).toEqual(values);
      }),
    );
  });

  it('is refused when any character of it was changed', () => {
    const text = cursor();
    fc.assert(
      fc.property(fc.nat(text.length - 1), fc.string({ minLength: 0, maxLength: 2 }), (at, other) => {
        fc.pre(other !== text[at]);
        refused({ after: text.slice(0, at) + other + text.slice(at + 1) });
      }),
    );
  });

  it('is refused in another order, under another secret, and without one', () => {
    const signed = cursor('one secret of the test');
    expect(
      keyset({ orderBy: newestFirst, after: signed, secret: 'one secret of the test' }).params,
    ).toHaveLength(2);
    refused({ after: signed });
    refused({ after: signed, secret: 'another secret' });
    refused({ after: cursor(), secret: 'another secret' });
    refused({
      after: cursor(),
      orderBy: [
        ['created_at', 'asc'],
        ['id', 'asc'],
      ],
    });
    refused({ after: cursor(), orderBy: [['id', 'desc']] });
  });

  it('is not made of more than a request can carry', () => {
    const row = { page_key: ['x'.repeat(7_000), '1'] };
    expect(() => keyset({ orderBy: newestFirst, limit: 1 }).page([row, row])).toThrow(
      'too long for a cursor',
    );
  });

  it.each(['', 'k1', 'k1..', 'k2.x.y', 'x'.repeat(5_000), ['k1'], null, 7])('is refused as %j', (after) => {
    refused({ after });
  });
});

describe('an order', () => {
  it.each([
    [[]],
    ['id'],
    [[['id']]],
    [[['id', 'up']]],
    [[['id; drop table posts', 'asc']]],
    [[['id desc, title', 'asc']]],
    [[['id)--', 'asc']]],
    [[['coalesce(a, (select 1))', 'asc']]],
    [[['id', 'asc', 'nulls']]],
  ])('is refused as %j: names become part of the statement', (orderBy) => {
    expect(() => keyset({ orderBy: orderBy as unknown as KeysetColumn[] })).toThrow(
      'db.keyset.orderBy must be',
    );
  });

  it.each(['id', 'p.created_at', '"Title"', 'lower(p.title)', 'größe'])('may name %s', (column) => {
    expect(keyset({ orderBy: [[column, 'asc']] }).order).toBe(`order by ${column} asc limit 21`);
  });
});
