import type { Instrument } from '../kernel/meter.js';

const seconds = [0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/** What the database room records. */
export const databaseInstruments = {
  operationSeconds: {
    name: 'pando_db_operation_duration_seconds',
    help: 'Time that reads, writes and transactions took, waiting for a connection included, whatever their outcome.',
    type: 'histogram',
    labels: ['operation'],
    values: { operation: ['read', 'write', 'transaction'] },
    buckets: seconds,
  },
  reads: {
    name: 'pando_db_reads_total',
    help: 'Reads by where they were sent: replica at once, replica after waiting for it, or primary, and why.',
    type: 'counter',
    labels: ['route'],
    values: { route: ['replica', 'waited', 'strong', 'transaction', 'foreign', 'single', 'behind', 'out'] },
  },
  replicaWaitSeconds: {
    name: 'pando_db_replica_wait_seconds',
    help: 'How long causal reads waited for a replica to catch up.',
    type: 'histogram',
    labels: ['outcome'],
    values: { outcome: ['arrived', 'late'] },
    buckets: [0.000_5, 0.001, 0.002, 0.004, 0.008, 0.016, 0.025, 0.05, 0.1],
  },
  rerouted: {
    name: 'pando_db_rerouted_reads_total',
    help: 'Reads that a replica could not serve after all, by reason; they ran again elsewhere.',
    type: 'counter',
    labels: ['reason'],
    values: { reason: ['unavailable', 'overloaded', 'lost', 'behind', 'conflict', 'writes'] },
  },
  outcomesUnknown: {
    name: 'pando_db_outcomes_unknown_total',
    help: 'Writes and commits whose answer was lost.',
    type: 'counter',
  },
  repeats: {
    name: 'pando_db_transaction_repeats_total',
    help: 'Transactions that ran again, by reason; over_budget: that did not, because too many others had.',
    type: 'counter',
    labels: ['reason'],
    values: { reason: ['conflict', 'lost', 'unreachable', 'over_budget'] },
  },
  lostCommits: {
    name: 'pando_db_lost_commits_total',
    help: 'Commits whose answer was lost, by what the database said of them afterwards.',
    type: 'counter',
    labels: ['outcome'],
    values: { outcome: ['committed', 'aborted', 'unknown'] },
  },
  outboxRows: {
    name: 'pando_db_outbox_rows_total',
    help: 'Transactions with effects by what became of these: done by the instance that committed, taken_over by another attempt, left for a later one, or expired: their events were too old to be published.',
    type: 'counter',
    labels: ['outcome'],
    values: { outcome: ['done', 'taken_over', 'left', 'expired'] },
  },
  outboxWaiting: {
    name: 'pando_db_outbox_waiting',
    help: 'Transactions whose effects this instance has seen waiting at its last look, and will take over.',
    type: 'gauge',
  },
  shardCalls: {
    name: 'pando_db_shard_calls_total',
    help: 'Calls of db.shard by the shard that they led to: unequal growth shows a shard that has more than its share.',
    type: 'counter',
    labels: ['shard'],
    values: { shard: 'each name in db.shards; main where there are none' },
  },
  shardingVersion: {
    name: 'pando_db_sharding_version',
    help: 'db.sharding.version of this instance: while it differs between instances, a change of where things are is under way.',
    type: 'gauge',
  },
  scatterSeconds: {
    name: 'pando_db_scatter_duration_seconds',
    help: 'Time that questions to all shards took, by outcome: complete, partial (allowed to lack shards, and did) or failed.',
    type: 'histogram',
    labels: ['outcome'],
    values: { outcome: ['complete', 'partial', 'failed'] },
    buckets: seconds,
  },
  failovers: {
    name: 'pando_db_failovers_total',
    help: 'How often another server was found to have become the primary.',
    type: 'counter',
  },
  held: {
    name: 'pando_db_held',
    help: 'Calls that wait for a server to become the primary.',
    type: 'gauge',
  },
  serverUp: {
    name: 'pando_db_server_up',
    help: 'Whether the server is in rotation (1) or not (0).',
    type: 'gauge',
    labels: ['server', 'role'],
    values: {
      server: 'each server of the configuration, as host:port/database',
      role: ['primary', 'replica'],
    },
  },
  lagSeconds: {
    name: 'pando_db_replica_lag_seconds',
    help: 'How far the replica is behind the primary, as far as known.',
    type: 'gauge',
    labels: ['server'],
    values: { server: 'each server of the configuration, as host:port/database' },
  },
  connections: {
    name: 'pando_db_pool_connections',
    help: 'Connections of the pool by state: in_use or idle.',
    type: 'gauge',
    labels: ['server', 'state'],
    values: { server: 'each server of the configuration, as host:port/database', state: ['in_use', 'idle'] },
  },
  limit: {
    name: 'pando_db_pool_limit',
    help: 'Connections that the pool may have: size and overflow, or less where the share of this instance in the connections of the server is smaller.',
    type: 'gauge',
    labels: ['server'],
    values: { server: 'each server of the configuration, as host:port/database' },
  },
  waiting: {
    name: 'pando_db_pool_waiting',
    help: 'Callers that wait for a connection.',
    type: 'gauge',
    labels: ['server'],
    values: { server: 'each server of the configuration, as host:port/database' },
  },
  refutedNames: {
    name: 'pando_db_prepared_statements_refuted_total',
    help: 'Prepared statements that the server did not know any more, as behind a pooler, or whose columns had changed; they ran again unprepared.',
    type: 'counter',
    labels: ['server'],
    values: { server: 'each server of the configuration, as host:port/database' },
  },
  connects: {
    name: 'pando_db_pool_connects_total',
    help: 'Attempts of the pool to open a connection, by outcome.',
    type: 'counter',
    labels: ['server', 'outcome'],
    values: {
      server: 'each server of the configuration, as host:port/database',
      outcome: ['connected', 'failed'],
    },
  },
  discards: {
    name: 'pando_db_pool_discards_total',
    help: 'Connections that the pool closed, by reason.',
    type: 'counter',
    labels: ['server', 'reason'],
    values: {
      server: 'each server of the configuration, as host:port/database',
      reason: ['unfit', 'unsound', 'idle', 'surplus'],
    },
  },
  refused: {
    name: 'pando_db_pool_refused_total',
    help: 'Callers that got no connection, by reason: full, timeout or unreachable.',
    type: 'counter',
    labels: ['server', 'reason'],
    values: {
      server: 'each server of the configuration, as host:port/database',
      reason: ['full', 'timeout', 'unreachable'],
    },
  },
} satisfies Record<string, Instrument>;
