import type { Instrument } from '../kernel/meter.js';
import { endReasons, limitReasons, refusalReasons, resetReasons } from './reasons.js';

/** What realtime measures. */
export const realtimeInstruments = {
  connections: {
    name: 'pando_realtime_connections',
    help: 'Open connections.',
    type: 'gauge',
    labels: ['transport'],
    values: { transport: ['sse', 'ws'] },
  },
  channels: { name: 'pando_realtime_channels', help: 'Channels this instance follows.', type: 'gauge' },
  published: {
    name: 'pando_realtime_published_total',
    help: 'Publishes by outcome.',
    type: 'counter',
    labels: ['outcome'],
    values: { outcome: ['added', 'duplicate', 'failed'] },
  },
  publishDuration: {
    name: 'pando_realtime_publish_duration_seconds',
    help: 'Time from the call to the answer of the log.',
    type: 'histogram',
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1],
  },
  heldEvents: {
    name: 'pando_realtime_held_events_total',
    help: 'Events published with afterAll: `caught-up` once nobody was behind them, `late` when the time had passed before.',
    type: 'counter',
    labels: ['outcome'],
    values: { outcome: ['caught-up', 'late'] },
  },
  writes: {
    name: 'pando_realtime_writes_total',
    help: 'Writes handed to connections; one may hold many messages.',
    type: 'counter',
    labels: ['transport'],
    values: { transport: ['sse', 'ws'] },
  },
  gaps: {
    name: 'pando_realtime_gaps_total',
    help: 'Announcements that did not follow the one before them; healed from the log.',
    type: 'counter',
  },
  historyReads: {
    name: 'pando_realtime_history_reads_total',
    help: 'Reads of the log for subscribers that came back.',
    type: 'counter',
  },
  replayed: {
    name: 'pando_realtime_replayed_entries_total',
    help: 'Entries handed to subscribers that came back or had been slow.',
    type: 'counter',
  },
  resets: {
    name: 'pando_realtime_resets_total',
    help: 'Subscribers told that messages may be missing.',
    type: 'counter',
    labels: ['reason'],
    values: { reason: resetReasons },
  },
  parked: {
    name: 'pando_realtime_parked_total',
    help: 'Times that a subscriber was too slow and kept its position only.',
    type: 'counter',
  },
  unreadable: {
    name: 'pando_realtime_unreadable_messages_total',
    help: 'Announcements on channels without history that cannot be read: on a plain one, what is not JSON.',
    type: 'counter',
  },
  dropped: {
    name: 'pando_realtime_dropped_entries_total',
    help: 'Entries of channels without history that a subscriber was too slow for.',
    type: 'counter',
  },
  waiting: {
    name: 'pando_realtime_waiting_connections',
    help: 'Connections that something waits for, because they take it more slowly than it comes.',
    type: 'gauge',
  },
  present: {
    name: 'pando_realtime_present_connections',
    help: 'Connections of this instance that are present on a channel, once for each channel.',
    type: 'gauge',
  },
  swept: {
    name: 'pando_realtime_presence_swept_total',
    help: 'Connections of dead instances that this one took off the lists of those present.',
    type: 'counter',
  },
  refused: {
    name: 'pando_realtime_connections_refused_total',
    help: 'Connections that this instance did not take, by reason: it drains, its role, its own limit, that of a user or of an address, or channels and presence that cannot be. Those that the application refused are among the answers of HTTP.',
    type: 'counter',
    labels: ['reason'],
    values: { reason: refusalReasons },
  },
  limited: {
    name: 'pando_realtime_messages_limited_total',
    help: 'Messages of clients that were not heard, by the limit that they were beyond: `rate` of the connection, or a `policy`.',
    type: 'counter',
    labels: ['reason'],
    values: { reason: limitReasons },
  },
  ended: {
    name: 'pando_realtime_connections_ended_total',
    help: 'Connections that this instance ended.',
    type: 'counter',
    labels: ['reason'],
    values: { reason: endReasons },
  },
} as const satisfies Record<string, Instrument>;
