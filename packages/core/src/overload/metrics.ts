import type { Instrument } from '../kernel/meter.js';

const group = 'default, and each group of the configuration';

/** What the overload room records. */
export const overloadInstruments = {
  requests: {
    name: 'pando_overload_requests_total',
    help: 'Requests by what became of them: admitted, or refused and why. In the mode observe those that would have been refused are counted as refused, and admitted all the same.',
    type: 'counter',
    labels: ['group', 'priority', 'outcome'],
    values: {
      group,
      priority: ['critical', 'normal', 'sheddable'],
      outcome: ['admitted', 'concurrency', 'lag', 'memory', 'waiting', 'expired', 'gone'],
    },
  },
  limit: {
    name: 'pando_overload_concurrency_limit',
    help: 'Requests that may be in progress at once now, as far as is known what is good for them.',
    type: 'gauge',
    labels: ['group'],
    values: { group },
  },
  inFlight: {
    name: 'pando_overload_in_flight',
    help: 'Admitted requests that are in progress now; streams are not, once they have begun.',
    type: 'gauge',
    labels: ['group'],
    values: { group },
  },
  shedRatio: {
    name: 'pando_overload_shed_ratio',
    help: 'How much is refused because the event loop is late: the first third of it goes at what is sheddable, the second at what is normal, too, the last at what is critical.',
    type: 'gauge',
  },
  retries: {
    name: 'pando_overload_retries_total',
    help: 'Retries that were asked of a retry budget, by what it said.',
    type: 'counter',
    labels: ['budget', 'outcome'],
    values: { budget: 'each retry budget of the application', outcome: ['granted', 'refused'] },
  },
} satisfies Record<string, Instrument>;
