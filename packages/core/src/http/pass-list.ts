import type { Clock } from '../kernel/clock.js';

/** Keys whose answers were not for storing, for a while: nobody should wait for another's answer in vain again and again. */
export class PassList {
  readonly #clock: Clock;
  readonly #maxKeys: number;
  readonly #passMs: number;
  /** Until when, in the order in which they end. */
  readonly #until = new Map<string, number>();

  constructor(clock: Clock, { maxKeys = 1_000, passMs = 10_000 } = {}) {
    this.#clock = clock;
    this.#maxKeys = maxKeys;
    this.#passMs = passMs;
  }

  add(key: string): void {
    this.#until.delete(key);
    this.#until.set(key, this.#clock.monotonic() + this.#passMs);
    if (this.#until.size <= this.#maxKeys) return;
    for (const oldest of this.#until.keys()) {
      this.#until.delete(oldest);
      return;
    }
  }

  delete(key: string): void {
    this.#until.delete(key);
  }

  has(key: string): boolean {
    const until = this.#until.get(key);
    if (until === undefined) return false;
    if (until > this.#clock.monotonic()) return true;
    this.#until.delete(key);
    return false;
  }
}
