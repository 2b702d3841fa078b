import { randomUUID } from 'node:crypto';
import { createKernel, type Kernel } from '../kernel/kernel.js';
import type { Laggards } from '../kernel/laggards.js';
import type { TokenCodec } from '../kernel/token-codec.js';
import { createRedisFloor } from '../redis/floor.js';
import type { RedisFloor } from '../redis/ports.js';
import type { Realtime } from './api.js';
import { createMemoryWorld, MemoryBroker, type MemoryWorld } from './drivers/memory.js';
import { OpenTelemetrySpans } from './drivers/open-telemetry.js';
import { RedisBroker } from './drivers/redis.js';
import { type RealtimeOptions, type ResolvedRealtimeOptions, resolveRealtimeOptions } from './options.js';
import type { Broker } from './ports.js';
import { RealtimeRoom } from './realtime.js';

export { createMemoryWorld, MemoryWorld, type MemoryWorldInit } from './drivers/memory.js';

/** What a realtime room may be given by its surroundings. */
export interface RealtimeWiring {
  readonly kernel?: Kernel | undefined;
  /** The kit's connections; never closed here. */
  readonly redis?: RedisFloor | undefined;
  /** Writes causal tokens into events. Absent: events carry none. */
  readonly tokens?: TokenCodec | undefined;
  /** Knows who may still serve the past. Absent: nobody. */
  readonly laggards?: Laggards | undefined;
  /** Names this instance in messages, where there is no Redis floor that does. @defaultValue a random UUID */
  readonly instanceId?: string | undefined;
  /** Where channels live without Redis: rooms that share a world behave like instances that share a Redis. */
  readonly world?: MemoryWorld | undefined;
}

/**
 * Creates the realtime room. With Redis the instances of the fleet share all channels; without, this process is alone.
 *
 * @throws `PandoOptionsError` for options that cannot be right.
 *
 * @example
 * ```ts
 * const realtime = createRealtime({ redis: process.env.REDIS_URL });
 * await realtime.start();
 * await realtime.subscribe('orders', ({ data }) => console.log(data));
 * await realtime.publish('orders', { id: 42, status: 'shipped' });
 * ```
 */
export function createRealtime(options: RealtimeOptions = {}, wiring: RealtimeWiring = {}): Realtime {
  const resolved = resolveRealtimeOptions(options);
  const kernel = wiring.kernel ?? createKernel({ name: resolved.name });
  const { tokens, laggards } = wiring;
  return new RealtimeRoom({
    kernel,
    options: resolved,
    broker: createBroker(resolved, kernel, wiring),
    tokens,
    laggards,
    spans: resolved.spans ? new OpenTelemetrySpans() : undefined,
  });
}

function createBroker(
  { redis: option, retention }: ResolvedRealtimeOptions,
  kernel: Kernel,
  { redis: given, instanceId = randomUUID(), world }: RealtimeWiring,
): Broker {
  const redis =
    given ?? (option === undefined ? undefined : createRedisFloor(option, kernel, { instanceId }));
  if (redis !== undefined) return new RedisBroker(redis, retention, { ownsFloor: redis !== given });
  return new MemoryBroker(world ?? createMemoryWorld({ clock: kernel.clock }), retention, instanceId);
}
