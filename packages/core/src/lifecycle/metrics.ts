import type { Instrument } from '../kernel/meter.js';

/** What the lifecycle records. */
export const lifecycleInstruments = {
  state: {
    name: 'pando_lifecycle_state',
    help: 'Where in its life the instance is: 1 for the current state, 0 for the others.',
    type: 'gauge',
    labels: ['state'],
    values: { state: ['starting', 'ready', 'draining', 'closed'] },
  },
  hooks: {
    name: 'pando_lifecycle_hooks_total',
    help: 'Shutdown hooks by phase and outcome: done, failed or hung.',
    type: 'counter',
    labels: ['phase', 'outcome'],
    values: {
      phase: ['intake', 'streams', 'requests', 'rooms', 'telemetry'],
      outcome: ['done', 'failed', 'hung'],
    },
  },
} satisfies Record<string, Instrument>;
