import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { PostgresSource, TestCluster, TestServer } from '@pando/core/testing';
import { createTestCluster, processGuard, waitFor } from '@pando/core/testing';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { descendantsOf } from '../../../packages/core/src/testing/process-tree.js';
import { locateServers } from '../../../scripts/provision.mjs';

const sources: PostgresSource[] = locateServers().postgres?.endsWith('initdb') ? ['system', 'npm'] : ['npm'];

describe.each(sources)('a cluster of Postgres from %s', (binaries) => {
  let cluster: TestCluster;
  let primary: TestServer;
  let first: TestServer;
  let second: TestServer;

  beforeAll(async () => {
    cluster = await createTestCluster({ replicas: 2, binaries });
    ({ primary } = cluster);
    [first, second] = cluster.replicas as [TestServer, TestServer];
    await primary.query('create table t (n int primary key)');
    await cluster.caughtUp();
  });
  afterAll(() => cluster.close());

  test('a paused replica shows old data until it resumes', async () => {
    await first.pauseReplay();
    await primary.query('insert into t values (1)');
    await waitFor(async () => (await numbers(second)).includes(1));
    expect(await numbers(first)).toEqual([]);
    await first.resumeReplay();
    await cluster.caughtUp();
    expect(await numbers(first)).toEqual([1]);
  });

  test('a delayed replica shows a commit no earlier than the delay', async () => {
    await first.delayReplay(400);
    const [row] = await primary.query(
      'insert into t values (2) returning extract(epoch from clock_timestamp()) * 1000 as at',
    );
    await waitFor(async () => (await numbers(first)).includes(2));
    const [seen] = await first.query('select extract(epoch from clock_timestamp()) * 1000 as at');
    expect(Number(seen?.at) - Number(row?.at)).toBeGreaterThanOrEqual(400);
    await first.delayReplay(0);
    await primary.query('insert into t values (3)');
    await cluster.caughtUp();
  });

  test('a frozen server answers nothing until it is thawed', async () => {
    second.freeze();
    let answered = false;
    const answer = second.query('select 1').then(() => {
      answered = true;
    });
    await expect(waitFor(() => answered, { timeoutMs: 150 })).rejects.toThrow();
    second.thaw();
    await answer;
  });

  test('a query on a frozen server ends with its signal', async () => {
    second.freeze();
    const reason = new Error('enough');
    const controller = new AbortController();
    const asked = second.query('select 1', [], { signal: controller.signal });
    controller.abort(reason);
    await expect(asked).rejects.toBe(reason);
    second.thaw();
  });

  test('a killed replica keeps its port and catches up after its start', async () => {
    const { port } = second;
    await second.kill();
    expect(second.running).toBe(false);
    await primary.query('insert into t values (4)');
    await second.start();
    await cluster.caughtUp();
    expect(second.port).toBe(port);
    expect(await numbers(second)).toEqual([1, 2, 3, 4]);
  });

  test('a backend that is killed takes its connection with it', async () => {
    const client = new pg.Client(primary.url);
    const failed = new Promise<Error & { code?: string }>((resolve) => client.on('error', resolve));
    await client.connect();
    const { rows } = await client.query('select pg_backend_pid() as pid');
    await primary.killBackend(rows[0].pid);
    expect((await failed).code).toBe('57P01');
  });

  test('a new database is on every server', async () => {
    const { primary: url, replicas } = await cluster.createDatabase('a "quoted" name');
    expect(replicas).toHaveLength(2);
    for (const each of [url, ...replicas]) {
      const client = new pg.Client(each);
      await client.connect();
      expect((await client.query('select current_database() as name')).rows[0].name).toBe('a "quoted" name');
      await client.end();
    }
  });

  // Last: it turns the cluster round.
  test('after a promotion the others follow the new primary, the old one as a clone', async () => {
    await primary.kill();
    await first.promote();
    await first.query('insert into t values (5)');
    await second.follow(first);
    await primary.follow(first);
    await first.query('insert into t values (6)');
    for (const server of [second, primary]) {
      await waitFor(async () => (await numbers(server)).includes(6), { message: `${server.name} to follow` });
      expect(await server.query('select pg_is_in_recovery() as standby')).toEqual([{ standby: true }]);
    }
  });

  test('a standby whose history has parted is cloned when it follows', async () => {
    await second.promote(); // now two primaries, neither behind the other
    await second.query('insert into t values (100)');
    await first.query('insert into t values (7)');
    await second.follow(first);
    await waitFor(async () => (await numbers(second)).includes(7));
    expect(await numbers(second)).not.toContain(100);
  });
});

test('data that is to be kept is there in the next cluster, with the user and the database', async () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'pando-kept-'));
  onTestFinished(() => rmSync(dataDir, { recursive: true }));
  const settings = { fsync: false }; // the disk's part is not what this is about
  const options = { dataDir, replicas: 1, user: 'blog', database: 'blog', settings };
  {
    await using cluster = await createTestCluster(options);
    await onBlog(cluster.primary, 'create table posts (title text)');
    await onBlog(cluster.primary, `insert into posts values ('kept')`);
    await cluster.caughtUp();
    const [replica] = cluster.replicas as [TestServer];
    await cluster.primary.stop();
    await replica.promote();
    await cluster.primary.follow(replica);
  }
  await using cluster = await createTestCluster(options);
  expect(new URL(cluster.primary.url)).toMatchObject({ username: 'blog', pathname: '/blog' });
  for (const server of [cluster.primary, ...cluster.replicas]) {
    expect(await onBlog(server, 'select title, current_user from posts')).toEqual([
      { title: 'kept', current_user: 'blog' },
    ]);
  }
  expect(await cluster.primary.query('select slot_name from pg_replication_slots')).toEqual([
    { slot_name: 'replica_1' },
  ]);
});

test('settings reach every server', async () => {
  await using cluster = await createTestCluster({
    replicas: 1,
    settings: { work_mem: '7MB', max_connections: 50 },
  });
  for (const server of [cluster.primary, ...cluster.replicas]) {
    expect(await server.query('select current_setting($1) as value', ['work_mem'])).toEqual([
      { value: '7MB' },
    ]);
  }
});

test('a server that cannot start says why', async () => {
  await expect(createTestCluster({ replicas: 0, settings: { shared_buffers: 'plenty' } })).rejects.toThrow(
    /ended before it was ready(.|\n)*shared_buffers/,
  );
});

test('wrong options are refused at once', async () => {
  await expect(createTestCluster({ replica: 2 } as never)).rejects.toThrow(/Did you mean "replicas"/);
});

test('a start that is aborted leaves nothing running', async () => {
  processGuard(); // its watchdog stays
  const before = new Set(descendantsOf(process.pid));
  const added = () => descendantsOf(process.pid).filter((pid) => !before.has(pid));
  const reason = new Error('enough');
  const controller = new AbortController();
  const starting = createTestCluster({ signal: controller.signal });
  const outcome = expect(starting).rejects.toBe(reason);
  await waitFor(() => added().length > 0, { intervalMs: 1, message: 'a server to be started' });
  controller.abort(reason);
  await outcome;
  expect(added()).toEqual([]);
});

async function numbers(server: TestServer): Promise<unknown[]> {
  return (await server.query('select n from t order by n')).map(({ n }) => n);
}

async function onBlog(server: TestServer, text: string): Promise<unknown[]> {
  const client = new pg.Client(server.url);
  await client.connect();
  try {
    return (await client.query(text)).rows;
  } finally {
    await client.end();
  }
}
