import type { Instrument } from '../kernel/meter.js';

/** What the limits room records. */
export const limitsInstruments = {
  decisions: {
    name: 'pando_limits_decisions_total',
    help: 'Decisions by policy, outcome (allowed, refused; shadowed: passed only because the policy is a shadow) and who decided (redis, memory, store, lease, denied, exempt, ban, local, open, closed).',
    type: 'counter',
    labels: ['policy', 'outcome', 'source'],
    values: {
      policy:
        'each policy of the configuration, and the counters of each protection: `login:address`, `login:account`, `login:pair`',
      outcome: ['allowed', 'refused', 'shadowed'],
      source: ['redis', 'memory', 'store', 'lease', 'denied', 'exempt', 'ban', 'local', 'open', 'closed'],
    },
  },
  duration: {
    name: 'pando_limits_decision_duration_seconds',
    help: 'Time from the call to the decision.',
    type: 'histogram',
    buckets: [0.000_1, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5],
  },
  bans: {
    name: 'pando_limits_bans',
    help: 'Keys, addresses and networks that are banned, as this instance knows it.',
    type: 'gauge',
  },
} satisfies Record<string, Instrument>;
