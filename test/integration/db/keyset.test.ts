import { type KeysetColumn, keyset } from '@pando/core/db';
import fc from 'fast-check';
import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { testDatabase } from '../../infra/context.js';

let client: pg.Client;

beforeAll(async () => {
  client = new pg.Client((await testDatabase()).primary);
  await client.connect();
  // Many equal values, instants that differ by a microsecond, numbers beyond what a double holds, nulls.
  await client.query(`
    create table posts (id bigint primary key, title text not null, rank numeric not null, at timestamptz not null, read_at timestamptz);
    insert into posts select
      9007199254740993 + n, chr(97 + n % 5) || repeat('ä', n % 2), (n % 7) + 0.1, '2026-01-01'::timestamptz + (n % 11) * interval '1 microsecond',
      case when n % 3 = 0 then null else '2026-02-01'::timestamptz - (n % 4) * interval '1 microsecond' end
    from generate_series(1, 60) n;
    create index posts_newest on posts (at desc, id desc);
  `);
});
afterAll(() => client.end());

const direction = fc.constantFrom('asc' as const, 'desc' as const);
const orders = fc
  .tuple(
    fc.shuffledSubarray(['title', 'rank', 'at', 'lower(title)', 'read_at']),
    fc.infiniteStream(direction).map((ways) => [...ways.take(6)]),
  )
  .map(([names, ways]) =>
    [...names, 'id'].map((name, index): KeysetColumn => {
      const way = ways[index] ?? 'asc';
      return name === 'read_at' ? [name, way, 'nullable'] : [name, way];
    }),
  );

type Listed = { readonly id: string };

/** All pages of a list, one after the other, in the given direction. */
async function walk(orderBy: readonly KeysetColumn[], limit: number, start?: string) {
  const pages: string[][] = [];
  let cursor = start;
  const option = start === undefined ? 'after' : 'before';
  let behind: string | undefined;
  do {
    const list = keyset({ orderBy, limit, [option]: cursor, params: ['z'] });
    const { rows } = await client.query<Listed>(
      `select id, ${list.key} from posts where title <> $1 and ${list.where} ${list.order}`,
      [...list.params],
    );
    const page = list.page(rows);
    pages.push(page.items.map(({ id }) => id));
    behind = page.previous ?? behind;
    cursor = option === 'after' ? page.next : page.previous;
  } while (cursor !== undefined);
  return { pages, behind };
}

it('its pages are the whole list in the order of Postgres, forwards and backwards', async () => {
  await fc.assert(
    fc.asyncProperty(orders, fc.integer({ min: 1, max: 25 }), async (orderBy, limit) => {
      const order = orderBy.map(([name, way]) => `${name} ${way}`).join(', ');
      const { rows } = await client.query<Listed>(`select id from posts order by ${order}`);
      const all = rows.map(({ id }) => id);
      const { pages, behind } = await walk(orderBy, limit);
      expect(pages.flat()).toEqual(all);
      expect(behind).toBeDefined();
      // Back from the last page: all but that.
      const back = await walk(orderBy, limit, behind);
      expect(back.pages.reverse().flat()).toEqual(pages.slice(0, -1).flat());
    }),
    { numRuns: 40 },
  );
});

it('a page far behind is read through the index, without the rows before it', async () => {
  const orderBy: readonly KeysetColumn[] = [
    ['at', 'desc'],
    ['id', 'desc'],
  ];
  const first = keyset({ orderBy, limit: 40 });
  const { rows } = await client.query(`select id, ${first.key} from posts ${first.order}`);
  const list = keyset({ orderBy, limit: 5, after: first.page(rows).next });
  await client.query('set enable_seqscan = off; set enable_bitmapscan = off');
  const plan = await client.query<{ readonly 'QUERY PLAN': string }>(
    `explain select id, ${list.key} from posts where ${list.where} ${list.order}`,
    [...list.params],
  );
  const text = plan.rows.map((row) => row['QUERY PLAN']).join('\n');
  expect(text).toContain('Scan using posts_newest');
  expect(text).toContain('Index Cond');
  expect(text).not.toContain('Sort');
});
