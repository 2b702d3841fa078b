export type {
  Cache,
  GetOrLoadOptions,
  InvalidateOptions,
  Invalidation,
  Loader,
  LoaderOptions,
} from './api.js';
export { type CacheWiring, createCache } from './create.js';
export { CacheKeyError, CacheLoadTimeoutError, CacheValueError } from './errors.js';
export { cacheInstruments } from './metrics.js';
export { type CacheOptions, cacheDefaults, type LocalLevelOptions } from './options.js';
