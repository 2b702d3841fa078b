import { createHash } from 'node:crypto';

/** Keys fall into so many slots by their hash; a shard holds whole slots. Slots from here on are for keys placed by name. */
export const slotCount = 4_096;
/** One more than the highest slot that an id can carry. */
export const slotEnd = 8_192;

/**
 * The slot of a key: the first 12 bits of the SHA-256 of its text in UTF-8. In SQL, on every Postgres since 11:
 * `(get_byte(sha256(convert_to(key, 'UTF8')), 0) << 4) | (get_byte(sha256(convert_to(key, 'UTF8')), 1) >> 4)`.
 *
 * It is the same for ever: rows lie where it has said.
 */
export function slotOf(key: string): number {
  const hash = createHash('sha256').update(key).digest();
  return ((hash[0] as number) << 4) | ((hash[1] as number) >> 4);
}

/** Slots in a row, both ends included. */
export interface SlotRange {
  readonly first: number;
  readonly last: number;
}

/** The shard of each slot, by number of the slot. */
export type SlotOwners = readonly string[];

/**
 * Spreads the slots over shards, by the highest score of shard and slot (rendezvous hashing): depends on the names alone, not on
 * their order, and a shard that is added takes its share from all others and moves nothing between them.
 */
export function spreadSlots(shards: readonly string[]): SlotOwners {
  const names = [...shards].sort();
  const seeds = names.map((name) => createHash('sha256').update(name).digest().readUInt32BE());
  return Array.from({ length: slotCount }, (_, slot) => {
    const scores = seeds.map((seed) => mix(seed ^ mix(slot + 1)));
    return names[scores.indexOf(Math.max(...scores))] as string;
  });
}

/**
 * The slots of each shard as text, ranges in ascending order: `{ a: '0-99,200', b: '100-199' }`. What `db.sharding.slots` takes.
 *
 * @example
 * ```ts
 * const now = slotMap(['a', 'b']); // what applies where `db.sharding.slots` is absent
 * const then = slotMap(['a', 'b', 'c']); // what differs from it is to be moved, all of it to `c`
 * ```
 */
export function slotMap(shards: readonly string[]): Readonly<Record<string, string>> {
  const owners = spreadSlots(shards);
  return Object.fromEntries(shards.map((shard) => [shard, formatSlots(owners, shard)]));
}

/** The slots of one shard as text. */
function formatSlots(owners: SlotOwners, shard: string): string {
  const ranges: { first: number; last: number }[] = [];
  for (const [slot, owner] of owners.entries()) {
    if (owner !== shard) continue;
    const current = ranges.at(-1);
    if (current !== undefined && current.last === slot - 1) current.last = slot;
    else ranges.push({ first: slot, last: slot });
  }
  return ranges.map(({ first, last }) => (first === last ? `${first}` : `${first}-${last}`)).join(',');
}

/** Reads `0-99,200`; undefined for what is no such text. */
export function parseSlots(text: string): readonly SlotRange[] | undefined {
  if (text.trim() === '') return [];
  const ranges: SlotRange[] = [];
  for (const part of text.split(',')) {
    const match = /^\s*(\d{1,4})(?:\s*-\s*(\d{1,4}))?\s*$/.exec(part);
    if (match === null) return undefined;
    const first = Number(match[1]);
    const last = Number(match[2] ?? match[1]);
    if (first > last || last >= slotCount) return undefined;
    ranges.push({ first, last });
  }
  return ranges;
}

/** Spreads the bits of a 32-bit number so that neighbours have nothing in common (the finalizer of MurmurHash3). */
function mix(value: number): number {
  let h = value;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}
