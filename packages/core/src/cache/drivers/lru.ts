import { LRUCache } from 'lru-cache';
import { type Meter, noopMeter } from '../../kernel/meter.js';
import { ENTRY_BYTES } from '../footprint.js';
import { cacheInstruments } from '../metrics.js';
import type { LocalEntry, LocalLevel } from '../ports.js';

/** What a local level may hold. */
export interface LruBounds {
  readonly maxEntries: number;
  readonly maxBytes: number;
}

/** A local level bounded by number and by memory. */
export function createLruLevel({ maxEntries, maxBytes }: LruBounds, meter: Meter = noopMeter): LocalLevel {
  const crowdedOut = meter.counter(cacheInstruments.evictions, { reason: 'room' });
  const tooLarge = meter.counter(cacheInstruments.evictions, { reason: 'too_large' });
  const entries = new LRUCache<string, LocalEntry>({
    max: Math.min(maxEntries, Math.ceil(maxBytes / ENTRY_BYTES)), // room for as many is made at once
    maxSize: maxBytes,
    dispose: (_, __, reason) => {
      if (reason === 'evict') crowdedOut.add();
    },
  });
  return {
    get size() {
      return entries.size;
    },
    get bytes() {
      return entries.calculatedSize;
    },
    get: (key) => entries.get(key),
    set(key, entry, size) {
      if (size > maxBytes) tooLarge.add();
      entries.set(key, entry, { size });
    },
    delete: (key) => void entries.delete(key),
    clear: () => entries.clear(),
  };
}
