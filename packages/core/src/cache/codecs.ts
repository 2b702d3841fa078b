import { deserialize, serialize } from 'node:v8';
import { constants, deflateRawSync, inflateRawSync } from 'node:zlib';
import { type Codec, jsonCodec } from '../kernel/codec.js';
import { readOptions } from '../kernel/options.js';

export { type Codec, jsonCodec } from '../kernel/codec.js';

/**
 * Keeps what JSON loses: `Date`, `Map`, `Set`, `bigint`, buffers and typed arrays, `undefined`, `NaN`, cycles.
 *
 * What the structured clone algorithm refuses cannot be cached: functions and symbols reject with `CacheValueError`.
 * Instances of classes come back as plain objects. An instance on an older Node may find bytes of a newer one unreadable:
 * it loads the value then. Decoding takes two to four times as long as JSON's, encoding about as long.
 *
 * @example
 * ```ts
 * import { binaryCodec, createCache } from '@pando/core/cache';
 *
 * const cache = createCache({ codec: binaryCodec });
 * await cache.start();
 * const since = await cache.getOrLoad('since', () => new Date());
 * since.getFullYear();
 * ```
 */
export const binaryCodec: Codec = Object.freeze({
  name: 'v8',
  encode: (value: unknown) => serialize(value),
  // Decoded buffers lie on the memory that they are read from: on a copy, so that they neither keep nor share what else
  // arrived from Redis with them.
  decode: (bytes: Buffer) => deserialize(new Uint8Array(bytes)) as unknown,
});

/** When to compress. */
export interface CompressionOptions {
  /** Values that are encoded to less are stored as they are. @defaultValue `8_192` */
  readonly minBytes?: number | undefined;
}

/** The defaults of {@link compressed}. */
export const compressionDefaults = Object.freeze({ minBytes: 8_192 });

/** How a payload begins: what follows are the bytes of the inner codec, as they are or deflated. */
const PLAIN = 0;
const DEFLATED = 1;
/** The fastest level takes less time than the JSON of the same value; better ones take several times as long for a few percent. */
const deflating = Object.freeze({ level: constants.Z_BEST_SPEED });

/**
 * Lets another codec's bytes take less room in Redis and on the way, at the cost of some microseconds for each kilobyte.
 *
 * Bytes that do not get fewer stay as they are. The name is the inner codec's with `+z` behind it: instances that do not
 * compress, and values from before, are read as absent.
 *
 * @throws `PandoOptionsError` for options that cannot be right.
 *
 * @example
 * ```ts
 * import { compressed, createCache, jsonCodec } from '@pando/core/cache';
 *
 * const cache = createCache({ codec: compressed(jsonCodec, { minBytes: 4_096 }) });
 * ```
 */
export function compressed(codec: Codec = jsonCodec, options: CompressionOptions = {}): Codec {
  const reader = readOptions('cache.codec', options);
  const minBytes = reader.bytes('minBytes', compressionDefaults.minBytes);
  reader.done();
  return Object.freeze({
    name: `${codec.name}+z`,
    encode(value: unknown): Buffer {
      const bytes = codec.encode(value);
      if (bytes.length >= minBytes) {
        const deflated = deflateRawSync(bytes, deflating);
        if (deflated.length < bytes.length) return prefixed(DEFLATED, deflated);
      }
      return prefixed(PLAIN, bytes);
    },
    decode(bytes: Buffer): unknown {
      const rest = bytes.subarray(1);
      if (bytes[0] === PLAIN) return codec.decode(rest);
      if (bytes[0] === DEFLATED) return codec.decode(inflateRawSync(rest));
      throw new Error('neither plain nor deflated');
    },
  });
}

function prefixed(prefix: number, bytes: Buffer): Buffer {
  const whole = Buffer.allocUnsafe(1 + bytes.length);
  whole[0] = prefix;
  bytes.copy(whole, 1);
  return whole;
}
