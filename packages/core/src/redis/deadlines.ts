import type { Clock } from '../kernel/clock.js';

/** One wait with a deadline. */
export interface Wait {
  /** Monotonic instant at which it began. */
  readonly since: number;
  /** Called when the time is up, at most once, never after {@link Deadlines.end}. */
  expire(): void;
}

/** The waits of one duration, in the order in which they began and so will expire. */
interface Lane {
  readonly durationMs: number;
  readonly waits: Set<Wait>;
}

/**
 * Deadlines for many waits with one timer for each duration in use, however many wait.
 *
 * A wait expires no earlier than its duration, and not before replies that have already arrived were
 * read: a process that was busy or frozen does not blame the server.
 */
export class Deadlines {
  readonly #clock: Clock;
  readonly #lanes = new Map<number, Lane>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  begin(wait: Wait, durationMs: number): void {
    let lane = this.#lanes.get(durationMs);
    if (lane === undefined) {
      lane = { durationMs, waits: new Set() };
      this.#lanes.set(durationMs, lane);
      this.#arm(lane, durationMs);
    }
    lane.waits.add(wait);
  }

  end(wait: Wait, durationMs: number): void {
    this.#lanes.get(durationMs)?.waits.delete(wait);
  }

  #arm(lane: Lane, delayMs: number): void {
    // Timers run before sockets are read, so look again once they were.
    this.#clock.after(delayMs, () => setImmediate(() => this.#expire(lane)));
  }

  #expire(lane: Lane): void {
    const now = this.#clock.monotonic();
    for (const wait of lane.waits) {
      const remainingMs = wait.since + lane.durationMs - now;
      if (remainingMs > 0) {
        this.#arm(lane, remainingMs);
        return;
      }
      lane.waits.delete(wait);
      wait.expire();
    }
    this.#lanes.delete(lane.durationMs);
  }
}
