import type { Clock } from '../kernel/clock.js';
import { CacheLoadTimeoutError } from './errors.js';
import type { Flight } from './flight.js';

/** Ends loads that take too long. One timer does for all: the first that began is the first to be overdue. */
export class Deadlines {
  readonly #clock: Clock;
  readonly #timeoutMs: number;
  /** Monotonic instants at which they are overdue, in order. */
  readonly #dueAt = new Map<Flight, number>();
  #timer: Disposable | undefined;

  constructor(clock: Clock, timeoutMs: number) {
    this.#clock = clock;
    this.#timeoutMs = timeoutMs;
  }

  add(flight: Flight): void {
    this.#dueAt.set(flight, this.#clock.monotonic() + this.#timeoutMs);
    this.#timer ??= this.#clock.after(this.#timeoutMs, () => this.#endOverdue());
  }

  delete(flight: Flight): void {
    this.#dueAt.delete(flight);
    if (this.#dueAt.size > 0) return;
    this.#timer?.[Symbol.dispose]();
    this.#timer = undefined;
  }

  #endOverdue(): void {
    this.#timer = undefined;
    const now = this.#clock.monotonic();
    for (const [flight, dueAt] of this.#dueAt) {
      if (dueAt > now) {
        this.#timer = this.#clock.after(dueAt - now, () => this.#endOverdue());
        return;
      }
      this.#dueAt.delete(flight);
      flight.abort(new CacheLoadTimeoutError(flight.key, this.#timeoutMs));
    }
  }
}
