export type {
  Cache,
  GetOrLoadOptions,
  InvalidateOptions,
  Invalidation,
  Loader,
  LoaderOptions,
} from './api.js';
export { CacheKeyError, CacheLoadTimeoutError, CacheValueError } from './errors.js';
export { type CacheOptions, cacheDefaults, type LocalLevelOptions } from './options.js';
