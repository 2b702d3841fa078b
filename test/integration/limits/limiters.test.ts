import { createLimits, type Limiter, type Limits } from '@pando/core/limits';
import { drizzle } from 'drizzle-orm/node-postgres';
import { integer, pgTable, text, timestamp } from 'drizzle-orm/pg-core';
import { Redis } from 'ioredis';
import { knex } from 'knex';
import pg from 'pg';
import {
  BurstyRateLimiter,
  RateLimiterDrizzle,
  RateLimiterDrizzleNonAtomic,
  RateLimiterMemory,
  RateLimiterPostgres,
  RateLimiterQueue,
  RateLimiterRedis,
  RateLimiterRedisNonAtomic,
  RateLimiterUnion,
  RLWrapperBlackAndWhite,
  RLWrapperTimeouts,
} from 'rate-limiter-flexible';
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { testDatabase, testRedis } from '../../infra/context.js';

const { url: redisUrl, name } = testRedis();
let databaseUrl: string;

beforeAll(async () => {
  ({ primary: databaseUrl } = await testDatabase());
  await using client = Object.assign(new pg.Client(databaseUrl), {
    async [Symbol.asyncDispose]() {
      await client.end();
    },
  });
  await client.connect();
  await client.query('create table drizzled (key text primary key, points int not null, expire timestamptz)');
  await client.query('create table drizzled_twice (like drizzled including all)');
});

const hour = 3_600;
const options = { points: 3, duration: hour };

function redisClient(): Redis {
  const client = new Redis(redisUrl);
  onTestFinished(() => client.disconnect());
  return client;
}

function pool(): pg.Pool {
  const client = new pg.Pool({ connectionString: databaseUrl, max: 5 });
  onTestFinished(() => client.end());
  return client;
}

/** Resolves when the limiter has its table. */
const postgresOf = (settings: object): Promise<RateLimiterPostgres> =>
  new Promise((resolve, reject) => {
    const limiter = new RateLimiterPostgres(
      { ...options, tableName: 'limits', clearExpiredByTimeout: false, ...settings } as never,
      (error) => (error ? reject(error) : resolve(limiter)),
    );
  });

const drizzledOf = (table: string) => ({
  ...options,
  keyPrefix: table,
  storeClient: drizzle(pool()),
  schema: pgTable(table, {
    key: text().primaryKey(),
    points: integer().notNull(),
    expire: timestamp({ withTimezone: true }),
  }),
  clearExpiredByTimeout: false,
});

interface Kind {
  /** A limiter; those of one test count together where they are shared. */
  open(): Promise<Limiter>;
  readonly isShared: boolean;
  /** Whether it keeps its limit when several ask at once. */
  readonly isAtomic: boolean;
}

const shared = { isShared: true, isAtomic: true };
const limiters: Readonly<Record<string, Kind>> = {
  RateLimiterMemory: {
    open: async () => new RateLimiterMemory(options),
    isShared: false,
    isAtomic: true,
  },
  RateLimiterRedis: {
    ...shared,
    open: async () =>
      new RateLimiterRedis({ ...options, storeClient: redisClient(), keyPrefix: `${name}-atomic` }),
  },
  RateLimiterRedisNonAtomic: {
    open: async () =>
      new RateLimiterRedisNonAtomic({ ...options, storeClient: redisClient(), keyPrefix: `${name}-other` }),
    isShared: true,
    isAtomic: false,
  },
  'RateLimiterRedis that is away, with a RateLimiterMemory for insurance': {
    async open() {
      const storeClient = new Redis(redisUrl, { lazyConnect: true, enableOfflineQueue: false });
      onTestFinished(() => storeClient.disconnect());
      const insuranceLimiter = new RateLimiterMemory(options);
      return new RateLimiterRedis({ ...options, storeClient, insuranceLimiter, keyPrefix: `${name}-away` });
    },
    isShared: false,
    isAtomic: true,
  },
  'RateLimiterPostgres over pg': {
    ...shared,
    open: () => postgresOf({ storeClient: pool(), storeType: 'pool', keyPrefix: 'pg' }),
  },
  'RateLimiterPostgres over knex': {
    ...shared,
    open() {
      const storeClient = knex({ client: 'pg', connection: databaseUrl });
      onTestFinished(() => storeClient.destroy());
      return postgresOf({ storeClient, storeType: 'knex', keyPrefix: 'knex' });
    },
  },
  RateLimiterDrizzle: {
    ...shared,
    open: async () => new RateLimiterDrizzle(drizzledOf('drizzled')),
  },
  RateLimiterDrizzleNonAtomic: {
    open: async () => new RateLimiterDrizzleNonAtomic(drizzledOf('drizzled_twice')),
    isShared: true,
    isAtomic: false,
  },
  'a policy of another room': {
    async open() {
      const other = createLimits({
        redis: redisUrl,
        name: `${name}-room`,
        policies: { write: { windows: '3/h', algorithm: 'fixed' } },
        decisionTimeoutMs: 10_000,
      });
      onTestFinished(() => other.close());
      await other.start();
      return other.limiter('write');
    },
    ...shared,
  },
};

