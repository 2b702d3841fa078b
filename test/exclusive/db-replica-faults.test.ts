import { createTestCluster, type DatabaseUrls, waitFor } from '@pando/core/testing';
import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { testSize } from '../infra/context.js';
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
  await setup.end();
  await cluster.caughtUp();
});

afterAll(() => cluster.close());

/** 32 clients that write now and then and read all the time, until they are told to stop. */
function load({ db, request, one }: Awaited<ReturnType<typeof openDatabase>>, name: string) {
  const counts = { reads: 0, fromReplicas: 0, stale: 0 };
  const failures: unknown[] = [];
  const lastPid = new Map<number, number>();
  let isOver = false;
  const client = (index: number) =>
    request(async () => {
      const key = `${name}-${index}`;
      for (let value = 1; !isOver; value++) {
        await db.write(setRegister, [key, value]);
        for (let reads = 0; reads < 5 && !isOver; reads++) {
          const row = await one<Register>(getRegister, [key]);
          counts.reads++;
          if (row?.value !== value) counts.stale++;
          if (row?.isReplica) {
            counts.fromReplicas++;
            lastPid.set(row.port, row.pid);
          }
        }
      }
    }).catch((error: unknown) => failures.push(error));
  const clients = Array.from({ length: 32 }, (_, index) => client(index));
  const readsMore = (count: number) => {
    const target = counts.fromReplicas + count;
    return waitFor(() => failures.length > 0 || counts.fromReplicas >= target, {
      message: 'reads from replicas',
    });
  };
  const stop = async () => {
    isOver = true;
    await Promise.all(clients);
    expect(failures.map(String)).toEqual([]);
    expect(counts.stale).toBe(0);
    return counts;
  };
  return { lastPid, readsMore, stop };
}

const rounds = testSize() === 'full' ? 20 : 2;

it('fails no read and shows no past when a replica is killed under load, and uses it again', async () => {
  const database = await openDatabase({ ...urls, warmupMs: 200 });
  const { readsMore, stop } = load(database, 'killed');
  const [victim] = cluster.replicas;
  for (let round = 0; round < rounds; round++) {
    await readsMore(200);
    await victim?.kill();
    await database.reach('down', 'up');
    await readsMore(200);
    await victim?.start();
    await database.reach('up', 'up');
  }
  await readsMore(200);
  await stop();
});

it('fails no read and shows no past when one backend of a replica crashes, and the replica with it', async () => {
  const database = await openDatabase({ ...urls, warmupMs: 200 });
  const { lastPid, readsMore, stop } = load(database, 'crashed');
  const [victim] = cluster.replicas;
  for (let round = 0; round < rounds; round++) {
    lastPid.clear();
    const pid = await waitFor(() => lastPid.get(victim?.port ?? 0), { message: 'a read from the replica' });
    const restarts = () => victim?.log().split('reinitializing').length ?? 0;
    const before = restarts();
    process.kill(pid, 'SIGKILL');
    await waitFor(() => restarts() > before, { message: 'the replica to begin again' });
    await readsMore(200);
    await waitFor(() => database.states().every((state) => state === 'up'), {
      message: 'the replica to be back',
    });
  }
  await stop();
});

it('fails no read when a replica falls silent, and reads elsewhere within a bound', async () => {
  const database = await openDatabase({ ...urls, probeTimeoutMs: 300, connectTimeoutMs: 500, warmupMs: 200 });
  const { readsMore, stop } = load(database, 'frozen');
  const [victim] = cluster.replicas;
  await readsMore(200);
  victim?.freeze();
  try {
    await database.reach('down', 'up');
    await readsMore(200);
  } finally {
    victim?.thaw();
  }
  await database.reach('up', 'up');
  await stop();
});

it('sends reads to the primary while no replica is left, at most half of its connections', async () => {
  const database = await openDatabase({ ...urls, pool: { size: 4, overflow: 0 } });
  const { db, request, one, reach } = database;
  await Promise.all(cluster.replicas.map((replica) => replica.stop()));
  try {
    await reach('down', 'down');
    const slow = Array.from({ length: 8 }, () =>
      request(() => one('select pg_sleep(0.2), pg_is_in_recovery() as "isReplica"')),
    );
    await waitFor(() => db.topology().primary.inUse > 0, { intervalMs: 1 });
    expect(db.topology().primary).toMatchObject({ inUse: 2, waiting: 6 });
    await db.write(setRegister, ['meanwhile', 1]);
    for (const row of await Promise.all(slow)) expect(row).toMatchObject({ isReplica: false });
    expect(await db.checks()[0]?.run({ signal: AbortSignal.timeout(5_000) })).toMatchObject({
      status: 'degraded',
    });
  } finally {
    await Promise.all(cluster.replicas.map((replica) => replica.start()));
  }
});
