export { createMemoryRegistry, createMetrics, type MemoryRegistry, type MetricsWiring } from './create.js';
export { InstrumentError } from './errors.js';
export { metricsInstruments } from './instruments.js';
export type { Metrics } from './metrics.js';
export { type MetricsOptions, metricsDefaults } from './options.js';
export type { CollectedMetric, MetricFamily, MetricSample, MetricsRegistry } from './ports.js';
