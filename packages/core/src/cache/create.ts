import type { Histories } from '../kernel/histories.js';
import { createKernel, type Kernel } from '../kernel/kernel.js';
import type { Laggards } from '../kernel/laggards.js';
import type { Ledger } from '../kernel/ledger.js';
import type { Revision } from '../kernel/revision.js';
import { createRedisFloor } from '../redis/floor.js';
import type { RedisFloor } from '../redis/ports.js';
import type { Cache } from './api.js';
import { CacheRoom } from './cache.js';
import { CloningRoom } from './cloning-room.js';
import { createMemoryWorld, MemoryLevel, type MemoryWorld } from './drivers/memory.js';
import { OpenTelemetrySpans } from './drivers/open-telemetry.js';
import { RedisLevel } from './drivers/redis.js';
import { createSieveLevel } from './drivers/sieve.js';
import { type CacheOptions, resolveCacheOptions } from './options.js';
import type { MessageBus } from './ports.js';
import { type CacheRules, soundRules } from './rules.js';

export { createMemoryWorld, type MemoryWorld, type MemoryWorldOptions } from './drivers/memory.js';

/** What a cache may be given by its surroundings. */
export interface CacheWiring {
  readonly kernel?: Kernel | undefined;
  /** The kit's connection; never closed by the cache. */
  readonly redis?: RedisFloor | undefined;
  /** Says which invalidations of committed transactions are still to be carried out. */
  readonly ledger?: Ledger | undefined;
  /** Says which histories databases are on: nothing is cached across a failover. */
  readonly histories?: Histories | undefined;
  /** Advances whenever the ledger or the histories change what may be served. */
  readonly revision?: Revision | undefined;
  /** Is told when every instance has applied an invalidation. */
  readonly laggards?: Laggards | undefined;
  /** Where values live without Redis: caches that share a world behave like instances that share a Redis. */
  readonly world?: MemoryWorld | undefined;
}

/**
 * Creates the cache room; `start()` connects it. Before that, and while Redis is away, it loads whatever is asked for.
 *
 * @throws `PandoOptionsError` for options that cannot be right.
 *
 * @example
 * ```ts
 * const cache = createCache({ redis: 'redis://localhost:6379', ttlMs: 300_000 });
 * await cache.start();
 * const post = await cache.getOrLoad('post:1', () => findPost(1), { tags: ['author:7'] });
 * await cache.invalidate(['author:7']);
 * ```
 */
export function createCache(options: CacheOptions = {}, wiring: CacheWiring = {}): Cache {
  return composeCache(options, wiring);
}

/** {@link createCache}, with rules replaced that a test wants to see missing. */
export function composeCache(
  options: CacheOptions,
  wiring: CacheWiring,
  rules: Partial<CacheRules> = {},
): Cache {
  const resolved = resolveCacheOptions(options);
  const kernel = wiring.kernel ?? createKernel({ name: resolved.name });
  const { clock, logger } = kernel;
  const local = resolved.local === false ? undefined : createSieveLevel(resolved.local, kernel.meter);
  const onError = (cause: unknown) => logger.error({ err: cause }, 'a listener of the shared cache threw');
  const floor =
    wiring.redis ?? (resolved.redis === undefined ? undefined : createRedisFloor(resolved.redis, kernel));
  const level =
    floor === undefined
      ? new MemoryLevel(wiring.world ?? createMemoryWorld({ clock }), onError)
      : new RedisLevel(floor, { ownsFloor: wiring.redis === undefined, doubtMs: resolved.doubtMs, onError });
  const bus: MessageBus | undefined = floor && {
    claims: floor.keys.atomic('cache', 'claims'),
    rollCalls: floor.keys.atomic('cache', 'roll-calls'),
    subscribe: (...args) => floor.subscribe(...args),
    publish: (channel, payload) => floor.publish(channel, payload),
  };
  const { ledger, histories, revision, laggards } = wiring;
  const Room = resolved.copies === 'cloned' ? CloningRoom : CacheRoom;
  return new Room({
    kernel,
    options: resolved,
    level,
    local,
    bus,
    spans: resolved.spans ? new OpenTelemetrySpans() : undefined,
    ledger,
    histories,
    revision,
    laggards,
    fleet: floor?.fleet,
    rules: { ...soundRules, ...rules },
  });
}