describe.each(Object.entries(limiters))('a policy counted by %s', (_, { open, isShared, isAtomic }) => {
  const roomOver = async (): Promise<Limits> => {
    const limits = createLimits({
      policies: { write: { store: await open(), onUnavailable: 'closed' } },
      decisionTimeoutMs: 10_000,
    });
    onTestFinished(() => limits.close());
    return limits;
  };

  it('lets calls pass until the limit is spent, then refuses, each key apart', async () => {
    const limits = await roomOver();
    for (const remaining of [2, 1, 0]) {
      const decision = await limits.consume('write', 'ann');
      expect(decision).toMatchObject({ allowed: true, limit: 3, remaining, source: 'store' });
    }
    const refused = await limits.consume('write', 'ann');
    expect(refused).toMatchObject({ allowed: false, remaining: 0, source: 'store' });
    expect(refused.retryAfterMs).toBeGreaterThan(0.9 * hour * 1_000);
    expect(refused.retryAfterMs).toBeLessThanOrEqual(hour * 1_000);
    expect(await limits.consume('write', 'ben')).toMatchObject({ allowed: true, remaining: 2 });
  });

  it('takes the cost into account, and tells how a key stands without spending', async () => {
    const limits = await roomOver();
    expect(await limits.peek('write', 'cid')).toMatchObject({ allowed: true, remaining: 3 });
    expect(await limits.consume('write', 'cid', { cost: 2 })).toMatchObject({ allowed: true, remaining: 1 });
    expect(await limits.peek('write', 'cid')).toMatchObject({ allowed: true, remaining: 1 });
    expect(await limits.peek('write', 'cid', { cost: 2 })).toMatchObject({ allowed: false, remaining: 1 });
    expect((await limits.consume('write', 'cid', { cost: 2 })).allowed).toBe(false);
  });

  it('penalizes and rewards', async () => {
    const limits = await roomOver();
    expect(await limits.penalize('write', 'dan', 2)).toMatchObject({ allowed: true, remaining: 1 });
    expect(await limits.consume('write', 'dan')).toMatchObject({ allowed: true, remaining: 0 });
    expect(await limits.penalize('write', 'dan', 2)).toMatchObject({ allowed: false, remaining: 0 });
    expect(await limits.reward('write', 'dan', 2)).toMatchObject({ allowed: false, remaining: 0 });
    expect(await limits.reward('write', 'dan', 2)).toMatchObject({ allowed: true, remaining: 2 });
    expect(await limits.consume('write', 'dan')).toMatchObject({ allowed: true, remaining: 1 });
  });

  it('blocks, and forgets on demand', async () => {
    const limits = await roomOver();
    await limits.limiter('write').block('eva', 100);
    const blocked = await limits.consume('write', 'eva');
    expect(blocked).toMatchObject({ allowed: false, remaining: 0, source: 'store' });
    expect(blocked.retryAfterMs).toBeGreaterThan(50_000);
    expect(blocked.retryAfterMs).toBeLessThanOrEqual(100_000);
    await limits.reset('write', 'eva');
    expect(await limits.consume('write', 'eva')).toMatchObject({ allowed: true, remaining: 2 });
  });

  if (isAtomic)
    it('keeps its limit, however many ask at once', async () => {
      const rooms = isShared ? [await roomOver(), await roomOver()] : [await roomOver()];
      const calls = Array.from({ length: 20 }, (_, call) =>
        rooms[call % rooms.length]?.consume('write', 'fay'),
      );
      const decisions = await Promise.all(calls);
      expect(new Set(decisions.map((decision) => decision?.source))).toEqual(new Set(['store']));
      expect(decisions.filter((decision) => decision?.allowed)).toHaveLength(3);
    });

  if (isShared)
    it('is counted together with other rooms', async () => {
      const [a, b] = [await roomOver(), await roomOver()];
      await a.consume('write', 'gus', { cost: 2 });
      expect(await b.consume('write', 'gus')).toMatchObject({ allowed: true, remaining: 0 });
      expect((await a.consume('write', 'gus')).allowed).toBe(false);
    });
});

describe('what only looks like a limiter', () => {
  const limiter = new RateLimiterMemory(options);
  const another = new RateLimiterMemory({ ...options, keyPrefix: 'another' });
  it.each([
    ['RateLimiterUnion', () => new RateLimiterUnion(limiter, another)],
    ['BurstyRateLimiter', () => new BurstyRateLimiter(limiter, another)],
    ['RateLimiterQueue', () => new RateLimiterQueue(limiter)],
    ['RLWrapperTimeouts', () => new RLWrapperTimeouts({ limiter, timeoutMs: 100 })],
    ['RLWrapperBlackAndWhite', () => new RLWrapperBlackAndWhite({ limiter })],
  ])('%s is refused as a store at once', (_, create) => {
    expect(() => createLimits({ policies: { write: { store: create() as never } } })).toThrow(
      /limits\.policies\.write\.store must be a limiter/,
    );
  });
});
