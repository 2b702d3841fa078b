import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const program = fileURLToPath(new URL('cache-instance-process.mjs', import.meta.url));
const ttlMs = 600_000;

/** One instance of each cache, with connections of its own: `get` a key, loading it by `load`, and `invalidate` it for everybody. */
export const instances = {
  async pando(redisUrl) {
    const { createPando } = await import('@pando/core');
    const { cache } = await createPando({ name: 'fleet', redis: redisUrl, lifecycle: { signals: false } });
    return {
      get: (key, load) => cache.getOrLoad(key, load, { ttlMs }),
      async invalidate(key) {
        const { confirmed } = await cache.invalidate([key]);
        if (!confirmed) throw new Error('An invalidation was not confirmed.');
      },
    };
  },

  async bentocache(redisUrl) {
    const { BentoCache, bentostore } = await import('bentocache');
    const { memoryDriver } = await import('bentocache/drivers/memory');
    const { redisBusDriver, redisDriver } = await import('bentocache/drivers/redis');
    const { Redis } = await import('ioredis');
    const { hostname: host, port } = new URL(redisUrl);
    const store = bentostore()
      .useL1Layer(memoryDriver({ maxItems: 10_000 }))
      .useL2Layer(redisDriver({ connection: new Redis(redisUrl) }))
      .useBus(redisBusDriver({ connection: { host, port: Number(port) } }));
    const cache = new BentoCache({ default: 'fleet', stores: { fleet: store } });
    return {
      get: (key, load) => cache.getOrSet({ key, factory: load, ttl: ttlMs }),
      invalidate: (key) => cache.delete({ key }),
    };
  },

  async layeredLoader(redisUrl) {
    const { createNotificationPair, Loader, RedisCache } = await import('layered-loader');
    const { Redis } = await import('ioredis');
    const { publisher, consumer } = createNotificationPair({
      channel: 'layered-fleet',
      consumerRedis: new Redis(redisUrl),
      publisherRedis: new Redis(redisUrl),
    });
    const cache = new Loader({
      inMemoryCache: { ttlInMsecs: ttlMs, maxItems: 10_000 },
      asyncCache: new RedisCache(new Redis(redisUrl), { json: true, prefix: 'fleet', ttlInMsecs: ttlMs }),
      notificationConsumer: consumer,
      notificationPublisher: publisher,
      dataSourceGetOneFn: ({ load }) => load(),
      cacheKeyFromLoadParamsResolver: ({ key }) => key,
    });
    await cache.init();
    return {
      get: (key, load) => cache.get({ key, load }),
      invalidate: (key) => cache.invalidateCacheFor(key),
    };
  },
};

/** How often and how long a thousand callers load what nobody has. */
export async function stampede({ get }, key) {
  let loads = 0;
  const load = async () => {
    loads += 1;
    await new Promise((resolve) => setTimeout(resolve, 100));
    return { key };
  };
  await Promise.all(Array.from({ length: 1_000 }, () => get(key, load)));
  return loads;
}

/** Asks for a key until its value is another one; calls `begun` when it knows the present one. Gives the instant at which it was. */
export async function untilReplaced({ get }, key, begun) {
  const load = async () => ({ at: String(process.hrtime.bigint()) });
  const { at } = await get(key, load);
  begun();
  for (;;) {
    if ((await get(key, load)).at !== at) return process.hrtime.bigint(); // one clock for all processes of a machine
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** Another instance of the same cache, in a process of its own. */
export class OtherInstance {
  #child;
  #waiting = new Map();

  static async start(kind, redisUrl) {
    const other = new OtherInstance();
    other.#child = fork(program, [kind, redisUrl], { stdio: ['ignore', 2, 2, 'ipc'] });
    other.#child.on('message', ({ name, value }) => other.#waiting.get(name)?.(value));
    other.#child.on('exit', (code) => {
      console.error(`The other instance of ${kind} ended (${code}).`);
      process.exit(1);
    });
    await other.next('ready');
    return other;
  }

  send(message) {
    this.#child.send(message);
  }

  /** What it says under that name next. */
  next(name) {
    return new Promise((resolve) => this.#waiting.set(name, resolve));
  }
}
