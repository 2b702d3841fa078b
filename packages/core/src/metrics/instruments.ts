import type { Instrument } from '../kernel/meter.js';

/** What the metrics room records of itself. */
export const metricsInstruments = {
  series: {
    name: 'pando_metrics_series',
    help: 'Series that Pando keeps in this process.',
    type: 'gauge',
  },
  seriesDropped: {
    name: 'pando_metrics_series_dropped_total',
    help: 'Recordings that went to the series "_other" because the metric had too many series.',
    type: 'counter',
    labels: ['metric'],
    values: { metric: 'each metric of Pando' },
  },
  invalid: {
    name: 'pando_metrics_invalid_total',
    help: 'Values that were not recorded because they were no number, infinite, or negative where that cannot be.',
    type: 'counter',
    labels: ['metric'],
    values: { metric: 'each metric of Pando' },
  },
} satisfies Record<string, Instrument>;
