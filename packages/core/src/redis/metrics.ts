import type { Instrument } from '../kernel/meter.js';

/** What the Redis floor records. */
export const redisInstruments = {
  up: {
    name: 'pando_redis_up',
    help: 'Whether commands are accepted (1) or refused because Redis is away (0).',
    type: 'gauge',
  },
  live: {
    name: 'pando_redis_live',
    help: 'Whether announcements are proven to arrive (1) or may be missed (0).',
    type: 'gauge',
  },
  connects: {
    name: 'pando_redis_connects_total',
    help: 'Connections made, the first one included.',
    type: 'counter',
    labels: ['connection'],
    values: { connection: ['commands', 'subscriber'] },
  },
  commandSeconds: {
    name: 'pando_redis_command_duration_seconds',
    help: 'Time from sending a command or batch to its reply, error replies included.',
    type: 'histogram',
    buckets: [0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1],
  },
  missedDeadlines: {
    name: 'pando_redis_missed_deadlines_total',
    help: 'Commands given up because no reply came in time.',
    type: 'counter',
  },
} satisfies Record<string, Instrument>;
