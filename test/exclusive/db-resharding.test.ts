import { readFileSync } from 'node:fs';
import { createDatabase, type Database, idsMigration, slotOf, slotsMigration } from '@pando/core/db';
import { createTestCluster, type TestCluster, waitFor } from '@pando/core/testing';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { isPandoError } from '../../packages/core/src/kernel/errors.js';

let clusters: TestCluster[];
let urls: Record<'source' | 'target', string>;
let servers: Record<'source' | 'target', pg.Client>;

beforeAll(async () => {
  const settings = { max_logical_replication_workers: 4 };
  clusters = await Promise.all([1, 2].map(() => createTestCluster({ replicas: 0, settings })));
  const [source = '', target = ''] = clusters.map(({ primary }) => primary.url);
  urls = { source, target };
  servers = { source: new pg.Client(source), target: new pg.Client(target) };
  for (const server of Object.values(servers)) {
    await server.connect();
    await server.query(
      'create table posts (id bigint primary key, user_id text not null, writes int not null)',
    );
    await server.query(idsMigration());
    // It may run again.
    for (let i = 0; i < 2; i++) await server.query(slotsMigration());
  }
});

afterAll(async () => {
  await Promise.all(Object.values(servers ?? {}).map((server) => server.end()));
  await Promise.all((clusters ?? []).map((cluster) => cluster.close()));
});

const variables: Record<string, string> = { first: '2048', last: '4095' };
const bindings = () => ({ ...variables, source: urls.source });

/** One block of SQL on the page. */
interface Step {
  readonly where: readonly ('source' | 'target')[];
  readonly until: boolean;
  readonly as: string | undefined;
  readonly statements: readonly string[];
}

