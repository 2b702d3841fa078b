import { createDatabase, type Database } from '@pando/core/db';
import { createMetrics } from '@pando/core/metrics';
import pg from 'pg';
import { beforeAll, expect, it, onTestFinished } from 'vitest';
import { createKernel } from '../../packages/core/src/kernel/kernel.js';
import { randomOf } from '../../packages/core/src/testing/random.js';
import { seed, testDatabase, testSize } from '../infra/context.js';

const callers = 2_000;
const connections = 10;
const slowSeconds = testSize() === 'full' ? 5 : 0.3;

let url: string;
let admin: pg.Client;

beforeAll(async () => {
  url = (await testDatabase()).primary;
  admin = new pg.Client(url);
  await admin.connect();
  await admin.query(
    'create table tickets (id int primary key, at timestamptz default statement_timestamp())',
  );
  return () => admin.end();
});

async function open(maxWaiting: number) {
  const metrics = createMetrics();
  const kernel = createKernel({ meter: metrics.meter });
  const pool = { size: 8, overflow: 2, maxWaiting, acquireTimeoutMs: 50_000 };
  const db = createDatabase({ primary: url, pool }, { kernel });
  onTestFinished(() => db.close());
  await db.start();
  /** Connections that the pool has opened so far. */
  const connects = async () => {
    const found = /pool_connects_total\{.*outcome="connected".*\} (\d+)/.exec(await metrics.expose());
    return Number(found?.[1]);
  };
  return { db, connects };
}

/** What a caller does, and the error that it must get; `undefined`: it gets a row with its instant. */
interface Call {
  readonly kind: 'write' | 'read' | 'batch';
  readonly fails?: string;
  readonly run: (db: Database, signal: AbortSignal) => Promise<{ rows: readonly { at: Date }[] }>;
}

const quick = 'select statement_timestamp() as at';
const insert = 'insert into tickets values ($1) returning at';

function callOf(id: number, luck: number): Call {
  if (id % 400 === 0) {
    const kill = 'select pg_terminate_backend(pg_backend_pid()), statement_timestamp() as at';
    return { kind: 'write', fails: 'PANDO_DB_OUTCOME_UNKNOWN', run: (db) => db.write(kill) };
  }
  if (luck < 0.025) return { kind: 'read', fails: '22012', run: (db) => db.read('select 1 / 0') };
  if (luck < 0.05) return { kind: 'write', fails: '23502', run: (db) => db.write(insert, [null]) };
  if (luck < 0.06) {
    const sleep = `select statement_timestamp() as at, pg_sleep(${slowSeconds})`;
    return { kind: 'read', run: (db) => db.read(sleep) };
  }
  if (luck < 0.1) {
    const left = async (db: Database, signal: AbortSignal) =>
      db.read<{ at: Date }>(`${quick}, pg_sleep(60)`, [], { signal });
    return { kind: 'read', fails: 'left', run: left };
  }
  if (luck < 0.3) return { kind: 'write', run: (db) => db.write(insert, [id]) };
  if (luck < 0.4) {
    return { kind: 'write', run: (db) => db.transaction((tx) => tx.query<{ at: Date }>(insert, [id])) };
  }
  if (luck < 0.6) return { kind: 'batch', run: (db) => db.read(quick, [], { priority: 'batch' }) };
  return { kind: 'read', run: (db) => db.read(quick) };
}

const median = (times: readonly number[]) => times.toSorted((a, b) => a - b)[times.length >> 1] ?? Number.NaN;
const codeOf = (error: unknown) => String((error as { code?: unknown }).code);

it(`serves ${callers} callers on ${connections} connections, whatever some of them do to theirs`, async () => {
  const { db, connects } = await open(callers);
  const random = randomOf(seed());
  const began: Record<Call['kind'], number[]> = { write: [], read: [], batch: [] };
  let [dead, left] = [0, 0];
  const wrong: unknown[] = [];
  const work = Array.from({ length: callers }, async (_, id) => {
    const { kind, fails, run } = callOf(id, random());
    const leaving = new AbortController();
    const timer = setTimeout(
      () => leaving.abort(Object.assign(new Error(), { code: 'left' })),
      random() * 500,
    );
    try {
      const { rows } = await run(db, leaving.signal);
      began[kind].push(rows[0]?.at.getTime() ?? Number.NaN);
      if (fails !== undefined) wrong.push(`${id} did not fail with ${fails}`);
    } catch (error) {
      if (codeOf(error) !== fails) wrong.push(error);
      if (fails === 'PANDO_DB_OUTCOME_UNKNOWN') dead++;
      if (fails === 'left') left++;
    } finally {
      clearTimeout(timer);
    }
  });
  await Promise.all(work);
  expect(wrong).toEqual([]);
  expect(dead).toBe(callers / 400);
  expect(left).toBeGreaterThan(20);

  // Errors of statements and cancellations cost no connection.
  expect(await connects()).toBeLessThanOrEqual(connections + dead);
  expect(db.topology().primary).toMatchObject({ inUse: 0, waiting: 0 });
  const busy = await admin.query(
    `select query from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()
     and application_name like 'pando:%' and state <> 'idle' and query not like '%pg_is_in_recovery%'`,
  );
  expect(busy.rows).toEqual([]);
  const { rows } = await admin.query('select count(*)::int as count from tickets');
  expect(rows[0]?.count).toBe(began.write.length);

  // They all came at once: who is urgent was served first.
  expect(median(began.write)).toBeLessThan(median(began.read));
  expect(median(began.read)).toBeLessThan(median(began.batch));
});

it('refuses at once whom the queue does not hold, and writes last of all', async () => {
  const maxWaiting = 100;
  const { db, connects } = await open(maxWaiting);
  const outcomes = { served: 0, refused: 0 };
  let most = 0;
  const call = async (run: () => Promise<unknown>) => {
    try {
      await run();
      outcomes.served++;
    } catch (error) {
      expect(error).toMatchObject({ code: 'PANDO_DB_POOL_OVERLOADED', status: 503, retryable: true });
      outcomes.refused++;
    }
  };
  const reads = Array.from({ length: callers }, () => call(() => db.read('select pg_sleep(0.01)')));
  const writes = Array.from({ length: maxWaiting }, (_, index) => db.write(insert, [-1 - index]));
  let isOver = false;
  const all = Promise.all([...reads, ...writes]).finally(() => {
    isOver = true;
  });
  while (!isOver) {
    most = Math.max(most, db.topology().primary.waiting);
    await new Promise((resolve) => setImmediate(resolve));
  }
  await all; // no write among the refused
  expect(most).toBe(maxWaiting);
  expect(outcomes).toEqual({ served: connections, refused: callers - connections });
  expect(await connects()).toBeLessThanOrEqual(connections);
});
