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
  readonly aggregator: 'sum';
  readonly values: readonly MetricSample[];
}

/** What a registry holds of a metric: enough for prom-client to print, merge and aggregate it. */
export interface CollectedMetric {
  /** An OpenMetrics registry takes `_total` off and prints it itself. */
  name: string;
  readonly help: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly aggregator: 'sum';
  /** Reads the cells. */
  get(): Promise<MetricFamily>;
  /** Sets the cells to zero. */
  reset(): void;
}

/**
 * Where metrics are exposed: the part of a prom-client `Registry` that is used, so that an application's own registry,
 * of whichever copy or fork, can be given.
 */
export interface MetricsRegistry {
  /** Goes with what {@link MetricsRegistry.metrics} gives. */
  readonly contentType: string;
  /** Throws when another metric has the name. */
  // biome-ignore lint/suspicious/noExplicitAny: prom-client types it as one of its own classes; a CollectedMetric is given.
  registerMetric(metric: any): void;
  getSingleMetric(name: string): unknown;
  removeSingleMetric(name: string): void;
  /** The text of all metrics. */
  metrics(): Promise<string>;
}
