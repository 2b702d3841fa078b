import type { CounterCell, GaugeCell, HistogramCell, Instrument, Labels, Meter } from '../kernel/meter.js';
import { CounterValue, GaugeValue, HistogramValue, type Rejects } from './cells.js';
import { InstrumentError } from './errors.js';
import { checkInstrument, isSameInstrument } from './instrument-rules.js';
import { metricsInstruments } from './instruments.js';
import { type Cell, Table } from './table.js';

/** What a recording meter is made of. */
export interface RecordingMeterInit {
  readonly maxSeries: number;
  /** Called once for each instrument, when it is first bound. */
  readonly onTable: (table: Table) => void;
}

/**
 * Keeps what is recorded in plain numbers until somebody collects them.
 *
 * Binding throws `InstrumentError` for an instrument that could not be exposed. Recording never throws.
 */
export class RecordingMeter implements Meter {
  readonly #init: RecordingMeterInit;
  readonly #tables = new Map<string, Table>();

  constructor(init: RecordingMeterInit) {
    this.#init = init;
    this.observe(metricsInstruments.series, () => this.#size());
  }

  counter(instrument: Instrument, labels?: Labels): CounterCell {
    return this.#table(instrument, 'counter', (rejects) => new CounterValue(rejects)).cell(labels);
  }

  gauge(instrument: Instrument, labels?: Labels): GaugeCell {
    return this.#gauges(instrument).cell(labels);
  }

  histogram(instrument: Instrument, labels?: Labels): HistogramCell {
    return this.#table(instrument, 'histogram', (rejects) => {
      return new HistogramValue(rejects, Float64Array.from(instrument.buckets ?? []));
    }).cell(labels);
  }

  observe(instrument: Instrument, read: () => number, labels?: Labels): Disposable {
    const table = this.#gauges(instrument);
    const cell = table.cell(labels);
    const reader = () => read(); // the same function may observe twice
    cell.addReader(reader);
    return {
      [Symbol.dispose]() {
        if (cell.removeReader(reader)) table.remove(cell);
      },
    };
  }

  tables(): Iterable<Table> {
    return this.#tables.values();
  }

  #gauges(instrument: Instrument): Table<GaugeValue> {
    return this.#table(instrument, 'gauge', (rejects) => new GaugeValue(rejects));
  }

  #table<C extends Cell>(
    instrument: Instrument,
    type: Instrument['type'],
    create: (rejects: Rejects) => C,
  ): Table<C> {
    const known = this.#tables.get(instrument.name);
    if (known?.instrument === instrument && instrument.type === type) return known as unknown as Table<C>;
    if (instrument.type !== type)
      throw new InstrumentError(instrument.name, `is a ${instrument.type}, not a ${type}`);
    if (known !== undefined) {
      if (isSameInstrument(known.instrument, instrument)) return known as unknown as Table<C>;
      throw new InstrumentError(
        instrument.name,
        'was described differently before: one name, one description',
      );
    }
    return this.#create(instrument, create);
  }

  #create<C extends Cell>(instrument: Instrument, create: (rejects: Rejects) => C): Table<C> {
    checkInstrument(instrument);
    const rejects: Rejects = { count: () => this.#countOf(metricsInstruments.invalid, instrument) };
    const table = new Table<C>({
      instrument,
      maxSeries: this.#init.maxSeries,
      createCell: () => create(rejects),
      onOverflow: () => this.#countOf(metricsInstruments.seriesDropped, instrument),
    });
    this.#tables.set(instrument.name, table as unknown as Table);
    this.#init.onTable(table as unknown as Table);
    return table;
  }

  #countOf(counter: Instrument, { name }: Instrument): void {
    // Its own overflow must not count itself for ever.
    if (name !== counter.name) this.counter(counter, { metric: name }).add();
  }

  #size(): number {
    let size = 0;
    for (const table of this.#tables.values()) size += table.size;
    return size;
  }
}
