import { type OptionsReader, readOptions } from '../kernel/options.js';
import type { EffectHandler, EffectHandlers, ReadLevel } from './api.js';
import {
  type ReplicaOptions,
  type ResolvedShard,
  readShards,
  type ServerOptions,
  type ShardOptions,
} from './server-options.js';
import {
  type ResolvedShardingOptions,
  resolveShardingOptions,
  type ShardingOptions,
  shardingDefaults,
} from './sharding/sharding-options.js';

/** Limits of the pool that each server has. */
export interface PoolOptions {
  /** Connections kept while idle. @defaultValue `10` */
  readonly size?: number | undefined;
  /** Connections beyond `size` under load, closed soon after. @defaultValue `20` */
  readonly overflow?: number | undefined;
  /** How long a caller waits for a connection. @defaultValue `5_000` */
  readonly acquireTimeoutMs?: number | undefined;
  /** Callers that may wait at once; more are refused. @defaultValue `500` */
  readonly maxWaiting?: number | undefined;
  /** Idle connections older than this are closed. @defaultValue `60_000` */
  readonly idleMs?: number | undefined;
  /** Connections older than this are replaced, give or take a tenth. @defaultValue `3_600_000` */
  readonly recycleMs?: number | undefined;
  /** Connections idle for longer than this prove themselves before use; `false` never asks. @defaultValue `1_000` */
  readonly validateIdleMs?: number | false | undefined;
  /**
   * Once callers wait that long for a connection to the primary, look after look, health calls the pool saturated: the instance is
   * not ready until the wait is shorter, and lives. At most half of `acquireTimeoutMs` counts. `false`: health does not look
   * at the pool. @defaultValue `1_000`
   */
  readonly saturatedAfterMs?: number | false | undefined;
}

/** How the effects of transactions outlive their process. */
export interface OutboxOptions {
  /** Whether `start` makes the table `pando_outbox` where it is missing. @defaultValue `true` */
  readonly migrate?: boolean | undefined;
  /** Schema of the table, which must exist. @defaultValue the first of `search_path` */
  readonly schema?: string | undefined;
  /**
   * Time after which an instance carries out effects that it has seen waiting, and that a handler has for one attempt.
   * Handlers that take longer may run twice at once. @defaultValue `5_000`
   */
  readonly takeoverMs?: number | undefined;
  /** How often each instance looks for such effects, on the primary; up to 8 times less often while there are none. @defaultValue `1_000` */
  readonly pollIntervalMs?: number | undefined;
}

/** Options of {@link createDatabase}. */
export interface DatabaseOptions {
  /** Names the kit when the database is used alone; shown as `application_name`. @defaultValue `'app'` */
  readonly name?: string | undefined;
  /**
   * Connection URL or settings of the server that takes writes; or of several servers, one of which does, in any order: the others
   * serve reads while they are replicas. Left out where there are `shards`.
   */
  readonly primary?: string | ServerOptions | readonly (string | ServerOptions)[] | undefined;
  /** Streaming replicas of the primary. One that is promoted takes writes from then on. @defaultValue `[]` */
  readonly replicas?: readonly (string | ReplicaOptions)[] | undefined;
  /** Several databases as one, by name: each has a part of the rows, and all other options. At most 64. */
  readonly shards?: Readonly<Record<string, ShardOptions>> | undefined;
  /** Which shard holds what. */
  readonly sharding?: ShardingOptions | undefined;
  /** Limits of the pool that each server has. */
  readonly pool?: PoolOptions | undefined;
  /**
   * Connections that all instances together may have to each server. Each opens no more than its share, whatever its pool
   * allows; who the instances are is known through Redis. `'auto'`: what the server says that it has for this role;
   * give a number where other programs connect, too. `false`: as many as the pool allows.
   * @defaultValue `'auto'`
   */
  readonly connectionBudget?: number | 'auto' | false | undefined;
  /** How fresh reads are that do not say it themselves. @defaultValue `'causal'` */
  readonly level?: ReadLevel | undefined;
  /**
   * Where this instance runs: its reads go to replicas of the same `zone`, and to others while none of these can serve them, is
   * done warming up and has a free connection. @defaultValue none: all replicas are equally near
   */
  readonly zone?: string | undefined;
  /** How long a causal read waits for a replica to catch up before it goes to the primary. @defaultValue `25` */
  readonly replicaWaitMs?: number | undefined;
  /** How often each server is asked for its position. @defaultValue `100` */
  readonly probeIntervalMs?: number | undefined;
  /** A server that takes longer to say its position is down. @defaultValue `2_000` */
  readonly probeTimeoutMs?: number | undefined;
  /** A replica further behind leaves the rotation until it is at most half as far behind. @defaultValue `10_000` */
  readonly maxLagMs?: number | undefined;
  /** How long the share of a replica grows after it has come back. @defaultValue `10_000` */
  readonly warmupMs?: number | undefined;
  /** Postgres' `statement_timeout` of every connection; `false` keeps the server's. @defaultValue `30_000` */
  readonly statementTimeoutMs?: number | false | undefined;
  /**
   * A statement that takes longer is written to the log, without its values, at most once in ten seconds for each kind of
   * statement; `false` writes none. @defaultValue `200`
   */
  readonly slowQueryMs?: number | false | undefined;
  /** Whether these lines show the values of parameters, which may be secrets or about people. @defaultValue `false` */
  readonly slowQueryParams?: boolean | undefined;
  /**
   * Whether each statement gets a span where the app has registered an OpenTelemetry SDK. Turn it off where
   * `@opentelemetry/instrumentation-pg` makes spans of its own. @defaultValue `true`
   */
  readonly spans?: boolean | undefined;
  /**
   * Functions that change something, so that `db.query` sends statements which call them to the primary. Names without
   * their schema; `*` stands for any part of one. Postgres' own are known.
   * @defaultValue `[]`
   */
  readonly primaryFunctions?: readonly string[] | undefined;
  /**
   * Has each server keep statements prepared that come again and again. Turns itself off for a server that does not
   * keep them, as behind PgBouncer in transaction mode. @defaultValue `true`
   */
  readonly prepareStatements?: boolean | undefined;
  /**
   * How the effects of transactions outlive their process, where the database has any: a row that commits with the data.
   * `false` keeps none, and effects end with their process.
   */
  readonly outbox?: OutboxOptions | false | undefined;
  /** Carry out what transactions ask for with `tx.effect`, by name; at least once, on any instance. @defaultValue `{}` */
  readonly effects?: EffectHandlers | undefined;
  /**
   * How long calls that need the primary wait for one while there is none; and how long it is asked what became of a commit
   * whose answer was lost. @defaultValue `10_000`
   */
  readonly failoverWaitMs?: number | undefined;
  /** How long one attempt to connect may take. @defaultValue `5_000` */
  readonly connectTimeoutMs?: number | undefined;
  /** How long `start` waits for the primary. @defaultValue `5_000` */
  readonly startTimeoutMs?: number | undefined;
  /** How long `close` waits for running statements before it cuts them off. @defaultValue `5_000` */
  readonly closeTimeoutMs?: number | undefined;
}

