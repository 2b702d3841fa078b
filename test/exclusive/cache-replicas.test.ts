import { createTestCluster, type DatabaseUrls, type TestCluster, waitFor } from '@pando/core/testing';
import pg from 'pg';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { BrokenRule } from '../infra/broken-rules.js';
import { CacheFleet, type CacheFleetOptions, type CacheProcess, Source } from '../infra/cache-processes.js';
import { type RedisServer, startRedis } from '../infra/redis.js';

let cluster: TestCluster;
let urls: DatabaseUrls;
let redis: RedisServer;
let admin: pg.Client;
let source: Source;
let a: CacheProcess;
let b: CacheProcess;
let rows = 0;

const fleetOptions = (): CacheFleetOptions => ({
  name: 'replicas',
  source,
  options: {
    redis: { url: redis.url, commandTimeoutMs: 500 },
    // Nothing is helped by a machine that is too busy to answer, or by expiry; replicas are used however late they are, and nobody takes over in time.
    cache: { ttlMs: 3_600_000, doubtMs: 1 },
    db: { ...urls, maxLagMs: 3_600_000, warmupMs: 0, outbox: { takeoverMs: 3_600_000 }, pool: { size: 3 } },
  },
});

beforeAll(async () => {
  cluster = await createTestCluster({ settings: { wal_writer_delay: '10s', autovacuum: 'off' } });
  redis = await startRedis();
  source = await Source.open();
  urls = await cluster.createDatabase('replicas');
  admin = new pg.Client(urls.primary);
  await admin.connect();
  await admin.query('create table registers (key text primary key, value text not null)');
  const fleet = await CacheFleet.start(fleetOptions());
  [a, b] = fleet.processes as [CacheProcess, CacheProcess];
  return async () => {
    await fleet[Symbol.asyncDispose]();
    await source[Symbol.asyncDispose]();
    await admin.end();
    await redis.close();
    await cluster.close();
  };
});

beforeEach(() => async () => {
  for (const replica of cluster.replicas) await replica.resumeReplay();
});

/** A row that holds the old value on every server. Its name is the key under which it is cached. */
async function newRow(): Promise<string> {
  const row = `row:${++rows}`;
  await admin.query(`insert into registers values ($1, 'old')`, [row]);
  await cluster.caughtUp();
  return row;
}

async function pause(): Promise<void> {
  for (const replica of cluster.replicas) await replica.pauseReplay();
}

describe('a value that was read from a replica which stands still, while the row was written', () => {
  async function race(without?: BrokenRule): Promise<readonly unknown[]> {
    const row = await newRow();
    const options = { row, without };
    await pause();
    const gate = source.gate(row);
    const first = b.get(row, options);
    await gate.arrived();
    const token = await a.write(row, 'new', [row], { without });
    gate.open();
    expect((await first).value).toBe('old');
    const served = [await b.read(row, options)];
    for (const process of [a, b]) served.push(await process.read(row, { ...options, token }));
    return [...served, await a.read(row, options)];
  }

  it('is served to nobody, nor is it read again', async () => {
    expect(new Set(await race())).toEqual(new Set(['new']));
  });

  it('would be served without the rule', async () => {
    expect(await race('check')).toContain('old');
  });
});

describe('after the invalidation of a row that replicas do not show yet', () => {
  async function written(without?: BrokenRule): Promise<string> {
    const row = await newRow();
    for (const process of [a, b]) expect(await process.read(row, { row, without })).toBe('old');
    await pause();
    await a.write(row, 'new', [row], { without });
    return row;
  }

  it('loads by who has seen nothing of it read the primary', async () => {
    const row = await written();
    await waitFor(async () => (await b.read(row, { row })) === 'new');
    for (const process of [a, b]) expect(await process.read(row, { row })).toBe('new');
  });

  it('they would fill the cache with the past without the rules', async () => {
    const row = await written('refill');
    expect(await a.read(row, { row, without: 'refill' })).toBe('old');
  });

  it('what is read there all the same, by wish, stays with who wished it', async () => {
    const row = await written();
    await waitFor(async () => (await b.read(row, { row, level: 'eventual' })) === 'old'); // has heard of it
    expect(await a.read(row, { row })).toBe('new');
    expect(await b.read(row, { row })).toBe('new');
  });

  it('others would be served it without the rule', async () => {
    const row = await written('coversWritten');
    const options = { row, without: 'coversWritten' as const };
    expect(await a.read(row, { ...options, level: 'eventual' })).toBe('old');
    expect(await a.read(row, options)).toBe('old');
  });
});

it('a value put together from two replicas, one of which stands still, is not kept', async () => {
  const row = await newRow();
  await cluster.replicas[0]?.pauseReplay();
  await a.write(row, 'new', [row]);
  const both = { row, tags: [row], reads: 20, level: 'eventual' as const };
  let attempts = 0;
  const key = () => `${row}, attempt ${attempts}`;
  await waitFor(async () => {
    attempts++;
    return (await b.read(key(), both)) === 'new and old';
  });
  const fresh = { row, tags: [row] };
  for (const process of [a, b]) expect(await process.read(key(), fresh)).toBe('new');
});

it('an invalidation names the commit also when that was not flushed before it was acknowledged', async () => {
  for (let round = 0; round < 5; round++) {
    const row = await newRow();
    for (const process of [a, b]) expect(await process.read(row, { row })).toBe('old');
    const token = await a.write(row, 'new', [row], { isHasty: true });
    expect(await b.read(row, { row, token })).toBe('new');
    await waitFor(async () => (await b.read(row, { row })) === 'new');
    for (const process of [a, b]) expect(await process.read(row, { row })).toBe('new');
  }
});

describe('when Redis is away and the process dies that could not invalidate what it had committed', () => {
  /** Gives what the others are served once Redis is back, but nobody has taken over yet. */
  async function race(without?: BrokenRule): Promise<ReadonlySet<unknown>> {
    const row = await newRow();
    const options = { row, without };
    await using fleet = await CacheFleet.start({ ...fleetOptions(), count: 1 });
    const [victim] = fleet.processes;
    for (const process of [...fleet.processes, b]) expect(await process.read(row, options)).toBe('old');
    redis.freeze();
    try {
      // It must know: what is on its way to a Redis that stands still is carried out when that goes on.
      await waitFor(async () => {
        await victim?.read('anything', { without });
        return !(await victim?.state(without))?.isUp;
      });
      await victim?.write(row, 'new', [row], { without });
      await victim?.process.kill();
      await waitFor(async () => (await b.read(row, options)) === 'new', { message: 'reads past the cache' });
    } finally {
      redis.thaw();
    }
    const served = new Set<unknown>();
    await waitFor(async () => {
      served.add(await b.read(row, options));
      const { isUp, isLive } = await b.state(without);
      return isUp && isLive;
    });
    for (let n = 0; n < 20; n++) served.add(await b.read(row, options));
    return served;
  }

  it('nothing cached is used before somebody has done so in its place', async () => {
    expect(await race()).toEqual(new Set(['new']));
  });

  it('the past would be served without the rule', async () => {
    expect(await race('mayReopen')).toContain('old');
  });
});
