import type { Database } from '../db/api.js';
import { DatabaseRoom } from '../db/db.js';
import { createMemoryDriver, MemoryWorld } from '../db/drivers/memory.js';
import { type DatabaseOptions, resolveDatabaseOptions } from '../db/options.js';
import type { DatabaseRules } from '../db/rules.js';
import type { ReplicaOptions } from '../db/server-options.js';
import type { EffectsRunner } from '../kernel/effects.js';
import type { Kernel } from '../kernel/kernel.js';
import type { Ledgers } from '../kernel/ledger.js';

/** What a fake database is made of. */
export interface MemoryDatabaseOptions {
  readonly kernel: Kernel;
  /** Shared by the databases of several instances. @defaultValue a new one with two replicas */
  readonly world?: MemoryWorld | undefined;
  readonly options?: Omit<DatabaseOptions, 'primary' | 'replicas'> | undefined;
  /** What is said of each replica, in order. */
  readonly replicas?: readonly Omit<ReplicaOptions, 'connectionString'>[] | undefined;
  readonly effects?: EffectsRunner | undefined;
  readonly ledgers?: Ledgers | undefined;
  /** Replaces decisions that tests want to see missing. */
  readonly rules?: Partial<DatabaseRules> | undefined;
}

/**
 * The database room on a fake cluster inside this process: `get` (key) and `set` (key, value) instead of SQL.
 *
 * Everything but the servers is what production runs: routing, tokens, pools.
 */
export function createMemoryDatabase({
  kernel,
  world = new MemoryWorld({ clock: kernel.clock }),
  options = {},
  replicas = [],
  effects,
  ledgers,
  rules,
}: MemoryDatabaseOptions): { readonly db: Database; readonly world: MemoryWorld } {
  const resolved = resolveDatabaseOptions({
    ...options,
    primary: world.primary.label,
    replicas: world.replicas.map(({ label }, index) => ({ ...replicas[index], connectionString: label })),
  });
  const driver = createMemoryDriver(world, resolved, kernel);
  return { db: new DatabaseRoom(resolved, { driver, kernel, effects, ledgers, rules }), world };
}
