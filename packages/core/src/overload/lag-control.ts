import type { RequestPriority } from './priority.js';

/** How far one look moves the control: per target that the lag is over it, and at most. */
const gain = 0.05;
const fastestUp = 0.1;
const fastestDown = 0.03;
/** A loop that rests more than that is not late because of its work, but because somebody else has the processor. Refusing does not help. */
const busyFrom = 0.8;
/** What is more urgent is spared until all else is refused. */
const thirds: Readonly<Record<RequestPriority, number>> = { sheddable: 0, normal: 1, critical: 2 };

/**
 * Decides how much is refused because the event loop is late: more as long as it is later than it may be, less as long as it is not.
 *
 * Concurrency cannot tell: what keeps the processor busy waits before anybody has counted it.
 */
export class LagControl {
  readonly targetMs: number;
  #shedRatio = 0;

  constructor(targetMs: number) {
    this.targetMs = targetMs;
  }

  /** From 0 to 1: the first third goes at what is sheddable, the second at what is normal, too, the last at what is critical. */
  get shedRatio(): number {
    return this.#shedRatio;
  }

  /** Takes note of how late the loop was since the last look, and in what part of that time it had something to do. */
  look(lagMs: number, busyRatio: number): void {
    const causedMs = busyRatio < busyFrom ? 0 : lagMs;
    const step = gain * (causedMs / this.targetMs - 1);
    this.#shedRatio += Math.max(-fastestDown, Math.min(fastestUp, step));
    this.#shedRatio = Math.max(0, Math.min(1, this.#shedRatio));
  }

  /** Whether one of this priority is refused; `chance` is a random number below 1. */
  refuses(priority: RequestPriority, chance: number): boolean {
    return this.#shedRatio > 0 && chance < 3 * this.#shedRatio - thirds[priority];
  }
}
