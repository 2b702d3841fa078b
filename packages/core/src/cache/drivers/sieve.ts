import { type Meter, noopMeter } from '../../kernel/meter.js';
import type { LocalEntry } from '../local-entry.js';
import { cacheInstruments } from '../metrics.js';
import type { LocalLevel } from '../ports.js';

/** What a local level may hold. */
export interface LocalBounds {
  readonly maxEntries: number;
  readonly maxBytes: number;
}

/** Creates a local level bounded by number and by memory. */
export function createSieveLevel(bounds: LocalBounds, meter: Meter = noopMeter): LocalLevel {
  return new SieveLevel(bounds, meter);
}

/**
 * Values in the order in which they came, and a hand that goes from old to new when room is needed: it spares what was used
 * since it last came by, and takes the first that was not (SIEVE, NSDI '24).
 *
 * As good as taking what was not used for longest, or better, and a hit moves nothing: it leaves a mark.
 */
class SieveLevel implements LocalLevel {
  readonly #entries = new Map<string, LocalEntry>();
  readonly #bounds: LocalBounds;
  readonly #crowdedOut;
  readonly #tooLarge;
  #oldest: LocalEntry | undefined;
  #newest: LocalEntry | undefined;
  /** Where the hand goes on; undefined: at the oldest. */
  #hand: LocalEntry | undefined;
  #bytes = 0;

  constructor(bounds: LocalBounds, meter: Meter) {
    this.#bounds = bounds;
    this.#crowdedOut = meter.counter(cacheInstruments.evictions, { reason: 'room' });
    this.#tooLarge = meter.counter(cacheInstruments.evictions, { reason: 'too_large' });
  }

  get size(): number {
    return this.#entries.size;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get(key: string): LocalEntry | undefined {
    const entry = this.#entries.get(key);
    if (entry !== undefined) entry.isUsed = true;
    return entry;
  }

  set(entry: LocalEntry): void {
    const { key, bytes } = entry;
    const { maxEntries, maxBytes } = this.#bounds;
    const before = this.#entries.get(key);
    if (before !== undefined) {
      this.#remove(before);
      entry.isUsed = before.isUsed;
    }
    if (bytes > maxBytes) {
      this.#tooLarge.add();
      return;
    }
    while (this.#entries.size >= maxEntries || this.#bytes + bytes > maxBytes) this.#makeRoom();
    this.#entries.set(key, entry);
    this.#bytes += bytes;
    entry.older = this.#newest;
    if (this.#newest === undefined) this.#oldest = entry;
    else this.#newest.newer = entry;
    this.#newest = entry;
  }

  delete(key: string): void {
    const entry = this.#entries.get(key);
    if (entry !== undefined) this.#remove(entry);
  }

  clear(): void {
    this.#entries.clear();
    this.#bytes = 0;
    this.#oldest = undefined;
    this.#newest = undefined;
    this.#hand = undefined;
  }

  #makeRoom(): void {
    let entry = (this.#hand ?? this.#oldest) as LocalEntry;
    while (entry.isUsed) {
      entry.isUsed = false;
      entry = (entry.newer ?? this.#oldest) as LocalEntry;
    }
    this.#hand = entry;
    this.#remove(entry);
    this.#crowdedOut.add();
  }

  #remove(entry: LocalEntry): void {
    const { key, bytes, older, newer } = entry;
    this.#entries.delete(key);
    this.#bytes -= bytes;
    if (this.#hand === entry) this.#hand = newer;
    if (older === undefined) this.#oldest = newer;
    else older.newer = newer;
    if (newer === undefined) this.#newest = older;
    else newer.older = older;
    // Whoever still holds it must not hold its neighbours, and theirs, too.
    entry.older = undefined;
    entry.newer = undefined;
  }
}
