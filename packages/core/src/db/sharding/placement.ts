import type { ShardKey } from './api.js';
import { InvalidShardKeyError } from './errors.js';
import { slotOfId } from './ids.js';
import type { ResolvedPlace, ResolvedRange, ResolvedShardingOptions } from './sharding-options.js';
import { slotCount, slotOf } from './slots.js';

/** Where a key belongs, and the slot that its ids carry; undefined where they cannot name one. */
export type Place = ResolvedPlace;

/** Decides which shard a key belongs to. */
export class Placement {
  readonly #shards: readonly string[];
  readonly #options: ResolvedShardingOptions;
  readonly #named: ReadonlyMap<number, string>;

  constructor(shards: readonly string[], options: ResolvedShardingOptions) {
    this.#shards = shards;
    this.#options = options;
    const places = [...options.directory.values(), ...options.ranges];
    this.#named = new Map(places.flatMap(({ slot, shard }) => (slot === undefined ? [] : [[slot, shard]])));
  }

  /** Throws `InvalidShardKeyError` for what is no key here. */
  of(key: ShardKey): Place {
    if (typeof key !== 'object' || key === null || key instanceof Date) return this.#byKey(key);
    if ('id' in key) return this.#byId(key.id);
    const { shard } = key;
    if (this.#shards.includes(shard)) return { shard, slot: undefined };
    throw new InvalidShardKeyError(
      `There is no shard ${JSON.stringify(shard)}; there are ${this.#shards.join(', ')}.`,
    );
  }

  #byKey(key: string | number | bigint | Date): Place {
    const { directory, slots, ranges } = this.#options;
    const text = textOf(key);
    const listed = directory.get(text);
    if (listed !== undefined) return listed;
    if (ranges.length > 0) return rangeOf(key, ranges);
    const slot = slotOf(text);
    return { shard: slots[slot] as string, slot };
  }

  #byId(id: string | number | bigint): Place {
    const slot = slotOfId(id);
    const shard =
      slot === undefined ? undefined : slot < slotCount ? this.#options.slots[slot] : this.#named.get(slot);
    if (shard !== undefined) return { shard, slot };
    throw new InvalidShardKeyError(
      `${JSON.stringify(String(id).slice(0, 40))} is not an id that db.newId has made.`,
    );
  }
}

/** Numbers and their texts are one key: a column read as bigint arrives as text. */
function textOf(key: unknown): string {
  if (typeof key === 'string' && key !== '') return key;
  if (typeof key === 'bigint' || (typeof key === 'number' && Number.isSafeInteger(key))) return String(key);
  if (key instanceof Date && !Number.isNaN(key.getTime())) return key.toISOString();
  throw new InvalidShardKeyError(
    `A shard key is a text that is not empty, a whole number or a Date, got ${key === '' ? 'an empty text' : String(key)}.`,
  );
}

function rangeOf(key: string | number | bigint | Date, ranges: readonly ResolvedRange[]): Place {
  const value = key instanceof Date ? key.getTime() : key;
  const found = ranges.find(({ below }) => {
    if (below === undefined) return true;
    if ((typeof below === 'string') !== (typeof value === 'string')) {
      const due = typeof below === 'string' ? 'texts' : 'numbers or dates';
      throw new InvalidShardKeyError(
        `The ranges of db.sharding are of ${due}, got ${JSON.stringify(String(key))}.`,
      );
    }
    return value < below;
  });
  return found as ResolvedRange; // the last has no bound
}
