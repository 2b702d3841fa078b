/** Caches of a thousand values, each filled before it is measured, and the requests that ask them. */

export const ttlMs = 600_000;
export const keys = Array.from({ length: 1_000 }, (_, index) => `post:${index}`);

/** About 500 bytes as JSON. */
export const postOf = (key) => ({
  key,
  title: 'Many trunks, one root',
  author: { id: 7, name: 'A. Spen' },
  likes: 42,
  body: 'quaking '.repeat(50),
});

export const notAHit = (key) => {
  throw new Error(`${key} was no hit.`);
};

/** Every key of the list in turn, for any number of workers. */
export function endless(list) {
  let next = 0;
  return () => list[next++ % list.length];
}

const ownTags = (index) => ['posts', `author:${index % 50}`];

/** A kit's own cache with every key in it: what is loaded after that ends the measurement. */
export async function filledPando(redisUrl, cacheOptions, { name = 'bench', tagsOf = ownTags } = {}) {
  const { createPando } = await import('@pando/core');
  const { Redis } = await import('ioredis');
  const redis = { client: new Redis(redisUrl), commandTimeoutMs: 10_000 }; // a slow answer is a figure, not a miss
  const { cache, kernel } = await createPando({
    name,
    redis,
    cache: cacheOptions,
    lifecycle: { signals: false },
  });
  const reads = keys.map((key, index) => ({
    key,
    options: { ttlMs, tags: tagsOf(index) },
  }));
  await Promise.all(reads.map(({ key, options }) => cache.getOrLoad(key, () => postOf(key), options)));
  const context = kernel.contexts.open({ id: 'bench', signal: new AbortController().signal });
  return { cache, reads, inRequest: (code) => kernel.contexts.run(context, code) };
}

/** The way in which any app carries the context of a request, its traces for example. */
export async function openRequests() {
  const { AsyncLocalStorage } = await import('node:async_hooks');
  const storage = new AsyncLocalStorage();
  const request = { id: 'bench' };
  return (code) => storage.run(request, code);
}

export async function openBentocache(redisUrl, { isLocal }) {
  const { BentoCache, bentostore } = await import('bentocache');
  const { memoryDriver } = await import('bentocache/drivers/memory');
  const { redisBusDriver, redisDriver } = await import('bentocache/drivers/redis');
  const { Redis } = await import('ioredis');
  const { hostname: host, port } = new URL(redisUrl);
  const shared = bentostore().useL2Layer(redisDriver({ connection: new Redis(redisUrl) }));
  const store = isLocal
    ? shared
        .useL1Layer(memoryDriver({ maxItems: 10_000 }))
        .useBus(redisBusDriver({ connection: { host, port: Number(port) } }))
    : shared;
  // Apart from each other: values that another contender has left there have tags, which are asked for with each hit.
  const prefix = isLocal ? 'bentocache-local' : 'bentocache-shared';
  const cache = new BentoCache({ default: 'bench', prefix, stores: { bench: store } });
  const tags = isLocal ? { tags: ['posts'] } : {};
  const fill = (key) => cache.getOrSet({ key, factory: () => postOf(key), ttl: ttlMs, ...tags });
  await Promise.all(keys.map(fill));
  return cache;
}

export async function openLayeredLoader(redisUrl, { isLocal }) {
  const { Loader, RedisCache } = await import('layered-loader');
  const { Redis } = await import('ioredis');
  let isFilled = false;
  const cache = new Loader({
    ...(isLocal ? { inMemoryCache: { ttlInMsecs: ttlMs, maxItems: 10_000 } } : {}),
    asyncCache: new RedisCache(new Redis(redisUrl), { json: true, prefix: 'layered', ttlInMsecs: ttlMs }),
    dataSourceGetOneFn: async (key) => (isFilled ? notAHit(key) : postOf(key)),
    cacheKeyFromValueResolver: ({ key }) => key,
  });
  await Promise.all(keys.map((key) => cache.get(key)));
  isFilled = true;
  return cache;
}
