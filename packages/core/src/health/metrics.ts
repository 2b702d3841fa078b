import type { Instrument } from '../kernel/meter.js';

/** What the health room records. */
export const healthInstruments = {
  status: {
    name: 'pando_health_status',
    help: 'Status of a component: 1 healthy, 0.5 degraded, 0.25 saturated, 0 unhealthy.',
    type: 'gauge',
    labels: ['component'],
    values: { component: 'each component that is looked at, by the name of its check' },
  },
  changes: {
    name: 'pando_health_changes_total',
    help: 'Components that got another status.',
    type: 'counter',
    labels: ['component', 'status'],
    values: {
      component: 'each component that is looked at, by the name of its check',
      status: ['healthy', 'degraded', 'saturated', 'unhealthy'],
    },
  },
  ready: {
    name: 'pando_health_ready',
    help: 'Whether the instance asks for traffic: 1 or 0.',
    type: 'gauge',
  },
  duration: {
    name: 'pando_health_check_duration_seconds',
    help: 'How long looks at a component took.',
    type: 'histogram',
    labels: ['component'],
    values: { component: 'each component that is looked at, by the name of its check' },
    buckets: [0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5],
  },
} satisfies Record<string, Instrument>;
