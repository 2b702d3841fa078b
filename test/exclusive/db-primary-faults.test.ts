import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { ConnectionLostError, OutcomeUnknownError } from '@pando/core/db';
import { createTcpProxy, createTestCluster, type DatabaseUrls, waitFor } from '@pando/core/testing';
import pg from 'pg';
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest';
import { isPandoError } from '../../packages/core/src/kernel/errors.js';
import { seed, testSize } from '../infra/context.js';
import {
  createRegisters,
  getRegister,
  openDatabase,
  type Register,
  setRegister,
} from '../integration/db/open-database.js';

let cluster: Awaited<ReturnType<typeof createTestCluster>>;
let urls: DatabaseUrls;

beforeAll(async () => {
  cluster = await createTestCluster();
  urls = await cluster.createDatabase('faults');
  const setup = new pg.Client(urls.primary);
  await setup.connect();
  await setup.query(createRegisters);
  await setup.query('create table ledger (id int primary key)');
  await setup.end();
  await cluster.caughtUp();
});

afterAll(() => cluster.close());

const proxied = async () => {
  const proxy = await createTcpProxy({ target: { host: '127.0.0.1', port: cluster.primary.port } });
  onTestFinished(() => proxy.close());
  return proxy;
};

it('goes on reading while the primary is away, refuses writes in time, and goes on writing when it is back', async () => {
  const { db, request, one } = await openDatabase({ ...urls, failoverWaitMs: 0 });
  await request(async () => {
    await db.write(setRegister, ['away', 1]);
    await waitFor(async () => (await one<Register>(getRegister, ['away']))?.isReplica);
    await cluster.primary.stop();
    await waitFor(() => db.topology().primary.state === 'down');

    for (let i = 0; i < 50; i++)
      expect(await one<Register>(getRegister, ['away'])).toMatchObject({ value: 1 });
    const began = performance.now();
    await expect(db.write(setRegister, ['away', 2])).rejects.toMatchObject({
      code: 'PANDO_DB_UNREACHABLE',
      retryable: true,
      status: 503,
      message: expect.stringContaining(`127.0.0.1:${cluster.primary.port}/faults`),
    });
    expect(performance.now() - began).toBeLessThan(1_000);
    await expect(db.read('select 1', [], { level: 'strong' })).rejects.toMatchObject({
      code: 'PANDO_DB_UNREACHABLE',
    });
    expect(await db.checks()[0]?.run({ signal: AbortSignal.timeout(5_000) })).toMatchObject({
      status: 'unhealthy',
    });

    await cluster.primary.start();
    await waitFor(() => db.topology().primary.state === 'up');
    await db.write(setRegister, ['away', 3]);
    expect(await one<Register>(getRegister, ['away'])).toMatchObject({ value: 3 });
  });
  await cluster.caughtUp();
});

it('hardly tries to connect while the database is down, and tells everybody why', async () => {
  const { db } = await openDatabase({ primary: urls.primary });
  await cluster.primary.stop();
  let sockets = 0;
  const count = () => sockets++;
  subscribe('net.client.socket', count);
  const causes = new Set<unknown>();
  let refused = 0;
  const endsAt = performance.now() + 2_000;
  const caller = async () => {
    while (performance.now() < endsAt) {
      await db.write(setRegister, ['down', 1]).catch((error) => {
        if (isPandoError(error, 'PANDO_DB_UNREACHABLE')) causes.add((error.cause as { code?: string }).code);
        else causes.add(error);
        refused++;
      });
      await new Promise((resolve) => setImmediate(resolve));
    }
  };
  await Promise.all(Array.from({ length: 50 }, caller));
  unsubscribe('net.client.socket', count);
  await cluster.primary.start();
  expect([...causes]).toEqual(['ECONNREFUSED']);
  expect(refused).toBeGreaterThan(1_000);
  expect(sockets / 2).toBeLessThan(50);
  await waitFor(() => db.topology().primary.state === 'up');
  await db.write(setRegister, ['down', 2]);
  await cluster.caughtUp();
});

