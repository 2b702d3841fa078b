import { messageOf, PandoError } from '../kernel/errors.js';

/**
 * A key or tag cannot be one: it is not a text of 1 to 512 characters. Thrown at once; nothing was loaded or
 * invalidated.
 *
 * Build keys of short identifiers, such as `post:42`. Hash what is longer; look for a missing id in what is empty.
 */
export class CacheKeyError extends PandoError {
  constructor(what: string, value: unknown) {
    const shown = typeof value === 'string' ? `${value.length} characters` : typeof value;
    super({
      code: 'PANDO_CACHE_KEY',
      message: `A cache ${what} must be a text of 1 to 512 characters, got ${shown}.`,
    });
  }
}

/**
 * A load took longer than `cache.loadTimeoutMs`; its signal has been aborted. Everybody who waited for it gets this
 * error.
 *
 * Pass the loader's `signal` on to the query or request inside it, make that faster, or raise `cache.loadTimeoutMs`.
 */
export class CacheLoadTimeoutError extends PandoError {
  constructor(key: string, timeoutMs: number) {
    super({
      code: 'PANDO_CACHE_LOAD_TIMEOUT',
      message: `Loading "${key}" took longer than ${timeoutMs} ms. Make the loader honour its signal and faster, or raise cache.loadTimeoutMs.`,
      retryable: true,
      status: 503,
    });
  }
}

/**
 * Loading a value came to need that value: its loader asked for the key that it was loading, itself or through other
 * loaders, or two of them asked for each other's. Nobody waits for `cache.loadTimeoutMs` then: the inner call rejects at once.
 *
 * A key has one value and one way to load it. Inside the loader, call the function that loads, not the one that caches; where
 * the data refer to each other, load the ids of what is referred to, not its values.
 */
export class CacheCycleError extends PandoError {
  constructor(key: string, way: readonly string[]) {
    super({
      code: 'PANDO_CACHE_CYCLE',
      message: `Loading "${key}" needs "${key}" itself: ${way.join(' → ')}. Inside a loader, call what loads the value, not what caches it.`,
    });
  }
}

/**
 * A loaded value cannot be stored, because the codec cannot encode it: a `bigint` or a cycle in JSON, say.
 *
 * Return plain data from the loader, or give `cache.codec` one that can encode it: `binaryCodec` takes all but functions and
 * symbols. `cause` is what the codec threw.
 */
export class CacheValueError extends PandoError {
  constructor(key: string, codec: string, cause: unknown) {
    super({
      code: 'PANDO_CACHE_VALUE',
      message: `The value of "${key}" cannot be encoded as ${codec}: ${messageOf(cause)}. Return plain data from the loader, or set cache.codec.`,
      cause,
    });
  }
}
