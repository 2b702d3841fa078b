export type {
  CallOptions,
  Database,
  EffectCall,
  EffectHandler,
  EffectHandlers,
  QueryOptions,
  QueryResult,
  ReadLevel,
  ReadOptions,
  Row,
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
  EffectsUnavailableError,
  EffectUnknownError,
  InvalidPageError,
  NestedTransactionError,
  OutboxUnavailableError,
  OutcomeUnknownError,
  PoolMisuseError,
  PoolOverloadedError,
  TransactionBusyError,
  TransactionEndedError,
  TransactionRolledBackError,
  WrongRoleError,
} from './errors.js';
export { databaseInstruments } from './metrics.js';
export type {
  DatabaseOptions,
  OutboxOptions,
  PoolOptions,
  ReplicaOptions,
  ServerOptions,
} from './options.js';
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
  Role,
  ServerReport,
  SessionListener,
  Statement,
  StatementResult,
  Written,
} from './ports.js';
export type { Position } from './position.js';
