/** Limits: exact decisions, which all instances take together in Redis. */
import { cpuMicros, perSecond } from '../harness/measures.mjs';

const many = { workers: 64, batch: 1 };

export const comparisons = [
  {
    what: 'a decision counted in a fixed window in Redis, 64 at once, 1,000 keys, none refused',
    ours: 'fixedDecisions',
    theirs: 'rateLimiterDecisions',
    peer: 'rate-limiter-flexible',
    load: many,
    rows: {
      'limits.exact.vs-rate-limiter-flexible': { ...perSecond('decisions'), target: 1.6 },
      'limits.exact.cpu.vs-rate-limiter-flexible': { ...cpuMicros('decision'), target: 2.2 },
    },
  },
  {
    what: 'the same in a sliding window of ours, which lets no burst pass around the end of a fixed one',
    ours: 'slidingDecisions',
    theirs: 'rateLimiterDecisions',
    peer: 'rate-limiter-flexible',
    load: many,
    rows: {
      'limits.sliding.vs-rate-limiter-flexible': { ...perSecond('decisions'), target: 1 },
      'limits.sliding.cpu.vs-rate-limiter-flexible': { ...cpuMicros('decision'), target: 2.2 },
    },
  },
  {
    what: 'the same one at a time',
    ours: 'fixedDecisions',
    theirs: 'rateLimiterDecisions',
    peer: 'rate-limiter-flexible',
    load: { workers: 1, batch: 1 },
    rows: { 'limits.single.vs-rate-limiter-flexible': { ...perSecond('decisions'), target: 1 } },
  },
  {
    what: 'a decision over three windows at once: sliding ones, all or none; beside a union of three limiters',
    ours: 'threeWindows',
    theirs: 'rateLimiterUnion',
    peer: 'rate-limiter-flexible',
    load: many,
    rows: {
      'limits.windows.vs-rate-limiter-flexible': { ...perSecond('decisions'), target: 3 },
      'limits.windows.cpu.vs-rate-limiter-flexible': { ...cpuMicros('decision'), target: 5 },
    },
  },
];

export async function open(servers) {
  const { url } = await servers.redis();
  return { redisUrl: url };
}

const limit = 1_000_000_000;
const windowMs = 3_600_000;
const lengthsMs = [60_000, windowMs, 24 * windowMs];
const keys = Array.from({ length: 1_000 }, (_, index) => `user-${index}`);

async function pandoDecisions({ redisUrl }, policy) {
  const { createPando } = await import('@pando/core');
  const { Redis } = await import('ioredis');
  const { limits } = await createPando({
    name: 'bench',
    redis: { client: new Redis(redisUrl), commandTimeoutMs: 10_000 },
    limits: { policies: { write: policy }, decisionTimeoutMs: 10_000 },
    lifecycle: { signals: false },
  });
  let next = 0;
  return {
    async run() {
      const { allowed, source } = await limits.consume('write', keys[next++ % keys.length]);
      if (!allowed || source !== 'redis') throw new Error(`Not an exact decision: ${allowed}, by ${source}.`);
    },
  };
}

export const fixedDecisions = (settings) =>
  pandoDecisions(settings, { windows: { limit, windowMs }, algorithm: 'fixed' });

export const slidingDecisions = (settings) => pandoDecisions(settings, { limit, windowMs });

export const threeWindows = (settings) =>
  pandoDecisions(
    settings,
    lengthsMs.map((each) => ({ limit, windowMs: each })),
  );

async function limitersOf({ redisUrl }, lengths) {
  const { RateLimiterRedis } = await import('rate-limiter-flexible');
  const { Redis } = await import('ioredis');
  const storeClient = new Redis(redisUrl);
  return lengths.map(
    (each) =>
      new RateLimiterRedis({
        storeClient,
        keyPrefix: `peer-${each}`,
        points: limit,
        duration: each / 1_000,
      }),
  );
}

export async function rateLimiterDecisions(settings) {
  const [limiter] = await limitersOf(settings, [windowMs]);
  let next = 0;
  return {
    run: () => limiter.consume(keys[next++ % keys.length]), // rejects when it refuses
  };
}

export async function rateLimiterUnion(settings) {
  const { RateLimiterUnion } = await import('rate-limiter-flexible');
  const union = new RateLimiterUnion(...(await limitersOf(settings, lengthsMs)));
  let next = 0;
  return { run: () => union.consume(keys[next++ % keys.length]) };
}