type Settled<T> = { readonly [Key in keyof T]-?: Exclude<T[Key], undefined> };

/** {@link DatabaseOptions} with every default filled in, and the servers of one shard: the first, where there are several. */
export interface ResolvedDatabaseOptions
  extends Omit<
      Settled<DatabaseOptions>,
      'primary' | 'replicas' | 'pool' | 'outbox' | 'shards' | 'sharding' | 'zone'
    >,
    ResolvedShard {
  readonly zone: string | undefined;
  /** All of them, at least one. */
  readonly shards: readonly ResolvedShard[];
  readonly sharding: ResolvedShardingOptions;
  readonly pool: Settled<PoolOptions>;
  readonly outbox: ResolvedOutboxOptions | false;
}

/** {@link OutboxOptions} with every default filled in. */
export interface ResolvedOutboxOptions extends Settled<Omit<OutboxOptions, 'schema'>> {
  readonly schema: string | undefined;
}

/** Defaults of {@link DatabaseOptions}. */
export const databaseDefaults = Object.freeze({
  name: 'app',
  replicas: Object.freeze<readonly never[]>([]),
  sharding: shardingDefaults,
  pool: Object.freeze({
    size: 10,
    overflow: 20,
    acquireTimeoutMs: 5_000,
    maxWaiting: 500,
    idleMs: 60_000,
    recycleMs: 3_600_000,
    validateIdleMs: 1_000,
    saturatedAfterMs: 1_000,
  }),
  connectionBudget: 'auto' as const,
  level: 'causal' as ReadLevel,
  replicaWaitMs: 25,
  probeIntervalMs: 100,
  probeTimeoutMs: 2_000,
  maxLagMs: 10_000,
  warmupMs: 10_000,
  statementTimeoutMs: 30_000,
  slowQueryMs: 200,
  slowQueryParams: false,
  spans: true,
  primaryFunctions: Object.freeze<readonly string[]>([]),
  prepareStatements: true,
  outbox: Object.freeze({ migrate: true, takeoverMs: 5_000, pollIntervalMs: 1_000 }),
  effects: Object.freeze({}),
  failoverWaitMs: 10_000,
  connectTimeoutMs: 5_000,
  startTimeoutMs: 5_000,
  closeTimeoutMs: 5_000,
});

