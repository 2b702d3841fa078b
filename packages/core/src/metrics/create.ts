import { type Logger, noopLogger } from '../kernel/logger.js';
import { collectProcessMetrics, createPrometheusRegistry } from './drivers/prometheus.js';
import { type Metrics, MetricsRoom } from './metrics.js';
import { type MetricsOptions, resolveMetricsOptions } from './options.js';

export { createMemoryRegistry, type MemoryRegistry } from './drivers/memory.js';

/** What a metrics room may be given by its surroundings. Not a kernel: that is built on the room's meter. */
export interface MetricsWiring {
  readonly logger?: Logger | undefined;
}

/**
 * Creates the metrics room. It records from the start.
 *
 * @throws `PandoOptionsError` for options that cannot be right.
 *
 * @example
 * ```ts
 * import { register } from 'prom-client';
 *
 * const metrics = createMetrics({ registry: register });
 * response.setHeader('content-type', metrics.contentType).end(await metrics.expose());
 * ```
 */
export function createMetrics(options: MetricsOptions = {}, wiring: MetricsWiring = {}): Metrics {
  const { registry: given, openMetrics, defaultMetrics, maxSeries } = resolveMetricsOptions(options);
  const registry = given ?? createPrometheusRegistry({ openMetrics });
  if (defaultMetrics) collectProcessMetrics(registry);
  return new MetricsRoom(registry, maxSeries, wiring.logger ?? noopLogger);
}