it('reports of every write whether it took effect, or that nobody knows, when connections are cut', async () => {
  const random = randomOf(seed());
  const proxy = await proxied();
  proxy.latency(1, 1);
  const { db } = await openDatabase({ primary: proxy.url(urls.primary) });
  const attempts = testSize() === 'full' ? 1_000 : 150;
  const reported = { committed: new Set<number>(), nothing: new Set<number>(), unknown: new Set<number>() };
  for (let id = 0; id < attempts; id++) {
    await waitFor(() => db.read('select 1', [], { level: 'strong' }), { intervalMs: 1 }); // there is a connection to cut
    const insert = 'insert into ledger values ($1)';
    const work = id % 2 ? db.write(insert, [id]) : db.transaction((tx) => tx.query(insert, [id]));
    const outcome = work.then(
      () => 'committed' as const,
      (error: unknown) => {
        if (error instanceof OutcomeUnknownError) return 'unknown' as const;
        if (isPandoError(error) && error.retryable) return 'nothing' as const;
        throw error;
      },
    );
    await new Promise((resolve) => setTimeout(resolve, random() * 10));
    proxy.reset();
    reported[await outcome].add(id);
  }
  const nobodyLeft = `select from pg_stat_activity where application_name like 'pando:%' and state <> 'idle' and datname = 'faults'`;
  await waitFor(async () => (await cluster.primary.query(nobodyLeft)).length === 0);
  const { rows } = await waitFor(() =>
    db.read<{ id: number }>('select id from ledger', [], { level: 'strong' }),
  );
  const stored = new Set(rows.map(({ id }) => id));
  expect([...reported.committed].filter((id) => !stored.has(id))).toEqual([]);
  expect([...reported.nothing].filter((id) => stored.has(id))).toEqual([]);
  // All three happened, and of the unknown ones some took effect: the cuts fell where they should.
  expect(reported.committed.size).toBeGreaterThan(0);
  expect(reported.nothing.size).toBeGreaterThan(0);
  expect([...reported.unknown].filter((id) => stored.has(id)).length).toBeGreaterThan(0);
});

it('has transactions repeated by their caller when the connection is cut before COMMIT', async () => {
  const proxy = await proxied();
  const { db } = await openDatabase({ primary: proxy.url(urls.primary) });
  const work = db.transaction(async (tx) => {
    await tx.query(setRegister, ['cut', 1]);
    proxy.reset();
    await tx.query(setRegister, ['cut', 2]);
  });
  await expect(work).rejects.toThrow(ConnectionLostError);
  expect((await db.read(`select from registers where key = 'cut'`, [], { level: 'strong' })).rowCount).toBe(
    0,
  );
});

it('cuts off what hangs on a primary that has fallen silent', async () => {
  const proxy = await proxied();
  const { db } = await openDatabase({
    primary: proxy.url(urls.primary),
    probeTimeoutMs: 300,
    connectTimeoutMs: 500,
  });
  await db.write(setRegister, ['silent', 1]);
  proxy.blackHole();
  await expect(db.write(setRegister, ['silent', 2])).rejects.toThrow(OutcomeUnknownError);
  await expect(db.write(setRegister, ['silent', 3])).rejects.toMatchObject({ retryable: true });
  await proxy.heal();
  await waitFor(() => db.topology().primary.state === 'up');
  await db.write(setRegister, ['silent', 4]);
});

it('follows the name of the primary to a promoted replica', async () => {
  const proxy = await proxied();
  const [heir, other] = cluster.replicas;
  const { db, request, one } = await openDatabase({
    primary: proxy.url(urls.primary),
    replicas: [urls.replicas[1] ?? ''],
  });
  await request(async () => {
    await db.write(setRegister, ['heir', 1]);
    await cluster.caughtUp();
    await cluster.primary.stop();
    await heir?.promote();
    if (heir && other) await other.follow(heir);
    await proxy.close();
    const moved = await createTcpProxy({
      target: { host: '127.0.0.1', port: heir?.port ?? 0 },
      port: proxy.port,
    });
    onTestFinished(() => moved.close());

    await waitFor(() => db.topology().timeline === 2, { message: 'the new timeline' });
    await db.write(setRegister, ['heir', 2]);
    expect(await one<Register>(getRegister, ['heir'])).toMatchObject({ value: 2 });
    // Not before the replica is known to be on the new timeline, too.
    await waitFor(async () => {
      const row = await one<Register>(getRegister, ['heir']);
      expect(row?.value).toBe(2);
      return row?.isReplica;
    });
  });
});

/** Mulberry32. */
function randomOf(start: number): () => number {
  let state = start | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
