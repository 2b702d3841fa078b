/** The cache: hits, since those are what a cache is asked for most of the time. */
import { cpuMicros, perSecond, redisMicros } from '../harness/measures.mjs';
import { RedisTime } from '../harness/redis-time.mjs';
import {
  endless,
  filledPando,
  keys,
  notAHit,
  openBentocache,
  openLayeredLoader,
  openRequests,
  postOf,
  ttlMs,
} from './cache-filled.mjs';

const localLoad = { workers: 1, batch: 1_000 };
const sharedLoad = { workers: 64, batch: 1 };

export const comparisons = [
  {
    what: 'a hit in the process, one after another, one tag, in a request whose context is carried along',
    ours: 'pandoLocalHits',
    theirs: 'bentocacheLocalHits',
    peer: 'bentocache',
    load: localLoad,
    rows: { 'cache.local-hit.vs-bentocache': { ...perSecond('hits'), target: 50 } },
  },
  {
    what: 'the same; the peer has no tags',
    ours: 'pandoLocalHits',
    theirs: 'layeredLoaderLocalHits',
    peer: 'layered-loader',
    load: localLoad,
    rows: { 'cache.local-hit.vs-layered-loader': { ...perSecond('hits'), target: 1 } },
  },
  {
    what: 'the same; the process of the peer carries no context of anything, which makes each await cheaper',
    ours: 'pandoLocalHits',
    theirs: 'layeredLoaderBareHits',
    peer: 'layered-loader',
    load: localLoad,
    rows: { 'cache.local-hit.vs-layered-loader-bare': perSecond('hits') },
  },
  {
    what: 'a hit in Redis, parsed, in one of 64 requests at once, two tags checked; the peer is a bare GET',
    ours: 'pandoSharedHits',
    theirs: 'redisGets',
    peer: 'ioredis',
    load: sharedLoad,
    rows: {
      'cache.shared-hit.vs-get': { ...perSecond('hits'), target: 1 },
      'cache.shared-hit.cpu.vs-get': cpuMicros('hit'),
      'cache.shared-hit.redis-cpu.vs-get': { ...redisMicros('hit'), target: 3 },
    },
  },
  {
    what: 'the same; the peer has no tags, which it would ask Redis for one by one',
    ours: 'pandoSharedHits',
    theirs: 'bentocacheSharedHits',
    peer: 'bentocache',
    load: sharedLoad,
    rows: {
      'cache.shared-hit.vs-bentocache': { ...perSecond('hits'), target: 1.8 },
      'cache.shared-hit.redis-cpu.vs-bentocache': redisMicros('hit'),
    },
  },
  {
    what: 'the same; the peer has no tags',
    ours: 'pandoSharedHits',
    theirs: 'layeredLoaderSharedHits',
    peer: 'layered-loader',
    load: sharedLoad,
    rows: {
      'cache.shared-hit.vs-layered-loader': perSecond('hits'),
      'cache.shared-hit.redis-cpu.vs-layered-loader': redisMicros('hit'),
    },
  },
];

export async function open(servers) {
  const { url } = await servers.redis();
  return { redisUrl: url };
}

export async function pandoLocalHits({ redisUrl }) {
  const { cache, inRequest } = await filledPando(redisUrl, {});
  const options = { ttlMs, tags: ['posts'] };
  const load = () => notAHit('A key');
  const next = endless(keys);
  const hits = async (count) => {
    for (let i = 0; i < count; i++) await cache.getOrLoad(next(), load, options);
  };
  return { run: (count) => inRequest(() => hits(count)) };
}

export async function bentocacheLocalHits({ redisUrl }) {
  const cache = await openBentocache(redisUrl, { isLocal: true });
  const inRequest = await openRequests();
  const tags = ['posts'];
  const factory = () => notAHit('A key');
  const next = endless(keys);
  const hits = async (count) => {
    for (let i = 0; i < count; i++) await cache.getOrSet({ key: next(), factory, ttl: ttlMs, tags });
  };
  return { run: (count) => inRequest(() => hits(count)) };
}

export async function layeredLoaderLocalHits(settings) {
  const { run } = await layeredLoaderBareHits(settings);
  const inRequest = await openRequests();
  return { run: (count) => inRequest(() => run(count)) };
}

export async function layeredLoaderBareHits({ redisUrl }) {
  const cache = await openLayeredLoader(redisUrl, { isLocal: true });
  const next = endless(keys);
  return {
    async run(count) {
      for (let i = 0; i < count; i++) await cache.get(next());
    },
  };
}

export async function pandoSharedHits({ redisUrl }) {
  const { cache, reads, inRequest } = await filledPando(redisUrl, { local: false });
  const load = () => notAHit('A key');
  const next = endless(reads);
  const hit = () => {
    const { key, options } = next();
    return cache.getOrLoad(key, load, options);
  };
  return new RedisTime(redisUrl).beside({ run: () => inRequest(hit) });
}

export async function redisGets({ redisUrl }) {
  const { Redis } = await import('ioredis');
  const redis = new Redis(redisUrl);
  await Promise.all(keys.map((key) => redis.set(key, JSON.stringify(postOf(key)))));
  const inRequest = await openRequests();
  const next = endless(keys);
  const hit = async () => JSON.parse(await redis.get(next()));
  return new RedisTime(redisUrl).beside({ run: () => inRequest(hit) });
}

export async function bentocacheSharedHits({ redisUrl }) {
  const cache = await openBentocache(redisUrl, { isLocal: false });
  const inRequest = await openRequests();
  const factory = () => notAHit('A key');
  const next = endless(keys);
  const hit = () => cache.getOrSet({ key: next(), factory, ttl: ttlMs });
  return new RedisTime(redisUrl).beside({ run: () => inRequest(hit) });
}

export async function layeredLoaderSharedHits({ redisUrl }) {
  const cache = await openLayeredLoader(redisUrl, { isLocal: false });
  const inRequest = await openRequests();
  const next = endless(keys);
  const hit = () => cache.get(next());
  return new RedisTime(redisUrl).beside({ run: () => inRequest(hit) });
}
