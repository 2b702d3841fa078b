/** Limits: decisions that all instances take together in Redis, one by one, by leases, and from memory. */
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
  {
    what: 'a decision about one hot key under a leased policy, 64 at once, never over the limit; beside one counted in Redis',
    ours: 'leasedHotKey',
    theirs: 'rateLimiterHotKey',
    peer: 'rate-limiter-flexible',
    load: many,
    rows: {
      'limits.leased.hot.vs-rate-limiter-flexible': { ...perSecond('decisions'), target: 4 },
      'limits.leased.hot.cpu.vs-rate-limiter-flexible': { ...cpuMicros('decision'), target: 4 },
    },
  },
  {
    what: 'the same about 1,000 keys in turn',
    ours: 'leasedDecisions',
    theirs: 'rateLimiterDecisions',
    peer: 'rate-limiter-flexible',
    load: many,
    rows: {
      'limits.leased.vs-rate-limiter-flexible': { ...perSecond('decisions'), target: 10 },
      'limits.leased.cpu.vs-rate-limiter-flexible': { ...cpuMicros('decision'), target: 10 },
    },
  },
  {
    what: 'refusing one key that is known to be over its limit, 64 at once; beside a round trip to Redis for each',
    ours: 'refusedKey',
    theirs: 'rateLimiterRefusals',
    peer: 'rate-limiter-flexible',
    load: many,
    rows: {
      'limits.refused.vs-rate-limiter-flexible': { ...perSecond('refusals'), target: 10 },
      'limits.refused.cpu.vs-rate-limiter-flexible': { ...cpuMicros('refusal'), target: 10 },
    },
  },
  {
    what: 'the same for 1,000 of 100,000 such keys in turn; beside one key, and a round trip to Redis for each',
    ours: 'refusedKeys',
    theirs: 'rateLimiterRefusals',
    peer: 'rate-limiter-flexible',
    load: many,
    rows: { 'limits.refused.many.vs-rate-limiter-flexible': { ...perSecond('refusals'), target: 10 } },
  },
  {
    what: 'refusing banned keys, 1,000 of 100,000 bans in turn, 64 at once; beside a round trip to Redis for each',
    ours: 'bannedKeys',
    theirs: 'rateLimiterRefusals',
    peer: 'rate-limiter-flexible',
    load: many,
    rows: {
      'limits.banned.vs-rate-limiter-flexible': { ...perSecond('refusals'), target: 10 },
      'limits.banned.cpu.vs-rate-limiter-flexible': { ...cpuMicros('refusal'), target: 10 },
    },
  },
  {
    what: 'the same with ten bans: how many there are makes no difference',
    ours: 'fewBannedKeys',
    theirs: 'rateLimiterRefusals',
    peer: 'rate-limiter-flexible',
    load: many,
    rows: { 'limits.banned.few.vs-rate-limiter-flexible': { ...perSecond('refusals'), target: 10 } },
  },
  {
    what: 'the same for addresses in banned networks, of eight lengths, half of the 100,000 bans',
    ours: 'bannedAddresses',
    theirs: 'rateLimiterRefusals',
    peer: 'rate-limiter-flexible',
    load: many,
    rows: {
      'limits.banned.network.vs-rate-limiter-flexible': { ...perSecond('refusals'), target: 5 },
      'limits.banned.network.cpu.vs-rate-limiter-flexible': { ...cpuMicros('refusal'), target: 5 },
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

const oneKey = ['user-0'];
const blockedKeys = Array.from({ length: 100_000 }, (_, index) => `blocked-${index}`);

async function pandoLimits({ redisUrl }, policy, name = 'bench') {
  const { createPando } = await import('@pando/core');
  const { Redis } = await import('ioredis');
  const { limits } = await createPando({
    name,
    redis: { client: new Redis(redisUrl), commandTimeoutMs: 10_000 },
    limits: { policies: { write: policy }, decisionTimeoutMs: 10_000 },
    lifecycle: { signals: false },
  });
  return limits;
}

async function pandoDecisions(settings, policy, { asked = keys, counts = new Set(['redis']) } = {}) {
  const limits = await pandoLimits(settings, policy);
  let next = 0;
  return {
    async run() {
      const { allowed, source } = await limits.consume('write', asked[next++ % asked.length]);
      if (!allowed || !counts.has(source)) throw new Error(`Not such a decision: ${allowed}, by ${source}.`);
    },
  };
}

/** Keys that have spent what they may. */
async function pandoRefusals(settings, asked) {
  const limits = await pandoLimits(settings, { windows: { limit: 1, windowMs }, algorithm: 'fixed' });
  for (let first = 0; first < asked.length; first += 1_000) {
    const some = asked.slice(first, first + 1_000);
    await Promise.all([...some, ...some].map((key) => limits.consume('write', key)));
  }
  const known = asked.slice(-1_000);
  let next = 0;
  return {
    async run() {
      const { allowed } = await limits.consume('write', known[next++ % known.length]);
      if (allowed) throw new Error('Not a refusal.');
    },
  };
}

/** Calls of who is banned, among so many; half of the bans are networks. */
async function pandoBans(settings, count, callOf) {
  const limits = await pandoLimits(settings, { limit, windowMs }, `bench-${count}-bans`);
  const subjects = Array.from({ length: count / 2 }, (_, index) => [
    `banned-${index}`,
    networkOf(index),
  ]).flat();
  const known = limits.bans().length; // by an earlier comparison
  for (let first = known; first < count; first += 1_000)
    await Promise.all(subjects.slice(first, first + 1_000).map((subject) => limits.ban(subject)));
  const calls = Array.from({ length: Math.min(1_000, count / 2) }, (_, index) => callOf(index));
  let next = 0;
  return {
    async run() {
      const [key, options] = calls[next++ % calls.length];
      const { source } = await limits.consume('write', key, options);
      if (source !== 'ban') throw new Error(`Not banned: ${source}.`);
    },
  };
}

const addressOf = (index) => `10.${index >> 8}.${index & 255}.0`;
const networkOf = (index) => `${addressOf(index)}/${24 + (index % 8)}`;

export const bannedKeys = (settings) => pandoBans(settings, 100_000, (index) => [`banned-${index}`]);

export const fewBannedKeys = (settings) => pandoBans(settings, 10, (index) => [`banned-${index}`]);

export const bannedAddresses = (settings) =>
  pandoBans(settings, 100_000, (index) => [`user-${index}`, { address: addressOf(index) }]);

export const fixedDecisions = (settings) =>
  pandoDecisions(settings, { windows: { limit, windowMs }, algorithm: 'fixed' });

export const slidingDecisions = (settings) => pandoDecisions(settings, { limit, windowMs });

export const threeWindows = (settings) =>
  pandoDecisions(
    settings,
    lengthsMs.map((each) => ({ limit, windowMs: each })),
  );

const leased = { windows: { limit, windowMs }, algorithm: 'fixed', lease: true };
const counts = new Set(['redis', 'lease']);

export const leasedHotKey = (settings) => pandoDecisions(settings, leased, { asked: oneKey, counts });

export const leasedDecisions = (settings) => pandoDecisions(settings, leased, { counts });

export const refusedKey = (settings) => pandoRefusals(settings, oneKey);

export const refusedKeys = (settings) => pandoRefusals(settings, blockedKeys);

async function limitersOf({ redisUrl }, lengths, points = limit) {
  const { RateLimiterRedis } = await import('rate-limiter-flexible');
  const { Redis } = await import('ioredis');
  const storeClient = new Redis(redisUrl);
  return lengths.map(
    (each) =>
      new RateLimiterRedis({
        storeClient,
        keyPrefix: `peer-${each}`,
        points,
        duration: each / 1_000,
      }),
  );
}

async function rateLimiterOf(settings, asked) {
  const [limiter] = await limitersOf(settings, [windowMs]);
  let next = 0;
  return {
    run: () => limiter.consume(asked[next++ % asked.length]), // rejects when it refuses
  };
}

export const rateLimiterDecisions = (settings) => rateLimiterOf(settings, keys);

export const rateLimiterHotKey = (settings) => rateLimiterOf(settings, oneKey);

export async function rateLimiterRefusals(settings) {
  const [limiter] = await limitersOf(settings, [windowMs + 1_000], 1); // its keys are told apart by their window
  const refused = () => true;
  await limiter.consume('blocked').catch(refused); // an earlier comparison may have spent it
  return {
    async run() {
      const isRefused = await limiter.consume('blocked').then(() => false, refused);
      if (!isRefused) throw new Error('Not a refusal.');
    },
  };
}

export async function rateLimiterUnion(settings) {
  const { RateLimiterUnion } = await import('rate-limiter-flexible');
  const union = new RateLimiterUnion(...(await limitersOf(settings, lengthsMs)));
  let next = 0;
  return { run: () => union.consume(keys[next++ % keys.length]) };
}
