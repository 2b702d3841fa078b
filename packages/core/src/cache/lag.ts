import type { Clock } from '../kernel/clock.js';
import type { HistogramCell, Meter } from '../kernel/meter.js';
import { cacheInstruments } from './metrics.js';
import type { SharedLevel } from './ports.js';

/** Invalidations whose announcement is waited for; more mean that announcements do not arrive. */
const MAX_AWAITED = 1_000;

/**
 * Measures how long an invalidation is on its way: from the call to the arrival of its announcement.
 *
 * Each instance measures its own, which come back to it as they come to the others, by its own monotonic clock: the clocks of
 * two machines differ by more than what is measured. What arrives by way of the log is not measured, but counted as a replay.
 */
export class InvalidationLag implements Disposable {
  readonly #clock: Clock;
  readonly #seconds: HistogramCell;
  readonly #listener: Disposable;
  /** Calls whose reply has not come. */
  #calls = 0;
  /** Monotonic instants: of announcements that came before the reply, by sequence. */
  readonly #heard = new Map<number, number>();
  /** And of calls whose reply came first. */
  readonly #called = new Map<number, number>();

  constructor(level: SharedLevel, clock: Clock, meter: Meter) {
    this.#clock = clock;
    this.#seconds = meter.histogram(cacheInstruments.invalidationLag);
    this.#listener = level.events.on('announcement', ({ sequence }) => this.#hear(sequence));
  }

  /** Sends an invalidation, and waits in the background for what becomes of it. */
  async measure<Clock extends { readonly sequence: number }>(send: () => Promise<Clock>): Promise<Clock> {
    const calledAt = this.#clock.monotonic();
    this.#calls += 1;
    try {
      const clock = await send();
      const heardAt = this.#heard.get(clock.sequence);
      if (heardAt === undefined) this.#await(clock.sequence, calledAt);
      else this.#record(calledAt, heardAt);
      return clock;
    } finally {
      this.#calls -= 1;
      if (this.#calls === 0) this.#heard.clear();
    }
  }

  [Symbol.dispose](): void {
    this.#listener[Symbol.dispose]();
  }

  #hear(sequence: number): void {
    const calledAt = this.#called.get(sequence);
    if (calledAt !== undefined) {
      this.#called.delete(sequence);
      this.#record(calledAt, this.#clock.monotonic());
    } else if (this.#calls > 0) {
      this.#heard.set(sequence, this.#clock.monotonic());
    }
  }

  #await(sequence: number, calledAt: number): void {
    if (this.#called.size === MAX_AWAITED) this.#called.clear();
    this.#called.set(sequence, calledAt);
  }

  #record(calledAt: number, heardAt: number): void {
    this.#seconds.record((heardAt - calledAt) / 1_000);
  }
}
