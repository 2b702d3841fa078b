import type { Codec } from '../kernel/codec.js';
import { CacheValueError } from './errors.js';

/** Turns the value of a key into bytes; throws `CacheValueError` where the codec cannot. */
export function encode(key: string, codec: Codec, value: unknown): Buffer {
  try {
    return codec.encode(value);
  } catch (cause) {
    throw new CacheValueError(key, codec.name, cause);
  }
}
