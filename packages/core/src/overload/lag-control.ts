import type { RequestPriority } from './priority.js';

/** How far one look moves the control: per target that the lag is over it, and at most. */
const gain = 0.05;
const fastestUp = 0.1;
const fastestDown = 0.03;

/**
 * Decides how much is refused because the event loop is late: more as long as it is later than it may be, less as long as it is not.
 *
 * Concurrency cannot tell: what keeps the processor busy waits before anybody has counted it.
 */
export class LagControl {
  readonly #targetMs: number;
  #shedRatio = 0;

  constructor(targetMs: number) {
    this.#targetMs = targetMs;
  }

  /** From 0 to 1: up to 0.5 it goes at what is sheddable, above that at what is normal, too. */
  get shedRatio(): number {
    return this.#shedRatio;
  }

  /** Takes note of how late the loop was since the last look. */
  look(lagMs: number): void {
    const step = gain * (lagMs / this.#targetMs - 1);
    this.#shedRatio += Math.max(-fastestDown, Math.min(fastestUp, step));
    this.#shedRatio = Math.max(0, Math.min(1, this.#shedRatio));
  }

  /** Whether one of this priority is refused; `chance` is a random number below 1. What is critical never is. */
  refuses(priority: RequestPriority, chance: number): boolean {
    if (this.#shedRatio === 0 || priority === 'critical') return false;
    return chance < (priority === 'sheddable' ? 2 * this.#shedRatio : 2 * this.#shedRatio - 1);
  }
}
