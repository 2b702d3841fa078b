import { createDatabase, type DatabaseOptions, type ScatterOptions } from '@pando/core/db';
import { createTcpProxy, waitFor } from '@pando/core/testing';
import fc from 'fast-check';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { seed, testDatabase } from '../../infra/context.js';

/** Rows are in one of the shards each, and all of them in `whole`, which says what is right. */
let urls: Record<'a' | 'b' | 'c' | 'whole', Awaited<ReturnType<typeof testDatabase>>>;
let whole: pg.Client;
let admins: pg.Client[];

const createThings = `create table things (
  id bigint primary key, big int8, small int2, exact numeric, wide float8, flag bool, day date, at timestamptz, local timestamp,
  uid uuid, name text collate "C", kind varchar(20), label text)`;
const columns = ['big', 'small', 'exact', 'wide', 'flag', 'day', 'at', 'local', 'uid', 'name', 'kind'];
const isText = (column: string) => column === 'name' || column === 'kind';

const day = fc
  .date({ min: new Date('0001-01-01'), max: new Date('9999-12-31'), noInvalidDate: true })
  .map((date) => date.toISOString());
const micros = fc
  .tuple(
    fc.constantFrom('2026-03-29 01:59:59', '2026-03-29 03:00:00', '1999-12-31 23:59:59'),
    fc.integer({ min: 0, max: 999_999 }),
  )
  .map(([second, fraction]) => `${second}.${String(fraction).padStart(6, '0')}`);
const text = fc.string({ unit: fc.constantFrom('a', 'B', 'b', 'é', '\uff61', '😀', ' ', '_'), maxLength: 4 });
const orNull = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: null, freq: 6 });
const thing = fc.record({
  big: orNull(fc.bigInt({ min: -(1n << 63n), max: (1n << 63n) - 1n }).map(String)),
  small: orNull(fc.integer({ min: -3, max: 3 })),
  exact: orNull(
    fc.oneof(
      fc.constantFrom('NaN', '0.10', '0.1', '-0.05', '1e20'),
      fc.integer().map((n) => String(n / 8)),
    ),
  ),
  wide: orNull(fc.oneof(fc.double(), fc.constantFrom(0, -0)).map(String)),
  flag: orNull(fc.boolean()),
  day: orNull(fc.oneof(fc.constantFrom('infinity', '-infinity'), day)),
  at: orNull(micros),
  local: orNull(micros),
  uid: orNull(fc.uuid()),
  name: orNull(text),
  kind: orNull(text),
});

beforeAll(async () => {
  urls = {
    a: await testDatabase(),
    b: await testDatabase(),
    c: await testDatabase(),
    whole: await testDatabase(),
  };
  const connect = async ({ primary }: { primary: string }) => {
    const client = new pg.Client(primary);
    await client.connect();
    await client.query(createThings);
    return client;
  };
  whole = await connect(urls.whole);
  admins = [await connect(urls.a), await connect(urls.b), await connect(urls.c)];
  const things = fc.sample(thing, { numRuns: 300, seed: seed() });
  for (const [id, values] of things.entries()) {
    const insert = `insert into things (id, ${Object.keys(values).join(', ')}, label)
      values ($1, ${Object.keys(values)
        .map((_, index) => `$${index + 2}`)
        .join(', ')}, $13)`;
    const params = [id, ...Object.values(values), `label ${id % 7}`];
    for (const client of [whole, admins[id % 3] as pg.Client]) await client.query(insert, params);
  }
});

afterAll(async () => {
  await Promise.all([whole, ...(admins ?? [])].map((client) => client?.end()));
});

async function open(options: Partial<DatabaseOptions> = {}) {
  const { a, b, c } = urls;
  const db = createDatabase({ shards: { a, b, c }, ...options });
  onTestFinished(() => db.close());
  await db.start();
  // What the tables were filled with is on no token.
  const strong = <R>(sql: string, params: readonly unknown[] = [], scatter: ScatterOptions = {}) =>
    db.scatter<R & Record<string, unknown>>(sql, params, { level: 'strong', ...scatter });
  return { db, scatter: strong };
}

