import { type OptionsReader, readOptions } from '../kernel/options.js';
import type { MetricsRegistry } from './ports.js';

/** How metrics are kept and exposed. */
export interface MetricsOptions {
  /**
   * A prom-client registry of the application: Pando's metrics appear beside its own. Several kits may share one: their
   * series are added up. Left out: a registry of the room's own.
   */
  readonly registry?: MetricsRegistry | undefined;
  /** Whether the room's own registry speaks OpenMetrics instead of the classic text. @defaultValue `false` */
  readonly openMetrics?: boolean | undefined;
  /**
   * Whether to expose prom-client's metrics of the process and of Node, too, unless the registry has them. They go on
   * measuring for the life of the process. @defaultValue `false`
   */
  readonly defaultMetrics?: boolean | undefined;
  /** Label sets that one metric may have; what comes after shares one series labelled `_other`. @defaultValue `1_000` */
  readonly maxSeries?: number | undefined;
}

/** The defaults. */
export const metricsDefaults = Object.freeze({
  openMetrics: false,
  defaultMetrics: false,
  maxSeries: 1_000,
});

/** Options with every default filled in. */
export interface ResolvedMetricsOptions {
  readonly registry: MetricsRegistry | undefined;
  readonly openMetrics: boolean;
  readonly defaultMetrics: boolean;
  readonly maxSeries: number;
}

/** Checks the options; throws `PandoOptionsError`. */
export function resolveMetricsOptions(options: MetricsOptions = {}): ResolvedMetricsOptions {
  const reader: OptionsReader = readOptions('metrics', options);
  const registry = reader.any('registry');
  if (registry !== undefined && !isRegistry(registry)) reader.fail('registry', 'a prom-client Registry');
  const openMetrics = reader.boolean('openMetrics', metricsDefaults.openMetrics);
  if (registry !== undefined && options.openMetrics !== undefined) {
    reader.fail('openMetrics', 'left out when a registry is given, which has a content type of its own');
  }
  const resolved: ResolvedMetricsOptions = {
    registry,
    openMetrics,
    defaultMetrics: reader.boolean('defaultMetrics', metricsDefaults.defaultMetrics),
    maxSeries: reader.int('maxSeries', metricsDefaults.maxSeries, { min: 1 }),
  };
  reader.done();
  return resolved;
}

const methods = ['registerMetric', 'getSingleMetric', 'removeSingleMetric', 'metrics'] as const;

function isRegistry(value: unknown): value is MetricsRegistry {
  if (typeof value !== 'object' || value === null) return false;
  const candidate = value as Partial<MetricsRegistry>;
  return (
    typeof candidate.contentType === 'string' &&
    methods.every((name) => typeof candidate[name] === 'function')
  );
}
