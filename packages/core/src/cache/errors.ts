import { messageOf, PandoError } from '../kernel/errors.js';

/** A key or tag cannot be one. */
export class CacheKeyError extends PandoError {
  constructor(what: string, value: unknown) {
    const shown = typeof value === 'string' ? `${value.length} characters` : typeof value;
    super({
      code: 'PANDO_CACHE_KEY',
      message: `A cache ${what} must be a text of 1 to 512 characters, got ${shown}.`,
    });
  }
}

/** A load took longer than `cache.loadTimeoutMs`; its signal has been aborted. */
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

/** A loaded value cannot be stored, because the codec cannot encode it. */
export class CacheValueError extends PandoError {
  constructor(key: string, codec: string, cause: unknown) {
    super({
      code: 'PANDO_CACHE_VALUE',
      message: `The value of "${key}" cannot be encoded as ${codec}: ${messageOf(cause)}. Return plain data from the loader, or set cache.codec.`,
      cause,
    });
  }
}
