import type { EffectsRunner } from '../kernel/effects.js';
import type { Fleet } from '../kernel/fleet.js';
import type { Histories } from '../kernel/histories.js';
import { createKernel, type Kernel } from '../kernel/kernel.js';
import type { Laggards } from '../kernel/laggards.js';
import type { Ledgers } from '../kernel/ledger.js';
import type { Database } from './api.js';
import { DatabaseRoom } from './db.js';
import { createMemoryDriver, type MemoryWorld } from './drivers/memory.js';
import { OpenTelemetrySpans } from './drivers/open-telemetry.js';
import { createPgDriver } from './drivers/pg.js';
import { type DatabaseOptions, type ResolvedDatabaseOptions, resolveDatabaseOptions } from './options.js';
import type { DatabaseRules } from './rules.js';
import { ShardedDatabase } from './sharding/sharded-database.js';
import { Shards } from './sharding/shards.js';

export { createMemoryWorld, type MemoryWorld, type MemoryWorldOptions } from './drivers/memory.js';

/** What a database may be given by its surroundings. */
export interface DatabaseWiring {
  /** Shared by the rooms of a kit; without it the database makes its own. */
  readonly kernel?: Kernel | undefined;
  /** Carries out what transactions want done after their commit. */
  readonly effects?: EffectsRunner | undefined;
  /** Where it says which effects are still to be carried out. */
  readonly ledgers?: Ledgers | undefined;
  /** Are told which history the database is on. */
  readonly histories?: Histories | undefined;
  /** Is told when every replica in rotation has replayed a write. */
  readonly laggards?: Laggards | undefined;
  /** The instances among which connections are shared; without it the database takes itself to be alone. */
  readonly fleet?: Fleet | undefined;
  /** A fake cluster instead of Postgres, for tests: it holds values by key and understands `get` and `set`, no SQL. */
  readonly world?: MemoryWorld | undefined;
  /** The same for each shard, by its name. */
  readonly worlds?: Readonly<Record<string, MemoryWorld>> | undefined;
}

/**
 * Creates the database of one primary and its streaming replicas, or of several such shards.
 *
 * Connects at {@link Database.start}, or else at the first call. Postgres 14 or later. Where several
 * servers answer to one name of `replicas`, say so with `shared`, unless it is PgBouncer, which is recognised.
 *
 * @throws `PandoOptionsError` for options that cannot be right.
 *
 * @example
 * ```ts
 * const db = createDatabase({ primary: process.env.DATABASE_URL, replicas: ['postgres://replica-1/blog'] });
 * await db.write('insert into posts (title) values ($1)', ['Aspen']);
 * const { rows } = await db.read('select title from posts'); // from the replica, the new post included
 * ```
 */
export function createDatabase(options: DatabaseOptions, wiring: DatabaseWiring = {}): Database {
  return composeDatabase(options, wiring);
}

/** {@link createDatabase}, with rules replaced that a test wants to see missing. */
export function composeDatabase(
  options: DatabaseOptions,
  wiring: DatabaseWiring,
  rules?: Partial<DatabaseRules>,
): Database {
  const checked = resolveDatabaseOptions(options);
  const kernel = wiring.kernel ?? createKernel({ name: checked.name });
  const resolved = { ...checked, name: kernel.keys.name };
  const { world, worlds = {}, effects, ledgers, histories, laggards, fleet } = wiring;
  const spans = resolved.spans ? new OpenTelemetrySpans() : undefined;
  const create = (one: ResolvedDatabaseOptions, shards?: Shards) => {
    const fake = worlds[one.shard] ?? world;
    const driver =
      fake === undefined ? createPgDriver(one, kernel, fleet) : createMemoryDriver(fake, one, kernel, fleet);
    return new DatabaseRoom(one, {
      ...{ driver, kernel, effects, ledgers, histories, laggards, spans, rules, shards },
    });
  };
  if (options.shards === undefined) return create(resolved);
  const shards = new Shards(resolved, kernel);
  const parts = resolved.shards.map((one) => [one.shard, create({ ...resolved, ...one }, shards)] as const);
  return new ShardedDatabase({ databases: new Map(parts), shards, kernel });
}
