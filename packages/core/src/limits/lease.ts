import type { QueuedAsk } from './ask-queue.js';
import type { LimitVerdict } from './ports.js';

/** A call on its way to a decision. */
export interface LeaseCall extends QueuedAsk {
  /** Monotonic instant at which it was made. */
  readonly since: number;
}

/** Demand is measured over this part of a lease at least: two calls at once are not yet many a second. */
const leastMeasuredRatio = 0.1;
/** How much of a new measure counts; all of it where more would have been spent if there had been more. */
const weight = 0.5;

/** What one key was lent, and how much it is asked for. */
export class Lease {
  readonly key: string;
  /** Monotonic instant up to which what is held may be spent. */
  endsAt = 0;
  /** When that was lent, by the store's clock. */
  lentAt = 0;
  /** When the store was asked last, and when it answered: calls that wait for it do not show how many there would be. */
  askedAt: number;
  #measuredAt: number;
  /** Whether the store is being asked for more; others wait for that. */
  isAsking = false;
  /** Whether nothing must be kept here any more. */
  isOver = false;
  /** Whether the counter forgot what was lent. */
  isForgotten = false;
  /** Called when what was being asked for at the end has gone back. */
  returned: (() => void) | undefined;
  waiting: LeaseCall[] = [];
  #held = 0;
  #taken = 0;
  /** Spent since the store was asked last. */
  #spent = 0;
  /** Whether the last loan was spent before its end. */
  #wasShort = false;
  /** What will be spent while a lease lasts. */
  #demand = 0;
  /** How the counter stood without what is held. */
  #verdict: LimitVerdict | undefined;
  #resetAt = 0;

  constructor(key: string, now: number) {
    this.key = key;
    this.askedAt = now;
    this.#measuredAt = now;
  }

  spend(cost: number, now: number): LimitVerdict | undefined {
    if (this.#held < cost || this.endsAt <= now) return undefined;
    this.#held -= cost;
    const { window, remaining } = this.#verdict as LimitVerdict;
    const resetMs = Math.max(1, Math.ceil(this.#resetAt - now));
    return { fits: true, window, remaining: remaining + this.#held, resetMs };
  }

  /** How much to ask for beyond a call. */
  demand({ amount, since }: LeaseCall, forMs: number): number {
    const measuredMs = Math.max(since - this.#measuredAt, forMs * leastMeasuredRatio);
    const measured = ((this.#spent + amount) * forMs) / measuredMs;
    this.#demand += (measured - this.#demand) * (this.#wasShort && measured > this.#demand ? 1 : weight);
    this.#spent = 0;
    this.askedAt = since;
    this.#measuredAt = since;
    return Math.floor(this.#demand);
  }

  /** Notes what was spent beside what is held. */
  note(amount: number): void {
    this.#spent += amount;
  }

  /** Holds what was lent to who asked at that instant, and hears now. */
  take(verdict: LimitVerdict, since: number, now: number, forMs: number): void {
    const { loan } = verdict;
    if (loan === undefined) return;
    this.#measuredAt = now;
    this.#held = loan.amount;
    this.#taken = loan.amount;
    this.#verdict = verdict;
    this.lentAt = loan.lentAt;
    this.#resetAt = since + verdict.resetMs;
    // The store has counted after it was asked, so this ends before it does there.
    this.endsAt = since + Math.min(forMs, loan.forMs);
  }

  /** Holds nothing any more; tells what was held. */
  drop(): number {
    const held = this.#held;
    this.#wasShort = this.#taken > 0 && held === 0;
    this.#spent += this.#taken - held;
    this.#held = 0;
    this.#taken = 0;
    return held;
  }

  takeWaiting(): readonly LeaseCall[] {
    const { waiting } = this;
    if (waiting.length > 0) this.waiting = [];
    return waiting;
  }
}
