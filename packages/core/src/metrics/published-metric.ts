import type { Instrument, Labels } from '../kernel/meter.js';
import type { Distribution } from './cells.js';
import { isSameInstrument } from './instrument-rules.js';
import type { CollectedMetric, MetricFamily, MetricSample } from './ports.js';
import type { Series, Table } from './table.js';

/** Marks Pando's metrics in a registry, across copies of the library. */
const brand: unique symbol = Symbol.for('pando.metric') as never;

/**
 * One metric in a registry. All kits of the process that share the registry record to it, each to a table of its own;
 * what they recorded for the same labels is added up.
 */
export class PublishedMetric implements CollectedMetric {
  name: string;
  readonly instrument: Instrument;
  readonly aggregator = 'sum';
  readonly [brand] = true;
  readonly #tables = new Set<Table>();

  constructor(instrument: Instrument) {
    this.instrument = instrument;
    this.name = instrument.name;
  }

  get help(): string {
    return this.instrument.help;
  }

  get type(): MetricFamily['type'] {
    return this.instrument.type;
  }

  join(table: Table): void {
    this.#tables.add(table);
  }

  /** Tells whether nobody is left. */
  leave(table: Table): boolean {
    this.#tables.delete(table);
    return this.#tables.size === 0;
  }

  async get(): Promise<MetricFamily> {
    const { name, help, type, aggregator } = this;
    const values: MetricSample[] = [];
    for (const { labels, value } of this.#read()) {
      if (typeof value === 'number') values.push({ value, labels });
      else this.#pushBuckets(values, labels, value);
    }
    return { name, help, type, aggregator, values };
  }

  reset(): void {
    for (const { cell } of this.#series()) cell.reset();
  }

  #pushBuckets(values: MetricSample[], labels: Labels, { counts, sum }: Distribution): void {
    const { name } = this;
    const bounds = [...(this.instrument.buckets ?? []), '+Inf'];
    let count = 0;
    for (const [index, le] of bounds.entries()) {
      count += counts[index] ?? 0;
      values.push({ metricName: `${name}_bucket`, labels: { le, ...labels }, value: count });
    }
    values.push({ metricName: `${name}_sum`, labels, value: sum });
    values.push({ metricName: `${name}_count`, labels, value: count });
  }

  /** The values by label set. */
  #read(): Iterable<{ readonly labels: Labels; readonly value: number | Distribution }> {
    const read = new Map<string, { readonly labels: Labels; readonly value: number | Distribution }>();
    for (const { labels, cell } of this.#series()) {
      const value = cell.read();
      if (value === undefined) continue;
      const key = JSON.stringify(Object.values(labels));
      const before = read.get(key);
      read.set(key, { labels, value: before === undefined ? value : added(before.value, value) });
    }
    return read.values();
  }

  *#series(): Iterable<Series> {
    for (const table of this.#tables) yield* table.series();
  }
}

/** Whether a registry's metric is one that a table of this instrument can join. */
export function isJoinable(metric: unknown, instrument: Instrument): metric is PublishedMetric {
  const candidate = metric as Partial<PublishedMetric> | null | undefined;
  return (
    candidate?.[brand] === true && isSameInstrument((candidate as PublishedMetric).instrument, instrument)
  );
}

function added(a: number | Distribution, b: number | Distribution): number | Distribution {
  if (typeof a === 'number' || typeof b === 'number') return Number(a) + Number(b);
  return { counts: a.counts.map((count, index) => count + (b.counts[index] ?? 0)), sum: a.sum + b.sum };
}
