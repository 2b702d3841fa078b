import type { Instrument, Labels } from '../kernel/meter.js';
import type { Distribution } from './cells.js';

/** A cell that can be collected. */
export interface Cell {
  /** Undefined when there is nothing to tell. */
  read(): number | Distribution | undefined;
  reset(): void;
}

/** One time series. */
export interface Series<C extends Cell = Cell> {
  readonly labels: Labels;
  readonly cell: C;
}

/** What a table is made of. */
export interface TableInit<C extends Cell> {
  readonly instrument: Instrument;
  readonly maxSeries: number;
  readonly createCell: () => C;
  /** Called when a recording goes to the overflow series. */
  readonly onOverflow: () => void;
}

/** Label values lead to a series, one level per label. */
type Level<C extends Cell> = Map<string, Level<C> | Series<C>>;

const noLabels: Labels = Object.freeze({});

/**
 * All series of one instrument, bounded: label sets past the limit share one series whose labels say `_other`.
 *
 * Finding a series allocates nothing, and label values are never joined to a key: values that contain each other's
 * separators stay apart.
 */
export class Table<C extends Cell = Cell> {
  readonly instrument: Instrument;
  readonly #names: readonly string[];
  readonly #init: TableInit<C>;
  readonly #overflow: Labels;
  readonly #root: Level<C> = new Map();
  readonly #series = new Set<Series<C>>();

  constructor(init: TableInit<C>) {
    this.instrument = init.instrument;
    this.#init = init;
    const names = init.instrument.labels ?? [];
    this.#overflow = Object.fromEntries(names.map((name) => [name, '_other']));
    this.#names = names.length === 0 ? [''] : names; // one level always: a series without labels hangs there
  }

  get size(): number {
    return this.#series.size;
  }

  series(): Iterable<Series<C>> {
    return this.#series;
  }

  /** The cell of these labels, made when it is new. A missing label is empty, an unknown one ignored. */
  cell(labels: Labels = noLabels): C {
    const found = this.#find(labels);
    if (found !== undefined) return found.cell;
    if (this.#series.size < this.#init.maxSeries) return this.#add(labels).cell;
    this.#init.onOverflow();
    return (this.#find(this.#overflow) ?? this.#add(this.#overflow)).cell;
  }

  /** Forgets the series of a cell. */
  remove(cell: C): void {
    for (const series of this.#series) {
      if (series.cell !== cell) continue;
      this.#series.delete(series);
      this.#levelOf(series.labels).delete(series.labels[this.#names.at(-1) as string] ?? '');
    }
  }

  #find(labels: Labels): Series<C> | undefined {
    let found: Level<C> | Series<C> | undefined = this.#root;
    for (const name of this.#names) {
      if (!(found instanceof Map)) return undefined;
      found = found.get(labels[name] ?? '');
    }
    return found as Series<C> | undefined;
  }

  #add(labels: Labels): Series<C> {
    const own = Object.fromEntries((this.instrument.labels ?? []).map((name) => [name, labels[name] ?? '']));
    const series: Series<C> = { labels: Object.freeze(own), cell: this.#init.createCell() };
    this.#levelOf(own).set(own[this.#names.at(-1) as string] ?? '', series);
    this.#series.add(series);
    return series;
  }

  /** The level that holds the series, made where it is missing. */
  #levelOf(labels: Labels): Level<C> {
    let level = this.#root;
    for (const name of this.#names.slice(0, -1)) {
      const value = labels[name] ?? '';
      let below = level.get(value) as Level<C> | undefined;
      if (below === undefined) {
        below = new Map();
        level.set(value, below);
      }
      level = below;
    }
    return level;
  }
}
