import { createKernel, type Kernel } from '../kernel/kernel.js';
import { createRedisFloor } from '../redis/floor.js';
import type { RedisFloor } from '../redis/ports.js';
import { createLimiter } from './drivers/limiter.js';
import { createLimiterStore } from './drivers/limiter-store.js';
import { createMemoryStore, createMemoryWorld, type MemoryWorld } from './drivers/memory.js';
import { createMemoryBans } from './drivers/memory-bans.js';
import { createRedisStore } from './drivers/redis.js';
import { createRedisBans } from './drivers/redis-bans.js';
import { type Limits, LimitsRoom } from './limits.js';
import { type LimitsOptions, type ResolvedLimitsOptions, resolveLimitsOptions } from './options.js';
import type { LimitStore } from './ports.js';

export { createMemoryWorld, type MemoryWorld } from './drivers/memory.js';

/** What a limits room may be given by its surroundings. */
export interface LimitsWiring {
  readonly kernel?: Kernel | undefined;
  /** The kit's connections; never closed here. */
  readonly redis?: RedisFloor | undefined;
  /** Where counters live without Redis: rooms that share a world count together. */
  readonly world?: MemoryWorld | undefined;
}

/**
 * Creates the limits room. With Redis all instances count together once {@link Limits.start} has connected it; without,
 * this process counts alone.
 *
 * @throws `PandoOptionsError` for options that cannot be right.
 *
 * @example
 * ```ts
 * const limits = createLimits({ redis: process.env.REDIS_URL, policies: { write: ['10/s', '60/min'] } });
 * await limits.start();
 * const { allowed, retryAfterMs } = await limits.consume('write', user.id);
 * ```
 */
export function createLimits(options: LimitsOptions = {}, wiring: LimitsWiring = {}): Limits {
  const resolved = resolveLimitsOptions(options);
  const kernel = wiring.kernel ?? createKernel({ name: resolved.name });
  const local = createMemoryStore({
    clock: kernel.clock,
    maxKeys: resolved.maxLocalKeys,
    world: wiring.world,
  });
  const redis = floorOf(resolved, kernel, wiring.redis);
  const isOwner = redis !== wiring.redis;
  const { decisionTimeoutMs: timeoutMs } = resolved;
  const { bans } = wiring.world ?? createMemoryWorld();
  return new LimitsRoom({
    kernel,
    policies: resolved.policies,
    protections: resolved.protections,
    store: redis === undefined ? local : createRedisStore({ redis, isOwner, timeoutMs }),
    local,
    bans: redis === undefined ? createMemoryBans(bans, kernel.clock) : createRedisBans(redis),
    stores: createOwnStores(resolved, kernel),
    allowed: resolved.allowed,
    allowedByAll: resolved.allowedByAll,
    limiter: createLimiter,
  });
}

function createOwnStores(
  { stores, decisionTimeoutMs: timeoutMs }: ResolvedLimitsOptions,
  { clock }: Kernel,
): ReadonlyMap<string, LimitStore> {
  const each = [...stores].map(
    ([name, limiter]) => [name, createLimiterStore({ limiter, clock, timeoutMs })] as const,
  );
  return new Map(each);
}

function floorOf(
  { redis: option }: ResolvedLimitsOptions,
  kernel: Kernel,
  given: RedisFloor | undefined,
): RedisFloor | undefined {
  return given ?? (option === undefined ? undefined : createRedisFloor(option, kernel));
}
