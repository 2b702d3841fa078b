import { type OptionsReader, readOptions } from '../../kernel/options.js';
import { parseSlots, type SlotOwners, slotCount, slotEnd, spreadSlots } from './slots.js';

/** Where a key goes that does not go where its hash says. */
export interface DirectoryOptions {
  /** Name of the shard. */
  readonly shard: string;
  /** What ids of this key carry, from 4096 to 8191, the same for ever; without it the key has no ids of `newId`. */
  readonly slot?: number | undefined;
}

/** One range of keys. */
export interface RangeOptions {
  /** The first key that is not in it any more: a number, a `Date`, or a text that is compared by code unit. The last range has none. */
  readonly below?: number | string | Date | undefined;
  /** Name of the shard. */
  readonly shard: string;
  /** What ids of these keys carry, from 4096 to 8191, the same for ever; without it they have no ids of `newId`. */
  readonly slot?: number | undefined;
}

/** Which shard holds what. */
export interface ShardingOptions {
  /** `hash` spreads keys evenly; `range` keeps keys together that lie side by side. @defaultValue `'hash'` */
  readonly strategy?: 'hash' | 'range' | undefined;
  /**
   * The slots of each shard, for `hash`: `{ a: '0-2047', b: '2048-4095' }`, each of the 4096 exactly once.
   *
   * @defaultValue what `slotMap` of the shards' names says: write that down before you add a shard
   */
  readonly slots?: Readonly<Record<string, string>> | undefined;
  /** The ranges in ascending order, for `range`. */
  readonly ranges?: readonly RangeOptions[] | undefined;
  /** Keys with a shard of their own: `{ acme: 'c' }`, or `{ acme: { shard: 'c', slot: 4096 } }`. @defaultValue `{}` */
  readonly directory?: Readonly<Record<string, string | DirectoryOptions>> | undefined;
  /** Counts the changes of where things are; a gauge shows which instances have which. @defaultValue `1` */
  readonly version?: number | undefined;
  /** How many shards one `scatter` asks at once. @defaultValue `8` */
  readonly scatterConcurrency?: number | undefined;
  /** How long one `scatter` may take, all shards together. @defaultValue `10_000` */
  readonly scatterTimeoutMs?: number | undefined;
}

/** A directory entry or range, checked. */
export interface ResolvedPlace {
  readonly shard: string;
  readonly slot: number | undefined;
}

/** A range, checked; dates are numbers of milliseconds by now. */
export interface ResolvedRange extends ResolvedPlace {
  readonly below: number | string | undefined;
}

/** {@link ShardingOptions} with every default filled in. */
export interface ResolvedShardingOptions {
  /** By number of the slot; empty for `range`. */
  readonly slots: SlotOwners;
  /** Empty for `hash`. */
  readonly ranges: readonly ResolvedRange[];
  readonly directory: ReadonlyMap<string, ResolvedPlace>;
  readonly version: number;
  readonly scatterConcurrency: number;
  readonly scatterTimeoutMs: number;
}

/** Defaults of {@link ShardingOptions}. */
export const shardingDefaults = Object.freeze({
  strategy: 'hash',
  directory: Object.freeze({}),
  version: 1,
  scatterConcurrency: 8,
  scatterTimeoutMs: 10_000,
});

/** Checks the options for shards of these names; throws `PandoOptionsError`. */
export function resolveShardingOptions(options: unknown, shards: readonly string[]): ResolvedShardingOptions {
  const reader = readOptions('db.sharding', options);
  const strategy = reader.oneOf('strategy', ['hash', 'range'], shardingDefaults.strategy as 'hash' | 'range');
  const slots = readSlots(reader, shards);
  const ranges = readRanges(reader, shards);
  if (strategy === 'hash' && ranges !== undefined) reader.fail('ranges', 'left out where strategy is "hash"');
  if (strategy === 'range' && slots !== undefined) reader.fail('slots', 'left out where strategy is "range"');
  if (strategy === 'range' && ranges === undefined) reader.fail('ranges', 'an array of ranges');
  const resolved: ResolvedShardingOptions = {
    slots: strategy === 'hash' ? (slots ?? spreadSlots(shards)) : [],
    ranges: ranges ?? [],
    directory: readDirectory(reader, shards),
    version: reader.int('version', shardingDefaults.version, { min: 1 }),
    scatterConcurrency: reader.int('scatterConcurrency', shardingDefaults.scatterConcurrency, { min: 1 }),
    scatterTimeoutMs: reader.ms('scatterTimeoutMs', shardingDefaults.scatterTimeoutMs),
  };
  refuseSharedSlots(reader, resolved);
  reader.done();
  return resolved;
}

