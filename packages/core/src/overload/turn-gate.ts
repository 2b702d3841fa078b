import type { Clock } from '../kernel/clock.js';
import type { LoopWatch } from './ports.js';
import type { RequestPriority } from './priority.js';

/** For how many targets the loop must not have rested at all: a burst passes sooner. */
const standingTargets = 8;
/**
 * Up to how many targets a turn may have lasted for one more to begin in it. Short turns cost nothing while there is always a next
 * one, and in each of them node:http accepts a single connection.
 */
const budgets: Readonly<Record<RequestPriority, number>> = { sheddable: 1 / 16, normal: 1 / 8, critical: 8 };

/**
 * Bounds how much one turn of the event loop takes in, while there is more to do than can be done.
 *
 * A turn begins all the requests that came during the one before. Where they keep the processor busy, and each brings more than one
 * after it, every turn is longer than the last: the sixth may take seconds, and no timer measures anything before it ends. As in
 * CoDel, what tells it is a queue that stands: the loop has not rested for long, and turns last too long. From then on until it
 * rests a turn takes in little and refuses the rest, which is soon done.
 */
export class TurnGate {
  readonly #clock: Pick<Clock, 'monotonic'>;
  readonly #loop: LoopWatch;
  readonly #targetMs: number;
  /** When the loop began to be busy, as far as is known. */
  #busySince: number;
  /** When the turn under way began, as far as is known. */
  #turnAt: number;
  #restedMs: number;
  /** Whether a request of the turn under way has been seen. */
  #isSeen = false;
  /** Whether there is more to do than can be done. */
  #isStanding = false;
  #turnEnd: Disposable | undefined;

  constructor(targetMs: number, loop: LoopWatch, clock: Pick<Clock, 'monotonic'>) {
    this.#clock = clock;
    this.#loop = loop;
    this.#targetMs = targetMs;
    this.#busySince = this.#turnAt = clock.monotonic();
    this.#restedMs = loop.restedMs();
  }

  /** Whether one of this priority is refused. The first in a turn never is: whatever makes turns long, something gets done. */
  refuses(priority: RequestPriority): boolean {
    const now = this.#clock.monotonic();
    if (!this.#isSeen) {
      this.#beginTurn(now);
      return false;
    }
    const lastedMs = now - this.#turnAt;
    const isLate = lastedMs > this.#targetMs && now - this.#busySince > standingTargets * this.#targetMs;
    this.#isStanding ||= isLate;
    return this.#isStanding && lastedMs > budgets[priority] * this.#targetMs;
  }

  [Symbol.dispose](): void {
    this.#turnEnd?.[Symbol.dispose]();
    this.#turnEnd = undefined;
  }

  #beginTurn(now: number): void {
    this.#isSeen = true;
    if (this.#hasRested()) this.#rested(now);
    // Nobody has watched since the loop rested: what lies between was other work, in many turns perhaps.
    else if (this.#turnEnd === undefined) this.#turnAt = now;
    this.#turnEnd ??= this.#loop.afterTurn(this.#endTurn);
  }

  readonly #endTurn = (): void => {
    // A loop rests before a turn's work, never in the middle: where a request was seen, it is known already.
    const hasRested = !this.#isSeen && this.#hasRested();
    this.#isSeen = false;
    this.#turnAt = this.#clock.monotonic();
    if (hasRested) this.#rested(this.#turnAt);
    this.#turnEnd = hasRested ? undefined : this.#loop.afterTurn(this.#endTurn);
  };

  #rested(now: number): void {
    this.#busySince = this.#turnAt = now;
    this.#isStanding = false;
  }

  /** Whether the loop had nothing to do for a while since this was asked last. */
  #hasRested(): boolean {
    const before = this.#restedMs;
    this.#restedMs = this.#loop.restedMs();
    return this.#restedMs > before;
  }
}
