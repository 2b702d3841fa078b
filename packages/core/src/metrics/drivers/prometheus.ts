import { collectDefaultMetrics, Registry } from 'prom-client';
import type { MetricsRegistry } from '../ports.js';

/** A prom-client registry of its own, apart from prom-client's global one. */
export function createPrometheusRegistry({
  openMetrics,
}: {
  readonly openMetrics: boolean;
}): MetricsRegistry {
  const registry = new Registry();
  // The type of a registry is bound to its content type at compile time; here it is an option.
  if (openMetrics) (registry as Registry<never>).setContentType(Registry.OPENMETRICS_CONTENT_TYPE as never);
  return registry;
}

/** Exposes what prom-client knows of the process and of Node, unless the registry has it already. */
export function collectProcessMetrics(registry: MetricsRegistry): void {
  if (registry.getSingleMetric('process_start_time_seconds') !== undefined) return;
  // prom-client calls registerMetric on it, which every registry has.
  collectDefaultMetrics({ register: registry as Registry });
}
