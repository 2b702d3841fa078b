export type {
  Database,
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
export type { DatabaseWiring } from './create.js';
export { createDatabase } from './create.js';
export {
  ConnectionLostError,
  DatabaseUnreachableError,
  EffectsUnavailableError,
  NestedTransactionError,
  OutcomeUnknownError,
  PoolOverloadedError,
  TransactionEndedError,
  TransactionRolledBackError,
  WrongRoleError,
} from './errors.js';
export { databaseInstruments } from './metrics.js';
export type { DatabaseOptions, PoolOptions, ReplicaOptions, ServerOptions } from './options.js';
export { databaseDefaults } from './options.js';
