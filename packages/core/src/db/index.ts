export type {
  CallOptions,
  Database,
  EffectCall,
  EffectHandler,
  EffectHandlers,
  EventOptions,
  QueryOptions,
  QueryResult,
  ReadLevel,
  ReadOptions,
  Row,
  ScatterOptions,
  ServerState,
  ServerStatus,
  Topology,
  Transaction,
  TransactionOptions,
} from './api.js';
export {
  createDatabase,
  createMemoryWorld,
  type DatabaseWiring,
  type MemoryWorld,
  type MemoryWorldOptions,
} from './create.js';
export {
  ConnectionLostError,
  DatabaseUnreachableError,
  EffectNameError,
  EffectsUnavailableError,
  EffectUnknownError,
  InvalidPageError,
  NestedTransactionError,
  NoPrimaryError,
  OutboxUnavailableError,
  OutcomeUnknownError,
  PoolMisuseError,
  PoolOverloadedError,
  StatementTimeoutError,
  TransactionBusyError,
  TransactionEndedError,
  TransactionRolledBackError,
  WrongRoleError,
} from './errors.js';
export { databaseInstruments } from './metrics.js';
export type { DatabaseOptions, OutboxOptions, PoolOptions } from './options.js';
export { databaseDefaults } from './options.js';
export { type OutboxPlace, outboxMigration } from './outbox/migration.js';
export {
  type Keyset,
  type KeysetColumn,
  type KeysetOptions,
  type KeysetPage,
  keyset,
} from './pagination/keyset.js';
export {
  type OffsetAnswer,
  type OffsetPage,
  type OffsetPageOptions,
  offsetPage,
} from './pagination/offset-page.js';
export type {
  PgPool,
  PgPoolClient,
  PoolCallback,
  PoolField,
  PoolMessage,
  PoolQueryable,
  PoolQueryConfig,
  PoolQueryResult,
  PoolTypes,
} from './pool-api.js';
export type {
  Backend,
  Committed,
  Connection,
  ConnectOptions,
  NativeShape,
  Observed,
  OutboxTable,
  Proven,
  Role,
  ServerReport,
  SessionListener,
  Statement,
  StatementResult,
  TickTable,
  Written,
} from './ports.js';
export type { Position } from './position.js';
export type {
  LagProbe,
  ReplayPositionProbe,
  ReplicaOptions,
  ServerOptions,
  ShardOptions,
} from './server-options.js';
export type {
  GatherOptions,
  MissingShard,
  ScatterMerge,
  ScatterOrder,
  ScatterOrderBy,
  ScatterResult,
  ShardKey,
} from './sharding/api.js';
export {
  CrossShardError,
  IdsUnavailableError,
  InvalidShardKeyError,
  ScatterMergeError,
  ScatterTimeoutError,
  ShardKeyRequiredError,
  SlotMovedError,
} from './sharding/errors.js';
export { slotsMigration } from './sharding/guard-migration.js';
export { idsMigration } from './sharding/ids-migration.js';
export type { DirectoryOptions, RangeOptions, ShardingOptions } from './sharding/sharding-options.js';
export { slotMap, slotOf } from './sharding/slots.js';
