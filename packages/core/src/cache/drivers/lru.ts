import { LRUCache } from 'lru-cache';
import type { LocalEntry, LocalLevel } from '../ports.js';

/** Bookkeeping of one entry, roughly, so that many small values do not pass for nothing. */
const ENTRY_BYTES = 256;

/** A local level bounded by number and, optionally, by the sum of the encoded sizes. */
export function createLruLevel({
  maxEntries,
  maxBytes,
}: {
  readonly maxEntries: number;
  readonly maxBytes: number | undefined;
}): LocalLevel {
  const entries = new LRUCache<string, LocalEntry>({
    max: maxEntries,
    ...(maxBytes === undefined ? {} : { maxSize: maxBytes }),
  });
  return {
    get size() {
      return entries.size;
    },
    get: (key) => entries.get(key),
    set: (key, entry, bytes) =>
      void entries.set(key, entry, maxBytes === undefined ? {} : { size: bytes + ENTRY_BYTES }),
    delete: (key) => void entries.delete(key),
    clear: () => entries.clear(),
  };
}
