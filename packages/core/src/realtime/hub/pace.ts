import type { ReadOptions } from '../ports.js';

/** The most that is read of logs at once. */
export interface PaceLimits {
  /** Entries of one read. */
  readonly pageEntries: number;
  /** Bytes of one read, where they hold more than two entries. */
  readonly pageBytes: number;
  /** Reads at a time. */
  readonly concurrentReads: number;
}

/** A read still needs two entries: where it begins, and what follows. */
const LEAST_ENTRIES = 2;
const LEAST_SHARE = 1 / 64;
const GROWTH = 1.25;

/**
 * How much is read of logs at once.
 *
 * All reads share one way, and each has a deadline: where entries are large or the way is narrow, many that set out together
 * all come too late, and would again with every new attempt. So each failure makes reads smaller and fewer, and each
 * success lets them grow.
 */
export class Pace {
  readonly #limits: PaceLimits;
  #share = 1;
  /** How often it has slowed down. */
  #slowed = 0;

  constructor(limits: PaceLimits) {
    this.#limits = limits;
  }

  /** Entries of the next read. */
  get entries(): number {
    return Math.max(LEAST_ENTRIES, Math.floor(this.#limits.pageEntries * this.#share));
  }

  /** Bytes of the next read. */
  get bytes(): number {
    return Math.floor(this.#limits.pageBytes * this.#share);
  }

  /** Reads at a time. */
  get atOnce(): number {
    return Math.max(1, Math.floor(this.#limits.concurrentReads * this.#share));
  }

  /** Runs one read of that size, and learns from its outcome. */
  async run<T>(read: (size: Pick<ReadOptions, 'limit' | 'maxBytes'>) => Promise<T>): Promise<T> {
    const slowed = this.#slowed;
    try {
      const outcome = await read({ limit: this.entries, maxBytes: this.bytes });
      this.#share = Math.min(1, this.#share * GROWTH);
      return outcome;
    } catch (cause) {
      // Those that were on their way together have failed together: that counts once.
      if (slowed === this.#slowed) {
        this.#slowed++;
        this.#share = Math.max(LEAST_SHARE, this.#share / 2);
      }
      throw cause;
    }
  }
}
