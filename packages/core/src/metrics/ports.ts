/** One sample of a metric, in prom-client's form. */
export interface MetricSample {
  readonly value: number;
  readonly labels: Readonly<Record<string, string | number>>;
  /** The name of the line when it differs from the metric's: `…_bucket`, `…_sum`, `…_count`. */
  readonly metricName?: string;
}

/** One metric with its samples, in prom-client's form. */
export interface MetricFamily {
  readonly name: string;
  readonly help: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  /** How values of several processes become one. */
  readonly aggregator: 'sum';
  readonly values: readonly MetricSample[];
}

/** What a registry holds of a metric: enough for prom-client to print, merge and aggregate it. */
export interface CollectedMetric {
  /** An OpenMetrics registry takes `_total` off, and prints it itself. */
  name: string;
  readonly help: string;
  readonly type: MetricFamily['type'];
  readonly aggregator: MetricFamily['aggregator'];
  /** Reads the cells. */
  get(): Promise<MetricFamily>;
  /** Sets counters and histograms to zero. */
  reset(): void;
}

/**
 * Where metrics are exposed: the part of prom-client's `Registry` that is used, so that an application can give its own,
 * of whichever copy or fork.
 */
export interface MetricsRegistry {
  /** Goes with what {@link MetricsRegistry.metrics} gives. */
  readonly contentType: string;
  /** Takes a {@link CollectedMetric}; throws when another metric has its name. */
  registerMetric(metric: object): void;
  getSingleMetric(name: string): unknown;
  removeSingleMetric(name: string): void;
  /** The text of all metrics. */
  metrics(): Promise<string>;
}
