export type { Metrics } from './metrics.js';
export type { CollectedMetric, MetricFamily, MetricSample, MetricsRegistry } from './ports.js';
