import type { CounterCell, GaugeCell, HistogramCell } from '../kernel/meter.js';

/** Counts the values that a metric could not take. */
export interface Rejects {
  count(): void;
}

/** What a distribution has seen: one number per bucket, the last for what is above all bounds. */
export interface Distribution {
  readonly counts: readonly number[];
  readonly sum: number;
}

/** A counter's number. */
export class CounterValue implements CounterCell {
  readonly #rejects: Rejects;
  #value = 0;

  constructor(rejects: Rejects) {
    this.#rejects = rejects;
  }

  add(amount = 1): void {
    if (amount >= 0 && amount < Number.POSITIVE_INFINITY) this.#value += amount;
    else this.#rejects.count();
  }

  read(): number {
    return this.#value;
  }

  reset(): void {
    this.#value = 0;
  }
}

/** A gauge's level: what was set, and what its readers say now, added up. */
export class GaugeValue implements GaugeCell {
  readonly #rejects: Rejects;
  readonly #readers = new Set<() => number>();
  #value: number | undefined;

  constructor(rejects: Rejects) {
    this.#rejects = rejects;
  }

  set(value: number): void {
    if (Number.isFinite(value)) this.#value = value;
    else this.#rejects.count();
  }

  addReader(read: () => number): void {
    this.#readers.add(read);
  }

  /** Tells whether nothing gives the gauge a level any more. */
  removeReader(read: () => number): boolean {
    this.#readers.delete(read);
    return this.#readers.size === 0 && this.#value === undefined;
  }

  /** Undefined when there is no level to tell. */
  read(): number | undefined {
    let level = this.#value;
    for (const read of this.#readers) {
      const value = this.#ask(read);
      if (Number.isFinite(value)) level = (level ?? 0) + value;
      else this.#rejects.count();
    }
    return level;
  }

  /** A level has no zero to go back to. */
  reset(): void {}

  #ask(read: () => number): number {
    try {
      return read();
    } catch {
      return Number.NaN; // one broken reader must not take the whole exposition with it
    }
  }
}

/** A histogram's buckets. */
export class HistogramValue implements HistogramCell {
  readonly #rejects: Rejects;
  readonly #bounds: Float64Array;
  readonly #counts: Float64Array;
  #sum = 0;

  constructor(rejects: Rejects, bounds: Float64Array) {
    this.#rejects = rejects;
    this.#bounds = bounds;
    this.#counts = new Float64Array(bounds.length + 1);
  }

  record(value: number): void {
    if (!(value >= 0 && value < Number.POSITIVE_INFINITY)) {
      this.#rejects.count();
      return;
    }
    const bounds = this.#bounds;
    let low = 0;
    let high = bounds.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (value <= (bounds[middle] as number)) high = middle;
      else low = middle + 1;
    }
    (this.#counts[low] as number)++;
    this.#sum += value;
  }

  read(): Distribution {
    return { counts: [...this.#counts], sum: this.#sum };
  }

  reset(): void {
    this.#counts.fill(0);
    this.#sum = 0;
  }
}
