import { type Codec, jsonCodec } from '../kernel/codec.js';
import { type OptionsReader, readOptions } from '../kernel/options.js';
import type { RedisOption } from '../redis/options.js';
import { readCodec } from './codec-option.js';
import { type Copies, copies } from './copies.js';
import { type InteropOptions, type ResolvedInteropOptions, readInterop } from './interop-messages.js';
import { type Lifetime, type LifetimeOptions, lifetimeDefaults, readLifetime } from './lifetime.js';

/** Bounds of the level inside the process. */
export interface LocalLevelOptions {
  /** Values kept; the ones that were used longest ago make room. @defaultValue `50_000` */
  readonly maxEntries?: number | undefined;
  /** Memory that they take, roughly: the decoded values with everything that is kept beside them. @defaultValue `67_108_864` */
  readonly maxBytes?: number | undefined;
}

/** How values are kept. */
export interface CacheOptions extends LifetimeOptions {
  /** For a cache that stands alone; a kit hands its own connection over. Absent: values live in this process. */
  readonly redis?: RedisOption | undefined;
  /** For a cache that stands alone: its part of all keys. @defaultValue `'app'` */
  readonly name?: string | undefined;
  /** The level inside the process; `false` for none. */
  readonly local?: LocalLevelOptions | false | undefined;
  /**
   * How long the process believes that it has missed no invalidation, without fresh proof. Bounds how old a value may
   * be for readers without a token when announcements get lost unnoticed. @defaultValue `2_000`
   */
  readonly trustMs?: number | undefined;
  /** How long one instance keeps the others from loading the same key. @defaultValue `2_000` */
  readonly leaseMs?: number | undefined;
  /** How long a caller waits for the load of another instance before it loads itself. @defaultValue `1_000` */
  readonly waitMs?: number | undefined;
  /** Ends a load that takes longer. @defaultValue `30_000` */
  readonly loadTimeoutMs?: number | undefined;
  /** Loads at once in this process while the cache cannot shield the database: Redis is away or has lost its data. @defaultValue `50` */
  readonly maxLoads?: number | undefined;
  /**
   * After Redis has lost its data, loads read primaries for that long, since nobody knows what the invalidations before
   * demanded of replicas. At least the lag at which replicas leave rotation. @defaultValue `30_000`
   */
  readonly doubtMs?: number | undefined;
  /** Turns values into bytes: `jsonCodec`, `binaryCodec`, `compressed(…)`, or one of yours. @defaultValue JSON */
  readonly codec?: Codec | undefined;
  /**
   * What the callers of one stored value share. `'shared'`: the value; nobody may change it. `'frozen'`: the same, and an
   * attempt to change it throws; entries of a `Map` or `Set`, dates and bytes cannot be protected. `'cloned'`: nothing, each
   * gets a copy, at the cost of making it. What is not stored is given as the loader has made it.
   * @defaultValue `'shared'`
   */
  readonly copies?: Copies | undefined;
  /**
   * Understands, and speaks, what services say to one another that know nothing of Pando: `{ "resource_type": "post",
   * "resource_id": 7 }` on a channel of Redis, for the tag `post:7`. At most once: who is away misses it.
   * @defaultValue `false`
   */
  readonly interop?: InteropOptions | false | undefined;
  /**
   * Whether each call that this process cannot answer at once gets a span where the app has registered an OpenTelemetry
   * SDK; its key is part of it. @defaultValue `true`
   */
  readonly spans?: boolean | undefined;
}

/** The defaults. */
export const cacheDefaults = Object.freeze({
  name: 'app',
  ...lifetimeDefaults,
  local: Object.freeze({ maxEntries: 50_000, maxBytes: 64 * 1024 * 1024 }),
  trustMs: 2_000,
  leaseMs: 2_000,
  waitMs: 1_000,
  loadTimeoutMs: 30_000,
  maxLoads: 50,
  doubtMs: 30_000,
  codec: jsonCodec,
  copies: 'shared' as Copies,
  interop: false,
  spans: true,
});

/** Options with every default filled in. */
export interface ResolvedCacheOptions {
  readonly redis: RedisOption | undefined;
  readonly name: string;
  /** Of values whose caller does not say. */
  readonly lifetime: Lifetime;
  readonly local: { readonly maxEntries: number; readonly maxBytes: number } | false;
  readonly trustMs: number;
  readonly leaseMs: number;
  readonly waitMs: number;
  readonly loadTimeoutMs: number;
  readonly maxLoads: number;
  readonly doubtMs: number;
  readonly codec: Codec;
  readonly copies: Copies;
  readonly interop: ResolvedInteropOptions | undefined;
  readonly spans: boolean;
}

/** Checks the options; throws `PandoOptionsError`. */
export function resolveCacheOptions(options: CacheOptions = {}): ResolvedCacheOptions {
  const reader = readOptions('cache', options);
  const resolved: ResolvedCacheOptions = {
    redis: reader.any('redis') as RedisOption | undefined, // checked by the floor that is made of it
    name: reader.string('name', cacheDefaults.name),
    lifetime: readLifetime(reader, lifetimeDefaults),
    local: readLocal(reader),
    trustMs: reader.ms('trustMs', cacheDefaults.trustMs),
    leaseMs: reader.ms('leaseMs', cacheDefaults.leaseMs),
    waitMs: reader.ms('waitMs', cacheDefaults.waitMs),
    loadTimeoutMs: reader.ms('loadTimeoutMs', cacheDefaults.loadTimeoutMs),
    maxLoads: reader.int('maxLoads', cacheDefaults.maxLoads, { min: 1 }),
    doubtMs: reader.ms('doubtMs', cacheDefaults.doubtMs),
    codec: readCodec(reader, cacheDefaults.codec),
    copies: reader.oneOf('copies', copies, cacheDefaults.copies),
    interop: readInterop(reader),
    spans: reader.boolean('spans', cacheDefaults.spans),
  };
  reader.done();
  return resolved;
}

function readLocal(cache: OptionsReader): ResolvedCacheOptions['local'] {
  const reader = cache.nestedOrFalse('local');
  if (reader === false) return false;
  const resolved = {
    maxEntries: reader.int('maxEntries', cacheDefaults.local.maxEntries, { min: 1 }),
    maxBytes: reader.bytes('maxBytes', cacheDefaults.local.maxBytes),
  };
  reader.done();
  return resolved;
}
