import type { Codec } from '../kernel/codec.js';
import { type Copies, freezing } from './copies.js';

/** How values are encoded, and what those share who get one. */
export interface Keeping {
  readonly codec: Codec;
  readonly copies: Copies;
}

/** Keys that begin alike, and whose values are kept in a way of their own. */
interface Part extends Keeping {
  readonly prefix: string;
  /** What decodes, and freezes where values are frozen. */
  readonly effective: Codec;
}

/**
 * The codec of each key: that of its namespace, or else that of the cache. So it does not matter who reads a value, and by
 * which of its names.
 */
export class KeyCodecs {
  readonly usual: Keeping;
  readonly #effective: Codec;
  /** Longest prefix first. */
  #parts: readonly Part[] = [];

  constructor({ codec, copies }: Keeping) {
    this.usual = { codec, copies };
    this.#effective = effectiveOf({ codec, copies });
  }

  of(key: string): Codec {
    if (this.#parts.length === 0) return this.#effective;
    return this.#parts.find(({ prefix }) => key.startsWith(prefix))?.effective ?? this.#effective;
  }

  /** Keeps values of keys that begin so in this way from now on; false where others keep them in another way already. */
  claim(prefix: string, keeping: Keeping): boolean {
    const present = this.#parts.find((part) => part.prefix === prefix);
    if (present !== undefined) return isSame(present, keeping);
    const part = { ...keeping, prefix, effective: effectiveOf(keeping) };
    this.#parts = [...this.#parts, part].sort((a, b) => b.prefix.length - a.prefix.length);
    return true;
  }
}

function effectiveOf({ codec, copies }: Keeping): Codec {
  return copies === 'frozen' ? freezing(codec) : codec;
}

function isSame(one: Keeping, other: Keeping): boolean {
  return one.codec === other.codec && one.copies === other.copies;
}
