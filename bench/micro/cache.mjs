/** The cache inside the process: what looking into it costs, and what it keeps. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { perSecond } from '../harness/measures.mjs';

const one = { workers: 1, batch: 1_000 };
const entryCount = 20_000;
const figure = (name, unit) => ({ unit, better: 'less', of: ({ figures }) => figures[name] });

export const comparisons = [
  {
    what: 'a look into the process without waiting, all checks made; the peer is `get` with a lifetime, and no tags',
    ours: 'pandoPeeks',
    theirs: 'lruCacheGets',
    peer: 'lru-cache',
    load: one,
    rows: { 'cache.peek.vs-lru-cache': { ...perSecond('looks'), target: 0.7 } },
  },
  {
    what: 'what a hit in the process allocates, the `await` of its caller included; the peer has no tags',
    ours: 'pandoAllocates',
    theirs: 'layeredLoaderAllocates',
    peer: 'layered-loader',
    load: one,
    rows: { 'cache.local-hit.bytes.vs-layered-loader': figure('bytes', 'bytes/hit') },
  },
  {
    what: 'what an entry in the process occupies, a number under a key of its own with one tag; the peer has no tags',
    ours: 'pandoKeeps',
    theirs: 'lruCacheKeeps',
    peer: 'lru-cache',
    load: one,
    rows: { 'cache.entry.bytes.vs-lru-cache': figure('bytes', 'bytes/entry') },
  },
];

export async function open(servers) {
  const { url } = await servers.redis();
  return { redisUrl: url };
}

const ttlMs = 600_000;
const options = { ttlMs, tags: ['posts'] };
const keys = Array.from({ length: 1_000 }, (_, index) => `post:${index}`);

/** With a Redis, or the process would hold what is shared, too. */
async function openPando(redisUrl, maxEntries) {
  const { createPando } = await import('@pando/core');
  const { cache } = await createPando({
    name: 'bench',
    redis: redisUrl,
    cache: { local: { maxEntries } },
    lifecycle: { signals: false },
  });
  return cache;
}

/** Looks that all must find something. `begin` does what precedes each round. */
function looks(get, begin) {
  return {
    begin,
    run(count) {
      let found = 0;
      for (let i = 0; i < count; i++) if (get(keys[i % keys.length]) !== undefined) found += 1;
      if (found !== count) throw new Error(`${count - found} of ${count} were not there.`);
    },
  };
}

export async function pandoPeeks({ redisUrl }) {
  const cache = await openPando(redisUrl, 10_000);
  for (const key of keys) await cache.getOrLoad(key, () => ({ key }), options);
  // Whoever has heard nothing for long, while the other worked, must ask once whether there was something.
  return looks(
    (key) => cache.peek(key),
    () => cache.get(keys[0]),
  );
}

export async function lruCacheGets() {
  const { LRUCache } = await import('lru-cache');
  const cache = new LRUCache({ max: 10_000, ttl: ttlMs });
  for (const key of keys) cache.set(key, { key });
  return looks((key) => cache.get(key));
}

const collectGarbage = () => {
  setFlagsFromString('--expose-gc');
  runInNewContext('gc')();
};

/** What hits allocate, over as many as fit between two collections of garbage. */
function allocating(hit) {
  let least = Number.POSITIVE_INFINITY;
  const run = async (count) => {
    const before = process.memoryUsage().heapUsed;
    for (let i = 0; i < count; i++) await hit(keys[i % keys.length]);
    const bytes = (process.memoryUsage().heapUsed - before) / count;
    if (bytes > 0) least = Math.min(least, bytes);
  };
  return { run, figures: () => ({ bytes: least }) };
}

export async function pandoAllocates({ redisUrl }) {
  const cache = await openPando(redisUrl, 10_000);
  const load = (key) => cache.getOrLoad(key, () => ({ key }), options);
  for (const key of keys) await load(key);
  const none = () => {
    throw new Error('A key was no hit.');
  };
  return allocating((key) => cache.getOrLoad(key, none, options));
}

export async function layeredLoaderAllocates() {
  const { AsyncLocalStorage } = await import('node:async_hooks');
  const { Loader } = await import('layered-loader');
  const cache = new Loader({
    inMemoryCache: { ttlInMsecs: ttlMs, maxItems: 10_000 },
    dataSourceGetOneFn: async (key) => ({ key }),
  });
  for (const key of keys) await cache.get(key);
  const storage = new AsyncLocalStorage();
  const { run, figures } = allocating((key) => cache.get(key));
  return { run: (count) => storage.run({}, () => run(count)), figures };
}

/** What so many entries occupy when they are all that is new. */
async function keeping(fill) {
  collectGarbage();
  const before = process.memoryUsage().heapUsed;
  const kept = await fill();
  collectGarbage();
  const bytes = (process.memoryUsage().heapUsed - before) / entryCount;
  return { run: () => kept, figures: () => ({ bytes }) };
}

export async function pandoKeeps({ redisUrl }) {
  const cache = await openPando(redisUrl, entryCount);
  const load = (index) => cache.getOrLoad(`entry:${index}`, () => index, options);
  await load(-1);
  return keeping(async () => {
    for (let index = 0; index < entryCount; index += 500) {
      await Promise.all(Array.from({ length: 500 }, (_, offset) => load(index + offset)));
    }
    return cache;
  });
}

export async function lruCacheKeeps() {
  const { LRUCache } = await import('lru-cache');
  const cache = new LRUCache({ max: entryCount, ttl: ttlMs });
  cache.set('entry:-1', 0);
  return keeping(() => {
    for (let i = 0; i < entryCount; i++) cache.set(`entry:${i}`, i);
    return cache;
  });
}
