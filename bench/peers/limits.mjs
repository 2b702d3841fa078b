/** Limits: exact decisions, which all instances take together in Redis. */
import { cpuMicros, perSecond } from '../harness/measures.mjs';

export const comparisons = [
  {
    what: 'a decision counted in Redis, 64 at once, 1,000 keys, none refused',
    ours: 'pandoDecisions',
    theirs: 'rateLimiterDecisions',
    peer: 'rate-limiter-flexible',
    load: { workers: 64, batch: 1 },
    rows: {
      'limits.exact.vs-rate-limiter-flexible': perSecond('decisions'),
      'limits.exact.cpu.vs-rate-limiter-flexible': cpuMicros('decision'),
    },
  },
];

export async function open(servers) {
  const { url } = await servers.redis();
  return { redisUrl: url };
}

const limit = 1_000_000_000;
const windowMs = 3_600_000;
const keys = Array.from({ length: 1_000 }, (_, index) => `user-${index}`);

export async function pandoDecisions({ redisUrl }) {
  const { createPando } = await import('@pando/core');
  const { Redis } = await import('ioredis');
  const { limits } = await createPando({
    name: 'bench',
    redis: { client: new Redis(redisUrl), commandTimeoutMs: 10_000 },
    limits: { policies: { write: { limit, windowMs } }, decisionTimeoutMs: 10_000 },
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

export async function rateLimiterDecisions({ redisUrl }) {
  const { RateLimiterRedis } = await import('rate-limiter-flexible');
  const { Redis } = await import('ioredis');
  const limiter = new RateLimiterRedis({
    storeClient: new Redis(redisUrl),
    keyPrefix: 'peer',
    points: limit,
    duration: windowMs / 1_000,
  });
  let next = 0;
  return {
    run: () => limiter.consume(keys[next++ % keys.length]), // rejects when it refuses
  };
}
