import type { Clock } from './clock.js';

/** Two readings in such a short time are a quick succession. */
const QUICK_MS = 0.02;
/** So many of them in a row are a burst. */
const BURST = 16;
/** Readings of a burst for which the clock is asked once. */
const STRIDE = 64;

/**
 * Reads a clock for decisions that are made so often that the reading would cost more than the decision: 50 ns of 110 for a
 * value in the process.
 *
 * Exact for whoever asks now and then. In a burst it stands still for a few microseconds, and never beyond the turn of the
 * event loop, so that a process which was frozen between two turns does not wake up in the past. Who must not see an instant
 * before another takes the later of the two.
 */
export class TurnClock {
  readonly #clock: Pick<Clock, 'monotonic'>;
  readonly #endTurn = () => this.#forget();
  #instant = Number.NEGATIVE_INFINITY;
  #left = 0;
  #streak = 0;
  #isEnding = false;

  constructor(clock: Pick<Clock, 'monotonic'>) {
    this.#clock = clock;
  }

  /** Monotonic instant. */
  now(): number {
    if (this.#left === 0) return this.#read();
    this.#left--;
    return this.#instant;
  }

  #read(): number {
    const now = this.#clock.monotonic();
    const isQuick = now - this.#instant < (this.#streak < BURST ? QUICK_MS : QUICK_MS * STRIDE);
    this.#instant = now;
    this.#streak = isQuick ? this.#streak + 1 : 0;
    if (this.#streak >= BURST) {
      this.#left = STRIDE - 1;
      if (!this.#isEnding) setImmediate(this.#endTurn); // once for a whole burst: it costs as much as ten readings
      this.#isEnding = true;
    }
    return now;
  }

  #forget(): void {
    this.#isEnding = false;
    this.#left = 0;
    this.#streak = 0;
  }
}
