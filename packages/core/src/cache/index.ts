export type {
  Cache,
  CacheNamespace,
  GetOptions,
  GetOrLoadManyOptions,
  GetOrLoadOptions,
  InvalidateOptions,
  Invalidation,
  Loader,
  LoaderOptions,
  ManyLoader,
  NamespaceOptions,
  SetOptions,
  SetOutcome,
  WrapOptions,
  Wrapped,
} from './api.js';
export {
  binaryCodec,
  type Codec,
  type CompressionOptions,
  compressed,
  compressionDefaults,
  jsonCodec,
} from './codecs.js';
export type { Copies } from './copies.js';
export {
  type CacheWiring,
  createCache,
  createMemoryWorld,
  type MemoryWorld,
  type MemoryWorldOptions,
} from './create.js';
export { CacheCycleError, CacheKeyError, CacheLoadTimeoutError, CacheValueError } from './errors.js';
export type { Expiries, Expiry } from './expiries.js';
export type {
  CacheExplanation,
  ExplainedRule,
  ExplainedValue,
  ExplainOptions,
  Finding,
  LevelExplanation,
} from './explanation.js';
export { type InteropOptions, interopDefaults } from './interop-messages.js';
export type { Lifetime, LifetimeOptions } from './lifetime.js';
export { cacheInstruments } from './metrics.js';
export { type CacheOptions, cacheDefaults, type LocalLevelOptions } from './options.js';
export type {
  Announcement,
  CacheClock,
  InvalidationRequest,
  LoadStart,
  LogReply,
  ReadReply,
  SharedLevel,
  SharedLevelEvents,
  TagMove,
} from './ports.js';
