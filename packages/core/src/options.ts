import type { CacheOptions } from './cache/index.js';
import type { DatabaseOptions } from './db/index.js';
import type { HealthOptions } from './health/index.js';
import type { JobsOptions } from './jobs/index.js';
import type { Clock } from './kernel/clock.js';
import type { Logger } from './kernel/logger.js';
import { type OptionsReader, readOptions } from './kernel/options.js';
import type { LifecycleOptions } from './lifecycle/index.js';
import type { LimitsOptions } from './limits/index.js';
import type { MetricsOptions } from './metrics/index.js';
import type { OverloadOptions } from './overload/index.js';
import type { RealtimeOptions } from './realtime/index.js';
import type { RedisOption } from './redis/options.js';

/** A room's options, without what the kit says once for all rooms. */
type InKit<Options> = Omit<Options, 'name' | 'redis'>;

/** Options of `createPando`: what all rooms share, and each room's own. */
export interface PandoOptions {
  /** Part of every Redis key, cookie and header name: kits that share a Redis must differ in it. @defaultValue `'app'` */
  readonly name?: string | undefined;
  /** Names this process to people and to the fleet; unique among live instances. @defaultValue host name and a random part */
  readonly instanceId?: string | undefined;
  /** URL, options, or an ioredis client of yours. Absent: memory drivers, one process. */
  readonly redis?: RedisOption | undefined;
  /**
   * Signs tokens; the same on every instance, at least 16 characters.
   *
   * @defaultValue the fleet agrees on a random one in Redis; without Redis it lasts as long as the process
   */
  readonly secret?: string | undefined;
  /** Writes log lines; a pino logger fits. @defaultValue writes nothing */
  readonly logger?: Logger | undefined;
  /** Where time comes from; for tests. @defaultValue the machine's */
  readonly clock?: Clock | undefined;
  /** One primary and its replicas. Absent: `pando.db` rejects whatever is asked of it. */
  readonly db?: InKit<DatabaseOptions> | undefined;
  /** Values that are kept near, and never older than an acknowledged invalidation. */
  readonly cache?: InKit<CacheOptions> | undefined;
  /** Channels and the connections that follow them. */
  readonly realtime?: InKit<RealtimeOptions> | undefined;
  /** How much anybody may ask for. */
  readonly limits?: InKit<LimitsOptions> | undefined;
  /** Scheduled work that one instance of the fleet does. */
  readonly jobs?: InKit<JobsOptions> | undefined;
  /** What the instance takes upon itself; `{}` for the defaults. Absent: every request that arrives. */
  readonly overload?: OverloadOptions | undefined;
  /** What balancers and orchestrators are told. */
  readonly health?: HealthOptions | undefined;
  /** What Prometheus is told. */
  readonly metrics?: MetricsOptions | undefined;
  /** How the instance begins and ends. */
  readonly lifecycle?: LifecycleOptions | undefined;
}

/** The part of the options that the kit reads itself; rooms read theirs. */
export interface KitOptions {
  readonly name: string;
  readonly instanceId: string | undefined;
  readonly secret: string | undefined;
}

/** What applies when an option of the kit is absent. */
export const pandoDefaults = Object.freeze({ name: 'app' });

const rooms = [
  'db',
  'cache',
  'realtime',
  'limits',
  'jobs',
  'overload',
  'health',
  'metrics',
  'lifecycle',
] as const;
const loggerMethods = ['debug', 'info', 'warn', 'error'];
const clockMethods = ['now', 'monotonic', 'after', 'every'];

/** Checks what belongs to the kit; throws `PandoOptionsError` before anything is opened. */
export function resolvePandoOptions(options: PandoOptions): KitOptions {
  const read = readOptions('', options);
  const resolved = {
    name: read.string('name', pandoDefaults.name),
    instanceId: read.string('instanceId', undefined),
    secret: read.string('secret', undefined),
  };
  if (resolved.instanceId !== undefined && !/^[\x21-\x7e]+$/.test(resolved.instanceId)) {
    read.fail('instanceId', 'printable ASCII without spaces: it is sent as a header');
  }
  if (resolved.secret !== undefined && resolved.secret.length < 16) {
    // The value stays out of the message.
    read.failUnshown('secret', 'a random text of at least 16 characters, the same on every instance');
  }
  for (const room of rooms) {
    const value = read.any(room);
    if (value === undefined) continue;
    if (typeof value !== 'object' || value === null) read.fail(room, 'an object');
    refuseSharedOptions(read.nested(room));
  }
  if (!offers(read.any('logger'), loggerMethods)) {
    read.fail('logger', 'an object with debug, info, warn and error, such as a pino logger');
  }
  if (!offers(read.any('clock'), clockMethods)) {
    read.fail('clock', 'an object with now, monotonic, after and every');
  }
  read.any('redis'); // checked by the floor that is made of it
  read.done();
  return resolved;
}

/** A room that is used alone has options that the kit says once for all. */
function refuseSharedOptions(room: OptionsReader): void {
  for (const key of ['redis', 'name']) {
    if (room.any(key) !== undefined) room.fail(key, `left out: the kit's own "${key}" holds for all rooms`);
  }
}

function offers(value: unknown, methods: readonly string[]): boolean {
  if (value === undefined) return true;
  if (typeof value !== 'object' || value === null) return false;
  return methods.every((method) => typeof (value as Record<string, unknown>)[method] === 'function');
}
