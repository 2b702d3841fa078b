import type { CollectedMetric, MetricFamily, MetricSample, MetricsRegistry } from '../ports.js';

/** A registry whose values can be asked for. */
export interface MemoryRegistry extends MetricsRegistry {
  /** The value of one series; undefined when there is none. For a histogram ask for `…_count`, `…_sum` or `…_bucket` with `le`. */
  value(name: string, labels?: Readonly<Record<string, string | number>>): Promise<number | undefined>;
}

/** Creates a registry for tests and for processes without Prometheus. Takes no metric of another library. */
export function createMemoryRegistry(): MemoryRegistry {
  return new Registry();
}

class Registry implements MemoryRegistry {
  readonly contentType = 'text/plain; version=0.0.4; charset=utf-8';
  readonly #metrics = new Map<string, CollectedMetric>();

  registerMetric(metric: object): void {
    const collected = metric as CollectedMetric;
    const present = this.#metrics.get(collected.name);
    if (present !== undefined && present !== metric) {
      throw new Error(`A metric with the name ${collected.name} has already been registered.`);
    }
    this.#metrics.set(collected.name, collected);
  }

  getSingleMetric(name: string): unknown {
    return this.#metrics.get(name);
  }

  removeSingleMetric(name: string): void {
    this.#metrics.delete(name);
  }

  async metrics(): Promise<string> {
    return (await this.#families()).map(textOf).join('\n');
  }

  async value(
    name: string,
    labels: Readonly<Record<string, string | number>> = {},
  ): Promise<number | undefined> {
    const wanted = keyOf(labels);
    for (const family of await this.#families()) {
      for (const sample of family.values) {
        if ((sample.metricName ?? family.name) === name && keyOf(sample.labels) === wanted)
          return sample.value;
      }
    }
    return undefined;
  }

  #families(): Promise<readonly MetricFamily[]> {
    return Promise.all([...this.#metrics.values()].map((metric) => metric.get()));
  }
}

/** The order in which labels were named does not matter. */
function keyOf(labels: MetricSample['labels']): string {
  return JSON.stringify(
    Object.entries(labels)
      .map(([name, value]) => [name, String(value)])
      .sort(),
  );
}

/** The classic text format. */
function textOf({ name, help, type, values }: MetricFamily): string {
  const lines = values.map(({ metricName = name, labels, value }) => {
    const pairs = Object.entries(labels).map(
      ([label, of]) => `${label}="${escaped(String(of)).replaceAll('"', '\\"')}"`,
    );
    return `${metricName}${pairs.length === 0 ? '' : `{${pairs.join(',')}}`} ${value}\n`;
  });
  return `# HELP ${name} ${escaped(help)}\n# TYPE ${name} ${type}\n${lines.join('')}`;
}

function escaped(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');
}
