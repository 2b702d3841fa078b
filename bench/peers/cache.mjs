/** The cache: hits, since those are what a cache is asked for most of the time. */
import { cpuMicros, perSecond } from '../harness/measures.mjs';

export const comparisons = [
  {
    what: 'a hit in the process, one after another, one tag',
    ours: 'pandoLocalHits',
    theirs: 'bentocacheLocalHits',
    peer: 'bentocache',
    load: { workers: 1, batch: 1_000 },
    rows: { 'cache.local-hit.vs-bentocache': perSecond('hits') },
  },
  {
    what: 'the same; the peer has no tags and no other instances',
    ours: 'pandoLocalHits',
    theirs: 'lruCacheHits',
    peer: 'lru-cache',
    load: { workers: 1, batch: 1_000 },
    rows: { 'cache.local-hit.vs-lru-cache': perSecond('hits') },
  },
  {
    what: 'a hit in Redis, parsed, 64 at once, two tags checked; the peer is a bare GET',
    ours: 'pandoSharedHits',
    theirs: 'redisGets',
    peer: 'ioredis',
    load: { workers: 64, batch: 1 },
    rows: {
      'cache.shared-hit.vs-get': perSecond('hits'),
      'cache.shared-hit.cpu.vs-get': cpuMicros('hit'),
    },
  },
];

export async function open(servers) {
  const { url } = await servers.redis();
  return { redisUrl: url };
}

const ttlMs = 600_000;
const keys = Array.from({ length: 1_000 }, (_, index) => `post:${index}`);
/** About 500 bytes as JSON. */
const postOf = (key) => ({
  key,
  title: 'Many trunks, one root',
  author: { id: 7, name: 'A. Spen' },
  likes: 42,
  body: 'quaking '.repeat(50),
});
const notAHit = (key) => {
  throw new Error(`${key} was no hit.`);
};

/** Every key of the list in turn, for any number of workers. */
function endless(list) {
  let next = 0;
  return () => list[next++ % list.length];
}

/** A cache of one kit with every key in it: what is loaded after that ends the measurement. */
async function filledPando(redisUrl, cacheOptions) {
  const { createPando } = await import('@pando/core');
  const { Redis } = await import('ioredis');
  const redis = { client: new Redis(redisUrl), commandTimeoutMs: 10_000 }; // a slow answer is a figure, not a miss
  const { cache } = await createPando({
    name: 'bench',
    redis,
    cache: cacheOptions,
    lifecycle: { signals: false },
  });
  const reads = keys.map((key, index) => ({
    key,
    options: { ttlMs, tags: ['posts', `author:${index % 50}`] },
  }));
  await Promise.all(reads.map(({ key, options }) => cache.getOrLoad(key, () => postOf(key), options)));
  return { cache, reads };
}

export async function pandoLocalHits({ redisUrl }) {
  const { cache } = await filledPando(redisUrl, {});
  const options = { ttlMs, tags: ['posts'] };
  const load = () => notAHit('A key');
  const next = endless(keys);
  return {
    async run(count) {
      for (let i = 0; i < count; i++) await cache.getOrLoad(next(), load, options);
    },
  };
}

export async function bentocacheLocalHits({ redisUrl }) {
  const { BentoCache, bentostore } = await import('bentocache');
  const { memoryDriver } = await import('bentocache/drivers/memory');
  const { redisBusDriver, redisDriver } = await import('bentocache/drivers/redis');
  const { Redis } = await import('ioredis');
  const { hostname: host, port } = new URL(redisUrl);
  const store = bentostore()
    .useL1Layer(memoryDriver({ maxItems: 10_000 }))
    .useL2Layer(redisDriver({ connection: new Redis(redisUrl) }))
    .useBus(redisBusDriver({ connection: { host, port: Number(port) } }));
  const cache = new BentoCache({ default: 'bench', stores: { bench: store } });
  const tags = ['posts'];
  await Promise.all(keys.map((key) => cache.getOrSet({ key, factory: () => postOf(key), ttl: ttlMs, tags })));
  const factory = () => notAHit('A key');
  const next = endless(keys);
  return {
    async run(count) {
      for (let i = 0; i < count; i++) await cache.getOrSet({ key: next(), factory, ttl: ttlMs, tags });
    },
  };
}

export async function lruCacheHits() {
  const { LRUCache } = await import('lru-cache');
  const cache = new LRUCache({ max: 10_000, ttl: ttlMs, fetchMethod: (key) => notAHit(key) });
  for (const key of keys) cache.set(key, postOf(key));
  const next = endless(keys);
  return {
    async run(count) {
      for (let i = 0; i < count; i++) await cache.fetch(next());
    },
  };
}

export async function pandoSharedHits({ redisUrl }) {
  const { cache, reads } = await filledPando(redisUrl, { local: false });
  const load = () => notAHit('A key');
  const next = endless(reads);
  return {
    run() {
      const { key, options } = next();
      return cache.getOrLoad(key, load, options);
    },
  };
}

export async function redisGets({ redisUrl }) {
  const { Redis } = await import('ioredis');
  const redis = new Redis(redisUrl);
  await Promise.all(keys.map((key) => redis.set(key, JSON.stringify(postOf(key)))));
  const next = endless(keys);
  return {
    async run() {
      return JSON.parse(await redis.get(next()));
    },
  };
}
