import type { Instrument } from '../kernel/meter.js';

/** What the cache records. */
export const cacheInstruments = {
  requests: {
    name: 'pando_cache_requests_total',
    help: 'Values asked for, by who answered: the local or the shared level, either of them with a stale value, a load of its own, one that was joined, or none (no load was wanted). Inside transactions nothing is counted.',
    type: 'counter',
    labels: ['source'],
    values: { source: ['local', 'shared', 'stale', 'load', 'join', 'none'] },
  },
  refreshes: {
    name: 'pando_cache_refreshes_total',
    help: 'Values loaded in the background while they were still served, by outcome: stored, unstored (pando_cache_refusals_total says why), elsewhere (somebody else was at it), or failed.',
    type: 'counter',
    labels: ['outcome'],
    values: { outcome: ['stored', 'unstored', 'elsewhere', 'failed'] },
  },
  refusals: {
    name: 'pando_cache_refusals_total',
    help: 'Loaded values that were not stored, by reason: epoch, moved, behind, nested, empty, or past (loaded without the shared level).',
    type: 'counter',
    labels: ['reason'],
    values: { reason: ['epoch', 'moved', 'behind', 'nested', 'empty', 'past'] },
  },
  loadSeconds: {
    name: 'pando_cache_load_duration_seconds',
    help: 'Time that loaders took, failed ones included.',
    type: 'histogram',
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10],
  },
  invalidations: {
    name: 'pando_cache_invalidations_total',
    help: 'Invalidations, by outcome: confirmed, or queued because Redis did not confirm.',
    type: 'counter',
    labels: ['outcome'],
    values: { outcome: ['confirmed', 'queued'] },
  },
  invalidationLag: {
    name: 'pando_cache_invalidation_lag_seconds',
    help: 'Time from the call of an invalidation on this instance until its announcement came back: as long, others may serve what is old to whom no token protects.',
    type: 'histogram',
    buckets: [0.000_5, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 1],
  },
  usable: {
    name: 'pando_cache_usable',
    help: 'Whether the values of a level may be served now (1) or it is passed by (0): Redis is away, announcements may be missing, a failover or an outage is not over for the cache.',
    type: 'gauge',
    labels: ['level'],
    values: { level: ['local', 'shared'] },
  },
  interopMessages: {
    name: 'pando_cache_interop_messages_total',
    help: 'Messages from and to services outside the fleet: accepted, malformed, own (of this fleet, heard back), sent, or lost on the way out.',
    type: 'counter',
    labels: ['outcome'],
    values: { outcome: ['accepted', 'malformed', 'own', 'sent', 'lost'] },
  },
  replays: {
    name: 'pando_cache_replays_total',
    help: 'Times the log was read because announcements were missing.',
    type: 'counter',
  },
  epochs: {
    name: 'pando_cache_epochs_total',
    help: 'Times the shared state was found to have begun another life; all values from before are gone.',
    type: 'counter',
  },
  localEntries: {
    name: 'pando_cache_local_entries',
    help: 'Values kept in the process.',
    type: 'gauge',
  },
  localBytes: {
    name: 'pando_cache_local_bytes',
    help: 'Memory that the values kept in the process take, roughly.',
    type: 'gauge',
  },
  evictions: {
    name: 'pando_cache_local_evictions_total',
    help: 'Values that the process does not keep although they are valid: others took their room, or one alone would take all.',
    type: 'counter',
    labels: ['reason'],
    values: { reason: ['room', 'too_large'] },
  },
  backlog: {
    name: 'pando_cache_backlog_tags',
    help: 'Tags whose invalidation is not confirmed yet.',
    type: 'gauge',
  },
} satisfies Record<string, Instrument>;
