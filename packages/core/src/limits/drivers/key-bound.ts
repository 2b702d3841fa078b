import type { Clock } from '../../kernel/clock.js';

/** How many counters those share who find no place of their own. */
const overflowCounters = 64;

/**
 * Bounds how many keys have a counter of their own within one window length.
 *
 * A key that finds no place shares a counter with others: no live counter is evicted for it, for then whoever makes up
 * keys could reset the count of everybody else.
 */
export class KeyBound {
  readonly #clock: Clock;
  readonly #windowMs: number;
  readonly #maxKeys: number;
  /** When each key's window ends. All windows have one length: in order of insertion they end in order, too. */
  readonly #endsAt = new Map<string, number>();

  constructor(clock: Clock, windowMs: number, maxKeys: number) {
    this.#clock = clock;
    this.#windowMs = windowMs;
    this.#maxKeys = maxKeys;
  }

  get size(): number {
    return this.#endsAt.size;
  }

  /** What the key is counted under. */
  admit(key: string): string {
    const now = this.#clock.monotonic();
    const endsAt = this.#endsAt.get(key);
    if (endsAt !== undefined && endsAt > now) return key;
    this.#forgetEnded(now);
    if (this.#endsAt.size >= this.#maxKeys) return `\0overflow:${hash(key) % overflowCounters}`;
    this.#endsAt.set(key, now + this.#windowMs);
    return key;
  }

  #forgetEnded(now: number): void {
    for (const [key, endsAt] of this.#endsAt) {
      if (endsAt > now) return;
      this.#endsAt.delete(key);
    }
  }
}

/** FNV-1a. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let index = 0; index < text.length; index++)
    value = Math.imul(value ^ text.charCodeAt(index), 0x01000193);
  return value >>> 0;
}