describe('rows of all shards', () => {
  it('come in the order that Postgres gives', async () => {
    const { scatter } = await open();
    for (const column of columns) {
      for (const direction of ['asc', 'desc'] as const) {
        for (const nulls of [undefined, 'first', 'last'] as const) {
          const term = `${column} ${isText(column) ? 'collate "C"' : ''} ${direction} ${nulls ? `nulls ${nulls}` : ''}`;
          const right = await whole.query(`select id, ${column} from things order by ${term}, id`);
          const { rows } = await scatter(`select id, ${column} from things`, [], {
            orderBy: [{ column, direction, nulls, collate: isText(column) ? 'C' : undefined }, 'id'],
          });
          expect(rows, term).toEqual(right.rows);
        }
      }
    }
  });

  it('come in portions that leave none out and repeat none', async () => {
    const { scatter } = await open();
    const sql = 'select id, small, at from things where small is not null and at is not null';
    for (const [first, second] of [
      ['asc', 'desc'],
      ['desc', 'desc'],
      ['asc', 'asc'],
    ] as const) {
      const right = await whole.query(`${sql} order by small ${first}, at ${second}, id ${second}`);
      const pages: unknown[] = [];
      let cursor: string | undefined;
      do {
        const orderBy = [
          ['small', first],
          ['at', second],
          ['id', second],
        ] as const;
        const page = await scatter(sql, [], { orderBy, limit: 17, cursor });
        expect(page.rowCount).toBe(Math.min(17, right.rows.length - pages.length));
        pages.push(...page.rows);
        cursor = page.cursor;
      } while (cursor !== undefined);
      expect(pages).toEqual(right.rows);
    }
  });

  it('may begin further on', async () => {
    const { scatter } = await open();
    const right = await whole.query(
      'select id from things where id < $1 order by id desc limit 10 offset 25',
      [200],
    );
    const { rows } = await scatter('select id from things where id < $1 -- of all', [200], {
      orderBy: [['id', 'desc']],
      limit: 10,
      offset: 25,
    });
    expect(rows).toEqual(right.rows);
  });

  it('of a type without a known order need a comparison', async () => {
    const { scatter } = await open();
    const sql = 'select id, label from things';
    await expect(scatter(sql, [], { orderBy: ['label'] })).rejects.toMatchObject({
      code: 'PANDO_DB_SCATTER_MERGE',
      message: expect.stringContaining('The column label of db.scatter is text'),
    });
    const compare = (x: unknown, y: unknown) => String(x).localeCompare(String(y));
    const { rows } = await scatter<{ label: string }>(sql, [], {
      orderBy: [{ column: 'label', compare }, 'id'],
    });
    expect(rows.map(({ label }) => label)).toEqual(rows.map(({ label }) => label).sort(compare));
    await expect(scatter(sql, [], { orderBy: ['title'] })).rejects.toMatchObject({ code: '42703' });
  });

  it('cannot be written', async () => {
    const { scatter } = await open();
    await expect(scatter('delete from things returning id')).rejects.toMatchObject({ code: '42601' });
    await expect(
      scatter('with gone as (delete from things returning id) select * from gone'),
    ).rejects.toMatchObject({ code: '0A000' });
    expect((await whole.query('select count(*)::int as n from things')).rows).toEqual([{ n: 300 }]);
  });
});

