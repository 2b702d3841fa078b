/**
 * Caches behind one set of verbs, each as its documentation says: values in the process and in Redis, and news of changes for
 * the other processes, where there is such a thing.
 *
 * Each is given the URL of a Redis, a name, and what loads a key. `get` reads a key whose value depends on a tag; a cache
 * without `invalidateTag` knows no tags.
 */

const ttlMs = 600_000;

/** The figures of the table stand in this order. */
export const libraries = {
  '@pando/core': pando,
  bentocache,
  cacheable,
  'layered-loader': layeredLoader,
  'cache-manager': cacheManager,
  'async-cache-dedupe': asyncCacheDedupe,
};

async function pando({ redisUrl, name, load, database }) {
  const { createPando } = await import('@pando/core');
  const db = database && { primary: database.primary, replicas: [database.replica] };
  const kit = await createPando({ name, redis: redisUrl, db, lifecycle: { signals: false } });
  const { cache, kernel } = kit;
  const { signal } = new AbortController();
  return {
    /** Each read is a request of somebody who brings no token along: what a token adds is not on trial. */
    get(key, tag) {
      const context = kernel.contexts.open({ id: key, signal });
      return kernel.contexts.run(context, () =>
        cache.getOrLoad(key, () => load(key), { ttlMs, tags: [tag] }),
      );
    },
    invalidate: (key) => cache.invalidate([key]),
    invalidateTag: (tag) => cache.invalidate([tag]),
    /** Reads go where the kit sends them, and writes say what they change: the peers' databases know nothing of caches. */
    query: (text, values) => kit.db.query(text, values),
    write: (key, text, values) =>
      kit.db.transaction(async (tx) => {
        await tx.query(text, values);
        tx.invalidate([key]);
      }),
  };
}

async function bentocache({ redisUrl, name, load }) {
  const { BentoCache, bentostore } = await import('bentocache');
  const { memoryDriver } = await import('bentocache/drivers/memory');
  const { redisBusDriver, redisDriver } = await import('bentocache/drivers/redis');
  const { Redis } = await import('ioredis');
  const { hostname: host, port } = new URL(redisUrl);
  const store = bentostore()
    .useL1Layer(memoryDriver({ maxItems: 10_000 }))
    .useL2Layer(redisDriver({ connection: new Redis(redisUrl), prefix: name }))
    .useBus(redisBusDriver({ connection: { host, port: Number(port) } }));
  const cache = new BentoCache({ default: name, stores: { [name]: store } });
  return {
    get: (key, tag) => cache.getOrSet({ key, factory: () => load(key), ttl: ttlMs, tags: [tag] }),
    invalidate: (key) => cache.delete({ key }),
    invalidateTag: (tag) => cache.deleteByTag({ tags: [tag] }),
  };
}

async function cacheable({ redisUrl, name, load }) {
  const { Cacheable } = await import('cacheable');
  const { createKeyv } = await import('@keyv/redis');
  const { Qified } = await import('qified');
  const { RedisMessageProvider } = await import('@qified/redis');
  const provider = new RedisMessageProvider({ uri: redisUrl });
  // It listens to no errors of its connections: the first one that is lost would end the process.
  for (const client of [provider.pub, provider.sub]) client.on('error', () => undefined);
  const cache = new Cacheable({
    namespace: name,
    secondary: createKeyv(redisUrl, { namespace: name }),
    ttl: ttlMs,
    tags: true,
    sync: { qified: new Qified({ messageProviders: [provider] }), namespace: name },
  });
  const running = new Map();
  return {
    /** `getOrSet` knows no tags; so this is what it does, with them. */
    async get(key, tag) {
      const kept = await cache.get(key);
      if (kept !== undefined) return kept;
      if (!running.has(key)) {
        const loading = (async () => {
          const value = await load(key);
          await cache.set(key, value, { ttl: ttlMs, tags: [tag] });
          return value;
        })();
        running.set(
          key,
          loading.finally(() => running.delete(key)),
        );
      }
      return running.get(key);
    },
    invalidate: (key) => cache.delete(key),
    invalidateTag: (tag) => cache.tags.invalidateTag(tag),
  };
}

async function layeredLoader({ redisUrl, name, load }) {
  const {
    GroupLoader,
    Loader,
    RedisCache,
    RedisGroupCache,
    createGroupNotificationPair,
    createNotificationPair,
  } = await import('layered-loader');
  const { Redis } = await import('ioredis');
  const pair = (channel) => ({
    channel: `${name}:${channel}`,
    publisherRedis: new Redis(redisUrl),
    consumerRedis: new Redis(redisUrl),
  });
  const inMemoryCache = { cacheId: name, cacheType: 'lru-object', ttlInMsecs: ttlMs, maxItems: 10_000 };
  const one = createNotificationPair(pair('keys'));
  const loader = new Loader({
    inMemoryCache,
    asyncCache: new RedisCache(new Redis(redisUrl), {
      prefix: `${name}:keys`,
      json: true,
      ttlInMsecs: ttlMs,
    }),
    notificationConsumer: one.consumer,
    notificationPublisher: one.publisher,
    dataSourceGetOneFn: load,
  });
  const many = createGroupNotificationPair(pair('groups'));
  const groups = { ...inMemoryCache, maxGroups: 1_000, maxItemsPerGroup: 1_000 };
  const grouped = new GroupLoader({
    inMemoryCache: groups,
    asyncCache: new RedisGroupCache(new Redis(redisUrl), {
      prefix: `${name}:groups`,
      json: true,
      ttlInMsecs: ttlMs,
    }),
    notificationConsumer: many.consumer,
    notificationPublisher: many.publisher,
    dataSources: [
      {
        name: 'values',
        getFromGroup: load,
        getManyFromGroup: (keys) => Promise.all(keys.map(load)),
      },
    ],
  });
  await Promise.all([loader.init(), grouped.init()]);
  return {
    get: (key) => loader.get(key),
    /** What it has instead of tags: a key is of one group, and is loaded through that. */
    getOfTag: (key, tag) => grouped.get(key, tag),
    invalidate: (key) => loader.invalidateCacheFor(key),
    invalidateTag: (tag) => grouped.invalidateCacheForGroup(tag),
  };
}

async function cacheManager({ redisUrl, name, load }) {
  const { createCache } = await import('cache-manager');
  const { createKeyv } = await import('@keyv/redis');
  const { Keyv } = await import('keyv');
  const cache = createCache({ stores: [new Keyv(), createKeyv(redisUrl, { namespace: name })], ttl: ttlMs });
  return {
    get: (key) => cache.wrap(key, () => load(key)),
    invalidate: (key) => cache.del(key),
  };
}

async function asyncCacheDedupe({ redisUrl, name, load }) {
  const { createCache } = await import('async-cache-dedupe');
  const { Redis } = await import('ioredis');
  const ttl = ttlMs / 1_000;
  const client = new Redis(redisUrl, { keyPrefix: `${name}:` });
  const invalidation = { referencesTTL: ttl };
  const cache = createCache({ ttl, storage: { type: 'redis', options: { client, invalidation } } });
  cache.define('value', { references: ({ tag }) => [tag], serialize: ({ key }) => key }, async ({ key }) =>
    load(key),
  );
  return {
    get: (key, tag) => cache.value({ key, tag }),
    invalidate: (key) => cache.clear('value', { key }),
    invalidateTag: (tag) => cache.invalidateAll([tag]),
  };
}
