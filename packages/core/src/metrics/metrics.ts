import { abortable, type Signalled } from '../kernel/abort.js';
import type { Logger } from '../kernel/logger.js';
import type { Meter } from '../kernel/meter.js';
import type { Check, Room } from '../kernel/room.js';
import type { MetricsRegistry } from './ports.js';
import { isJoinable, PublishedMetric } from './published-metric.js';
import { RecordingMeter } from './recording-meter.js';
import type { Table } from './table.js';

/** Records what the rooms do, and exposes it to Prometheus. */
export interface Metrics extends Room {
  readonly name: 'metrics';
  /** Hand it to the kernel. Binding a cell looks it up; recording to a bound cell never throws nor allocates. */
  readonly meter: Meter;
  /** The registry that was given, or the room's own. */
  readonly registry: MetricsRegistry;
  /** The `Content-Type` of {@link Metrics.expose}: OpenMetrics or the classic text, as the registry says. */
  readonly contentType: string;
  /** The text of everything in the registry, the application's own metrics included. Concurrent calls share one collection. */
  expose(options?: Signalled): Promise<string>;
}

/** The manager behind {@link Metrics}: keeps the meter's tables and the registry together. */
export class MetricsRoom implements Metrics {
  readonly name = 'metrics';
  readonly meter: RecordingMeter;
  readonly registry: MetricsRegistry;
  readonly #logger: Logger;
  readonly #taken = new Set<string>();
  #collection: Promise<string> | undefined;
  #closed = false;

  constructor(registry: MetricsRegistry, maxSeries: number, logger: Logger) {
    this.registry = registry;
    this.#logger = logger;
    this.meter = new RecordingMeter({ maxSeries, onTable: (table) => this.#publish(table) });
  }

  get contentType(): string {
    return this.registry.contentType;
  }

  async expose({ signal }: Signalled = {}): Promise<string> {
    this.#collection ??= this.#collect().finally(() => {
      this.#collection = undefined;
    });
    return abortable(this.#collection, signal);
  }

  async start(): Promise<void> {}

  async drain(): Promise<void> {}

  /** Takes the metrics out of the registry; the application's own stay. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    for (const table of this.meter.tables()) {
      const { instrument } = table;
      const metric = this.registry.getSingleMetric(instrument.name);
      if (isJoinable(metric, instrument) && metric.leave(table))
        this.registry.removeSingleMetric(instrument.name);
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  checks(): readonly Check[] {
    return [];
  }

  async #collect(): Promise<string> {
    // Whoever cleared the registry (a hot reload, a test) did not mean to silence Pando for ever.
    for (const table of this.meter.tables()) this.#publish(table);
    return this.registry.metrics();
  }

  #publish(table: Table): void {
    if (this.#closed) return;
    const { instrument } = table;
    const present = this.registry.getSingleMetric(instrument.name);
    if (present === undefined) {
      const metric = new PublishedMetric(instrument);
      metric.join(table);
      this.registry.registerMetric(metric);
    } else if (isJoinable(present, instrument)) {
      present.join(table);
    } else {
      this.#refuse(instrument.name);
    }
  }

  /** A name taken by the application must not keep the kit from working. */
  #refuse(metric: string): void {
    if (this.#taken.has(metric)) return;
    this.#taken.add(metric);
    this.#logger.error(
      { metric },
      "The registry has a metric of this name that is not like Pando's: Pando's is not exposed. Rename the other, or give Pando a registry of its own.",
    );
  }
}
