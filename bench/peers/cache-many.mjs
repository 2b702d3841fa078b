/** The cache: a hundred values at once, all of which are in Redis. */
import { cpuMicros, milliseconds } from '../harness/measures.mjs';
import {
  filledPando,
  keys,
  notAHit,
  openBentocache,
  openLayeredLoader,
  openRequests,
  postOf,
  ttlMs,
} from './cache-filled.mjs';

const one = { workers: 1, batch: 1 };
const count = 100;

export const comparisons = [
  {
    what: 'a hundred values from Redis, parsed, in one call, two tags of each checked; the peer is a bare MGET',
    ours: 'pandoMany',
    theirs: 'redisMget',
    peer: 'ioredis',
    load: one,
    rows: {
      'cache.many.vs-mget': { ...milliseconds('hundred'), target: 0.77 },
      'cache.many.cpu.vs-mget': cpuMicros('hundred'),
    },
  },
  {
    what: 'the same; the peer has no call for many, and no tags here',
    ours: 'pandoMany',
    theirs: 'bentocacheMany',
    peer: 'bentocache',
    load: one,
    rows: { 'cache.many.vs-bentocache': { ...milliseconds('hundred'), target: 4 } },
  },
  {
    what: 'the same; the peer has no tags',
    ours: 'pandoMany',
    theirs: 'layeredLoaderMany',
    peer: 'layered-loader',
    load: one,
    rows: { 'cache.many.vs-layered-loader': milliseconds('hundred') },
  },
];

export async function open(servers) {
  const { url } = await servers.redis();
  return { redisUrl: url };
}

/** A hundred others each time. */
function hundreds() {
  let next = 0;
  return () => {
    const from = (next++ * count) % keys.length;
    return keys.slice(from, from + count);
  };
}

function complete(values) {
  if (values.length !== count) throw new Error(`${values.length} values instead of ${count}.`);
}

export async function pandoMany({ redisUrl }) {
  const tags = ['posts', 'author:7'];
  const { cache, inRequest } = await filledPando(
    redisUrl,
    { local: false },
    { name: 'many', tagsOf: () => tags },
  );
  const load = ([key]) => notAHit(key);
  const next = hundreds();
  const ask = async () => {
    const values = await cache.getOrLoadMany(next(), load, { ttlMs, tags });
    complete([...values.values()]);
  };
  return { run: () => inRequest(ask) };
}

export async function redisMget({ redisUrl }) {
  const { Redis } = await import('ioredis');
  const redis = new Redis(redisUrl);
  await Promise.all(keys.map((key) => redis.set(key, JSON.stringify(postOf(key)))));
  const inRequest = await openRequests();
  const next = hundreds();
  const ask = async () => complete((await redis.mget(next())).map((text) => JSON.parse(text)));
  return { run: () => inRequest(ask) };
}

export async function bentocacheMany({ redisUrl }) {
  const cache = await openBentocache(redisUrl, { isLocal: false });
  const inRequest = await openRequests();
  const factory = () => notAHit('A key');
  const next = hundreds();
  const get = (key) => cache.getOrSet({ key, factory, ttl: ttlMs });
  const ask = async () => complete(await Promise.all(next().map(get)));
  return { run: () => inRequest(ask) };
}

export async function layeredLoaderMany({ redisUrl }) {
  const cache = await openLayeredLoader(redisUrl, { isLocal: false });
  const inRequest = await openRequests();
  const next = hundreds();
  const ask = async () => complete(await cache.getMany(next()));
  return { run: () => inRequest(ask) };
}