/** The blocks below a heading of the page. */
function stepsOf(heading: string): Step[] {
  const page = readFileSync(new URL('../../docs/explanation/resharding.md', import.meta.url), 'utf8');
  const section = page.split(/^## /m).find((text) => text.startsWith(`${heading}\n`)) ?? '';
  const block = /```sql\n-- on (the source|the target|both)(, until true)?(?:, as (\w+))?\n([\s\S]*?)```/g;
  const steps = [...section.matchAll(block)].map(([, where = '', until, as, text = '']): Step => {
    const place = where === 'the source' ? 'source' : 'target';
    return {
      where: where === 'both' ? ['source', 'target'] : [place],
      until: until !== undefined,
      as,
      statements: text.split(/;\n/).filter((part) => part.trim() !== ''),
    };
  });
  expect(steps.length, heading).toBeGreaterThan(0);
  return steps;
}

/** As psql does it. */
function filledIn(statement: string): string {
  return statement
    .replace(/:'(\w+)'/g, (_, name: string) => `'${(bindings() as Record<string, string>)[name]}'`)
    .replace(
      /(?<!:):(\w+)/g,
      (_, name: string) => (bindings() as Record<string, string>)[name] ?? `:${name}`,
    );
}

async function follow(heading: string): Promise<void> {
  for (const { where, until, as, statements } of stepsOf(heading)) {
    const run = async (): Promise<unknown[]> => {
      const answers: unknown[] = [];
      for (const place of where) {
        for (const statement of statements) {
          const { rows } = await servers[place].query({ text: filledIn(statement), rowMode: 'array' });
          answers.push(rows);
        }
      }
      return answers;
    };
    const isTrue = async () => (await run()).flat(2).every((value) => value === true);
    if (until) {
      await waitFor(isTrue, { timeoutMs: 30_000, intervalMs: 20 });
      continue;
    }
    const answers = await run();
    if (as !== undefined) variables[as] = String(answers.flat(2)[0]);
    if (where.length === 2) expect(answers[0]).toEqual(answers[1]);
  }
}

const open = async (slots: Record<'source' | 'target', string>, version: number): Promise<Database> => {
  const shards = { source: { primary: urls.source }, target: { primary: urls.target } };
  const db = createDatabase({ shards, sharding: { slots, version } });
  onTestFinished(() => db.close());
  await db.start();
  return db;
};

const users = Array.from({ length: 24 }, (_, index) => `user-${index}`);
const moves = (user: string) => slotOf(user) >= 2_048;

describe('slots that move to another shard', () => {
  it('lose no write that was acknowledged, and are written in one place at a time', async () => {
    const old = await open({ source: '0-4095', target: '' }, 1);
    const ids = new Map<string, string>();
    for (const user of users) {
      const id = await old.newId(user);
      ids.set(user, id);
      await old.shard(user).write('insert into posts values ($1, $2, 0)', [id, user]);
    }

    let current = old;
    let isOver = false;
    const acknowledged = new Map(users.map((user) => [user, 0]));
    let refused = 0;
    const writer = async (user: string, index: number) => {
      const id = ids.get(user) as string;
      while (!isOver) {
        const text = 'update posts set writes = writes + 1 where id = $1';
        const shard = current.shard({ id });
        const isolation = index % 3 === 0 ? 'repeatable read' : 'read committed';
        try {
          if (index % 2 === 0) expect((await shard.write(text, [id])).rowCount).toBe(1);
          else await shard.transaction((tx) => tx.query(text, [id]), { isolation });
          acknowledged.set(user, (acknowledged.get(user) ?? 0) + 1);
        } catch (error) {
          if (isPandoError(error, 'PANDO_DB_SLOT_MOVED')) {
            expect(error).toMatchObject({ retryable: true, status: 503 });
            refused += 1;
          } else {
            // The freeze changes the row that a snapshot has seen: nothing was written.
            expect(error).toMatchObject({ code: '40001' });
          }
          await new Promise((resolve) => setImmediate(resolve));
        }
      }
    };
    const writers = users.map(writer);
    const sumOf = (isMoving: boolean) =>
      users
        .filter((user) => moves(user) === isMoving)
        .reduce((sum, user) => sum + (acknowledged.get(user) ?? 0), 0);
    const goesOn = async (isMoving: boolean) => {
      const before = sumOf(isMoving);
      await waitFor(() => sumOf(isMoving) > before + 20, { intervalMs: 5 });
    };

    await goesOn(true);
    await follow('COPY');
    await goesOn(true);
    await follow('CATCHUP');
    await goesOn(true);
    await follow('FREEZE');
    const frozenAt = sumOf(true);
    await waitFor(() => refused > 20, { intervalMs: 5 });
    await goesOn(false);
    expect(sumOf(true)).toBe(frozenAt);

    current = await open({ source: '0-2047', target: '2048-4095' }, 2);
    await waitFor(() => refused > 60, { intervalMs: 5 });
    expect(sumOf(true)).toBe(frozenAt); // the target is not open yet
    await follow('Move');
    await goesOn(true);
    await goesOn(false);

    const [moved = ''] = users.filter(moves);
    const stubborn = old.shard(moved).write('update posts set writes = 0 where user_id = $1', [moved]);
    await expect(stubborn).rejects.toMatchObject({
      code: 'PANDO_DB_SLOT_MOVED',
      message: expect.stringContaining(`slot ${slotOf(moved)} is away`),
    });
    const late = old
      .shard(moved)
      .write('insert into posts values ($1, $2, 0)', [await old.newId(moved), moved]);
    await expect(late).rejects.toMatchObject({ code: 'PANDO_DB_SLOT_MOVED' });

    isOver = true;
    await Promise.all(writers);
    await follow('Clean up');
    for (const user of users) {
      const { rows } = await current.shard(user).read('select writes from posts where user_id = $1', [user]);
      expect(rows, user).toEqual([{ writes: acknowledged.get(user) }]);
    }
    const { rows } = await current.scatter('select count(*)::int as n from posts', [], {
      merge: { n: 'count' },
    });
    expect(rows).toEqual([{ n: users.length }]);
  });

  it('give ids that go on where those of the source have ended', async () => {
    const [moved = ''] = users.filter(moves);
    const { rows } = await servers.source.query('select last from pando_ids');
    const db = await open({ source: '0-2047', target: '2048-4095' }, 2);
    expect(BigInt(await db.newId(moved)) >> 22n).toBeGreaterThanOrEqual(BigInt(rows[0].last) >> 9n);
  });
});

it('a shard that dies takes nobody with it', async () => {
  const db = await open({ source: '0-2047', target: '2048-4095' }, 2);
  const here = users.filter((user) => !moves(user))[0] as string;
  await servers.target.end();
  await clusters[1]?.primary.kill();
  await waitFor(() => db.shard({ shard: 'target' }).topology().primary.state === 'down', { intervalMs: 5 });
  await db.shard(here).write('update posts set writes = -1 where user_id = $1', [here]);
  const all = await db.scatter('select user_id from posts', [], {
    orderBy: [{ column: 'user_id', collate: 'C' }],
    onPartial: 'allow',
  });
  expect(all.missing).toMatchObject([{ shard: 'target', error: { retryable: true } }]);
  expect(all.rows.map(({ user_id }) => user_id)).toEqual(users.filter((user) => !moves(user)).sort());
  const look = () => db.checks()[0]?.run({ signal: AbortSignal.timeout(5_000) });
  expect(await look()).toMatchObject({
    status: 'degraded',
    detail: expect.stringContaining('shard target is unhealthy'),
  });
});
