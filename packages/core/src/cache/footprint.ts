import { isEmptyToken, type Token } from '../kernel/token.js';

/** What every entry takes, its part of the map and of what is known about its tags included. */
export const ENTRY_BYTES = 512;

/** What one value inside the process consists of, as far as its size goes. */
export interface Footprint {
  readonly key: string;
  readonly value: unknown;
  readonly tags: readonly string[];
  readonly seen: Token;
  /** Size of the encoded value: the least that is assumed of the decoded one, whose text may take two bytes a letter. */
  readonly encodedBytes: number;
}

/*
 * What V8 gives things on a 64-bit machine, measured with `test/exclusive/cache-memory.test.ts`: a slot is a pointer, texts
 * have a header, and objects from a decoder room for four properties at least.
 */
const POSITION_BYTES = 240;
const SLOT_BYTES = 8;
const TEXT_BYTES = 20;
const NUMBER_BYTES = 16;
const OBJECT_BYTES = 24;
const ARRAY_BYTES = 48;
const OTHER_BYTES = 96;
/** Objects with more properties are taken for dictionaries, whose names no other object shares. */
const SHAPED_UP_TO = 32;
const DICTIONARY_BYTES = 100;

/** Elements of a list that are looked at; they stand for the others. */
const SAMPLES = 16;
/** Things looked at in one value. */
const MAX_STEPS = 1_000;

/**
 * How much memory a value takes with everything that is kept beside it, roughly.
 *
 * The encoded size alone says little: `{}` takes two bytes in JSON, and sixty decoded. What is looked at is bounded, so that
 * a large value costs a few microseconds more than its decoding.
 */
export function footprintOf({ key, value, tags, seen, encodedBytes }: Footprint): number {
  const texts = tags.reduce(
    (sum, tag) => sum + TEXT_BYTES + SLOT_BYTES + tag.length,
    TEXT_BYTES + key.length,
  );
  const positions = isEmptyToken(seen) ? 0 : seen.db.length + seen.cache.length;
  const decoded = Math.max(new Scale().weigh(value), encodedBytes);
  return Math.ceil(ENTRY_BYTES + texts + positions * POSITION_BYTES + decoded);
}

/** Weighs values, until it has taken so many steps that the rest counts for next to nothing: values may have cycles. */
class Scale {
  #steps = 0;

  weigh(value: unknown): number {
    if (typeof value === 'string') return TEXT_BYTES + value.length;
    if (typeof value === 'number')
      return Number.isInteger(value) && Math.abs(value) < 2 ** 31 ? 0 : NUMBER_BYTES;
    if (typeof value === 'bigint') return OBJECT_BYTES;
    if (typeof value !== 'object' || value === null) return 0;
    this.#steps++;
    if (this.#steps > MAX_STEPS) return OBJECT_BYTES;
    if (Array.isArray(value)) return ARRAY_BYTES + this.#list(value);
    if (ArrayBuffer.isView(value)) return OTHER_BYTES + value.byteLength;
    if (value instanceof Map)
      return OTHER_BYTES + this.#list([...value.keys()]) + this.#list([...value.values()]);
    if (value instanceof Set) return OTHER_BYTES + this.#list([...value]) * 2;
    return value instanceof Date ? OTHER_BYTES : this.#object(value);
  }

  #list(list: readonly unknown[]): number {
    const step = Math.max(1, list.length / SAMPLES);
    let looked = 0;
    let bytes = 0;
    for (let at = 0; at < list.length; at += step) {
      bytes += this.weigh(list[Math.floor(at)]);
      looked++;
    }
    return SLOT_BYTES * list.length + (looked === 0 ? 0 : (bytes / looked) * list.length);
  }

  #object(object: object): number {
    let properties = 0;
    let bytes = OBJECT_BYTES;
    for (const name in object) {
      bytes += this.weigh((object as Record<string, unknown>)[name]);
      properties++;
    }
    if (properties <= SHAPED_UP_TO) return bytes + SLOT_BYTES * Math.max(4, properties);
    return bytes + DICTIONARY_BYTES * properties;
  }
}