describe('values of all shards', () => {
  it('become one', async () => {
    const { scatter } = await open();
    const sql = `select flag, count(*) as n, count(exact) as counted, sum(exact) as total, min(at) as first, max(big) as highest,
      sum(small)::int as small from things where exact <> 'NaN' group by flag`;
    const right = await whole.query(`${sql} order by flag`);
    const { rows } = await scatter(sql, [], {
      merge: {
        n: 'count',
        counted: 'count',
        total: 'sum',
        first: 'min',
        highest: 'max',
        small: 'sum',
        mean: { avg: { sum: 'total', count: 'counted' } },
      },
      orderBy: ['flag'],
    });
    expect(rows.map(({ mean: _, total: __, ...row }) => row)).toEqual(
      right.rows.map(({ total: _, ...row }) => row),
    );
    for (const [index, { total, mean, counted }] of rows.entries()) {
      expect(Number(total)).toBe(Number(right.rows[index].total));
      expect(mean).toBeCloseTo(Number(total) / Number(counted), 10);
    }
  });

  it('are ordered by what they have become', async () => {
    const { scatter } = await open();
    const sql = 'select label, count(*)::int as n, max(id) as last from things where id < 290 group by label';
    const right = await whole.query(`${sql} order by n desc, last limit 3`);
    const { rows, cursor } = await scatter(sql, [], {
      merge: { n: 'count', last: 'max' },
      orderBy: [['n', 'desc'], 'last'],
      limit: 3,
    });
    expect(rows).toEqual(right.rows);
    expect(cursor).toBeUndefined();
  });
});

describe('a shard that is away', () => {
  async function cut() {
    const { hostname, port } = new URL(urls.b.primary);
    const proxy = await createTcpProxy({ target: { host: hostname, port: Number(port) } });
    onTestFinished(() => proxy.close());
    const b = { primary: proxy.url(urls.b.primary) };
    const opened = await open({
      shards: { a: { primary: urls.a.primary }, b, c: { primary: urls.c.primary } },
    });
    return { ...opened, proxy };
  }
  const sql = 'select id from things';
  const page = { orderBy: ['id'], limit: 8 } as const;
  const numbersOf = (rows: readonly Record<string, unknown>[]) => rows.map(({ id }) => Number(id));

  it('fails the answer, or is declared missing in it and caught up with later', async () => {
    const { scatter, proxy, db } = await cut();
    await proxy.refuse();
    proxy.reset();
    await waitFor(() => db.shard({ shard: 'b' }).topology().primary.state === 'down', { intervalMs: 5 });
    await expect(scatter(sql, [], page)).rejects.toMatchObject({ retryable: true });
    const part = await scatter(sql, [], { ...page, onPartial: 'allow' });
    // Rows were dealt out in turn: 1, 4, 7, … are on b.
    expect(numbersOf(part.rows)).toEqual([0, 2, 3, 5, 6, 8, 9, 11]);
    expect(part.missing).toEqual([{ shard: 'b', error: expect.objectContaining({ retryable: true }) }]);
    await proxy.heal();
    await waitFor(() => db.shard({ shard: 'b' }).topology().primary.state === 'up', { intervalMs: 5 });
    const next = await scatter(sql, [], { ...page, cursor: part.cursor });
    expect(numbersOf(next.rows)).toEqual([1, 4, 7, 10, 12, 13, 14, 15]);
    expect(next.missing).toEqual([]);
  });

  it('is waited for until the deadline, which is one for all', async () => {
    const { scatter } = await open({ sharding: { scatterConcurrency: 1 } });
    const slow = 'select id, pg_sleep(case when id = 1 then 60 else 0 end) as nap from things where id < 3';
    await expect(scatter(slow, [], { timeoutMs: 300 })).rejects.toMatchObject({
      code: 'PANDO_DB_SCATTER_TIMEOUT',
      retryable: true,
    });
    const part = await scatter(slow, [], { timeoutMs: 300, onPartial: 'allow' });
    expect(numbersOf(part.rows)).toEqual([0]);
    // The third one's turn did not come.
    expect(part.missing.map(({ shard }) => shard)).toEqual(['b', 'c']);
  });

  it('is not what an error of the statement means, nor the end of the caller’s patience', async () => {
    const { scatter } = await open();
    const part = { onPartial: 'allow' } as const;
    await expect(scatter('select 1 / 0 as x', [], part)).rejects.toMatchObject({ code: '22012' });
    const reason = new Error('left');
    await expect(
      scatter('select pg_sleep(60)', [], { ...part, signal: AbortSignal.abort(reason) }),
    ).rejects.toBe(reason);
    const leaving = new AbortController();
    const left = scatter('select pg_sleep(60) as nap', [], { ...part, signal: leaving.signal });
    leaving.abort(reason);
    await expect(left).rejects.toBe(reason);
  });
});