/** An id says one slot, and a slot one shard. */
function refuseSharedSlots(reader: OptionsReader, { directory, ranges }: ResolvedShardingOptions): void {
  const owners = new Map<number, string>();
  for (const { slot, shard } of [...directory.values(), ...ranges]) {
    if (slot === undefined) continue;
    const owner = owners.get(slot) ?? shard;
    if (owner !== shard)
      reader.fail(
        ranges.length > 0 ? 'ranges' : 'directory',
        `without slot ${slot} for both ${owner} and ${shard}`,
      );
    owners.set(slot, shard);
  }
}

const slotsShape = `an object with the slots of each shard, such as { a: '0-2047', b: '2048-4095' }`;

function readSlots(reader: OptionsReader, shards: readonly string[]): SlotOwners | undefined {
  const value = reader.any('slots');
  if (value === undefined) return undefined;
  if (!isRecord(value)) reader.fail('slots', slotsShape);
  const owners: (string | undefined)[] = Array.from({ length: slotCount });
  const entries = reader.nested('slots');
  for (const [shard, text] of Object.entries(value as Record<string, unknown>)) {
    entries.any(shard);
    if (!shards.includes(shard)) entries.fail(shard, `left out: there is no such shard in db.shards`);
    const ranges = typeof text === 'string' ? parseSlots(text) : undefined;
    if (ranges === undefined)
      return entries.fail(shard, `slots from 0 to ${slotCount - 1}, such as "0-99,200"`);
    for (const { first, last } of ranges) {
      for (let slot = first; slot <= last; slot++) {
        if (owners[slot] !== undefined)
          entries.fail(shard, `without slot ${slot}, which ${owners[slot]} has already`);
        owners[slot] = shard;
      }
    }
  }
  const missing = owners.indexOf(undefined);
  if (missing >= 0) reader.fail('slots', `an object that says whose slot ${missing} is, too`);
  return owners as string[];
}

function readRanges(reader: OptionsReader, shards: readonly string[]): ResolvedRange[] | undefined {
  const value = reader.any('ranges');
  if (value === undefined) return undefined;
  if (!Array.isArray(value) || value.length === 0) return reader.fail('ranges', 'an array of ranges');
  const ranges = value.map((entry, index): ResolvedRange => {
    const range = readOptions(`db.sharding.ranges[${index}]`, entry);
    const below = range.any('below');
    const bound = below instanceof Date ? below.getTime() : below;
    const isBound = typeof bound === 'string' || (typeof bound === 'number' && !Number.isNaN(bound));
    const isLast = index === value.length - 1;
    if (isLast ? bound !== undefined : !isBound)
      range.fail('below', isLast ? 'left out in the last range' : 'a number, a Date or a text');
    const place = readPlace(range, shards);
    range.done();
    return { ...place, below: bound as ResolvedRange['below'] };
  });
  const bounds = ranges.slice(0, -1).map(({ below }) => below as number | string);
  const isAscending = bounds.every((bound, index) => {
    const before = bounds[index - 1];
    return before === undefined || (typeof before === typeof bound && before < bound);
  });
  if (!isAscending) reader.fail('ranges', 'an array of ranges in ascending order, all bounds of one kind');
  return ranges;
}

function readDirectory(reader: OptionsReader, shards: readonly string[]): ReadonlyMap<string, ResolvedPlace> {
  const value = reader.any('directory', shardingDefaults.directory);
  if (!isRecord(value)) reader.fail('directory', 'an object with the shard of each key');
  const directory = new Map<string, ResolvedPlace>();
  for (const [key, entry] of Object.entries(value as Record<string, unknown>)) {
    const path = `db.sharding.directory.${key}`;
    const place = readOptions(path, typeof entry === 'string' ? { shard: entry } : entry);
    directory.set(key, readPlace(place, shards));
    place.done();
  }
  return directory;
}

function readPlace(reader: OptionsReader, shards: readonly string[]): ResolvedPlace {
  const shard = reader.oneOf('shard', shards, undefined);
  if (shard === undefined) return reader.fail('shard', 'the name of a shard');
  return { shard, slot: reader.int('slot', undefined, { min: slotCount, max: slotEnd - 1 }) };
}

function isRecord(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
