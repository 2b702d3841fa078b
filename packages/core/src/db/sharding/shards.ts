import type { Signalled } from '../../kernel/abort.js';
import type { Kernel } from '../../kernel/kernel.js';
import type { CounterCell } from '../../kernel/meter.js';
import type { Database, Row, ScatterOptions } from '../api.js';
import { databaseInstruments } from '../metrics.js';
import type { ScatterResult, ShardKey } from './api.js';
import { InvalidShardKeyError } from './errors.js';
import { composeId } from './ids.js';
import { Placement } from './placement.js';
import { Scatter } from './scatter.js';
import type { ResolvedShardingOptions } from './sharding-options.js';
import type { Ticks } from './ticks.js';

/** One part of a database. */
export interface Shard {
  readonly name: string;
  readonly database: Database;
  /** What its ids are made of, once it has started. */
  readonly ticks: Ticks;
}

/** Which parts there are, and how they are told apart. */
export interface ShardsOptions {
  readonly shards: readonly { readonly shard: string }[];
  readonly sharding: ResolvedShardingOptions;
}

interface Member extends Shard {
  readonly calls: CounterCell;
}

/** All parts of one database, and which of them holds what. A database that is not divided is its own only part. */
export class Shards {
  readonly #placement: Placement;
  readonly #kernel: Kernel;
  readonly #members = new Map<string, Member>();
  readonly #scatter: Scatter;
  #gauge: Disposable | undefined;

  constructor({ shards, sharding }: ShardsOptions, kernel: Kernel) {
    this.#placement = new Placement(
      shards.map(({ shard }) => shard),
      sharding,
    );
    this.#kernel = kernel;
    this.#scatter = new Scatter({ members: this.#members, options: sharding, kernel });
    this.#gauge = kernel.meter.observe(databaseInstruments.shardingVersion, () => sharding.version);
  }

  add(shard: Shard): void {
    const calls = this.#kernel.meter.counter(databaseInstruments.shardCalls, { shard: shard.name });
    this.#members.set(shard.name, { ...shard, calls });
  }

  /** The part that a key belongs to. */
  of(key: ShardKey): Database {
    const member = this.#member(this.#placement.of(key).shard);
    member.calls.add();
    return member.database;
  }

  scatter<R = Row>(
    sql: string,
    params: readonly unknown[] = [],
    options: ScatterOptions = {},
  ): Promise<ScatterResult<R>> {
    return this.#scatter.run<R>(sql, params, options);
  }

  async newId(key: ShardKey, options: Signalled = {}): Promise<string> {
    const { shard, slot } = this.#placement.of(key);
    if (slot === undefined) {
      throw new InvalidShardKeyError(
        'db.newId needs a key with a slot: give its directory entry or range a `slot` in db.sharding, or name no shard.',
      );
    }
    const { database, ticks } = this.#member(shard);
    await database.start(options);
    return composeId(await ticks.take(options), slot);
  }

  close(): void {
    this.#gauge?.[Symbol.dispose]();
    this.#gauge = undefined;
  }

  #member(shard: string): Member {
    return this.#members.get(shard) as Member; // each is added when it is made
  }
}