/** Checks the options and fills in defaults; throws `PandoOptionsError`. */
export function resolveDatabaseOptions(options: DatabaseOptions): ResolvedDatabaseOptions {
  const reader = readOptions('db', options);
  const shards = readShards(reader);
  const resolved: ResolvedDatabaseOptions = {
    name: reader.string('name', databaseDefaults.name),
    ...(shards[0] as ResolvedShard),
    shards,
    sharding: readSharding(reader, shards),
    pool: readPool(reader.nested('pool')),
    connectionBudget: readBudget(reader),
    level: reader.oneOf('level', readLevels, databaseDefaults.level),
    zone: reader.string('zone', undefined),
    replicaWaitMs: reader.ms('replicaWaitMs', databaseDefaults.replicaWaitMs, { min: 0 }),
    probeIntervalMs: reader.ms('probeIntervalMs', databaseDefaults.probeIntervalMs),
    probeTimeoutMs: reader.ms('probeTimeoutMs', databaseDefaults.probeTimeoutMs),
    maxLagMs: reader.ms('maxLagMs', databaseDefaults.maxLagMs),
    warmupMs: reader.ms('warmupMs', databaseDefaults.warmupMs, { min: 0 }),
    statementTimeoutMs: reader.msOrFalse('statementTimeoutMs', databaseDefaults.statementTimeoutMs),
    slowQueryMs: reader.msOrFalse('slowQueryMs', databaseDefaults.slowQueryMs),
    slowQueryParams: reader.boolean('slowQueryParams', databaseDefaults.slowQueryParams),
    spans: reader.boolean('spans', databaseDefaults.spans),
    primaryFunctions: readFunctions(reader),
    prepareStatements: reader.boolean('prepareStatements', databaseDefaults.prepareStatements),
    outbox: readOutbox(reader),
    effects: readEffects(reader),
    failoverWaitMs: reader.ms('failoverWaitMs', databaseDefaults.failoverWaitMs, { min: 0 }),
    connectTimeoutMs: reader.ms('connectTimeoutMs', databaseDefaults.connectTimeoutMs),
    startTimeoutMs: reader.ms('startTimeoutMs', databaseDefaults.startTimeoutMs),
    closeTimeoutMs: reader.ms('closeTimeoutMs', databaseDefaults.closeTimeoutMs, { min: 0 }),
  };
  reader.done();
  return resolved;
}

const readLevels: readonly ReadLevel[] = ['eventual', 'causal', 'monotonic', 'strong'];

function readSharding(reader: OptionsReader, shards: readonly ResolvedShard[]): ResolvedShardingOptions {
  const names = shards.map(({ shard }) => shard);
  return resolveShardingOptions(reader.any('sharding'), names);
}

function readFunctions(reader: OptionsReader): readonly string[] {
  const value = reader.any('primaryFunctions');
  if (value === undefined) return databaseDefaults.primaryFunctions;
  const isName = (entry: unknown) => typeof entry === 'string' && /^[\w$*\u0080-\uffff]+$/.test(entry);
  if (!Array.isArray(value) || !value.every(isName)) {
    reader.fail('primaryFunctions', 'an array of names of functions, without schema and parentheses');
  }
  return value as readonly string[];
}

function readOutbox(reader: OptionsReader): ResolvedDatabaseOptions['outbox'] {
  const outbox = reader.nestedOrFalse('outbox');
  if (outbox === false) return false;
  const defaults = databaseDefaults.outbox;
  const resolved = {
    migrate: outbox.boolean('migrate', defaults.migrate),
    schema: outbox.string('schema', undefined),
    takeoverMs: outbox.ms('takeoverMs', defaults.takeoverMs),
    pollIntervalMs: outbox.ms('pollIntervalMs', defaults.pollIntervalMs),
  };
  outbox.done();
  return resolved;
}

function readEffects(reader: OptionsReader): EffectHandlers {
  const effects = reader.any('effects', databaseDefaults.effects);
  if (typeof effects !== 'object' || effects === null || Array.isArray(effects))
    reader.fail('effects', 'an object of functions');
  const handlers = readOptions('db.effects', effects);
  for (const name of Object.keys(effects as EffectHandlers)) {
    if (handlers.fn<EffectHandler, undefined>(name, undefined) === undefined)
      handlers.fail(name, 'a function');
  }
  return effects as EffectHandlers;
}

function readBudget(reader: OptionsReader): ResolvedDatabaseOptions['connectionBudget'] {
  const value = reader.any('connectionBudget', databaseDefaults.connectionBudget);
  if (value === 'auto' || value === false) return value;
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 1)
    reader.fail('connectionBudget', 'a whole number of at least 1, "auto" or false');
  return value as number;
}

function readPool(reader: OptionsReader): ResolvedDatabaseOptions['pool'] {
  const defaults = databaseDefaults.pool;
  const pool = {
    size: reader.int('size', defaults.size, { min: 1 }),
    overflow: reader.int('overflow', defaults.overflow),
    acquireTimeoutMs: reader.ms('acquireTimeoutMs', defaults.acquireTimeoutMs),
    maxWaiting: reader.int('maxWaiting', defaults.maxWaiting),
    idleMs: reader.ms('idleMs', defaults.idleMs),
    recycleMs: reader.ms('recycleMs', defaults.recycleMs),
    validateIdleMs: reader.msOrFalse('validateIdleMs', defaults.validateIdleMs),
    saturatedAfterMs: reader.msOrFalse('saturatedAfterMs', defaults.saturatedAfterMs),
  };
  reader.done();
  return pool;
}
