import type { Codec } from './codecs.js';
import { CacheValueError } from './errors.js';

/** The choices of {@link Copies}. */
export const copies = ['shared', 'frozen', 'cloned'] as const;

/** What the callers of one value share: the value itself, a value that none of them can change, or nothing. */
export type Copies = (typeof copies)[number];

/**
 * The same codec, whose decoded values cannot be changed. That costs something each time that a value is stored, or read from
 * the shared level; hits in the process cost nothing more.
 */
export function freezing(codec: Codec): Codec {
  return {
    name: codec.name,
    encode: (value) => codec.encode(value),
    decode: (bytes) => frozen(codec.decode(bytes)),
  };
}

/** Freezes a value with everything in it, but for what is kept beside properties: the time of a `Date`, entries, bytes. */
function frozen(value: unknown): unknown {
  // Who is frozen has been here before: values may have cycles.
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value;
  if (ArrayBuffer.isView(value)) return value; // cannot be frozen
  Object.freeze(value);
  for (const part of partsOf(value)) frozen(part);
  return value;
}

function partsOf(value: object): Iterable<unknown> {
  if (value instanceof Map) return [...value.keys(), ...value.values()];
  return value instanceof Set ? value : Object.values(value);
}

/** A copy of a value for one caller alone. Throws `CacheValueError` for what cannot be copied: something with functions in it. */
export function cloneOf<T>(key: string, value: T): T {
  if (typeof value !== 'object' || value === null) return value;
  try {
    return structuredClone(value);
  } catch (cause) {
    throw new CacheValueError(key, 'a clone', cause);
  }
}
