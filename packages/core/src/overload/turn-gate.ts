import type { Clock } from '../kernel/clock.js';
import type { LoopWatch } from './ports.js';
import type { RequestPriority } from './priority.js';

/** For how many targets a queue must have stood: a burst passes sooner. */
const standingTargets = 8;
/** From how many targets a turn takes on average the few hundred connections that may wait, one accepted in each, wait for a second. */
const slowTurnTargets = 0.1;
/** Up to how many targets a turn may have lasted for one more to begin in it. Short turns cost nothing while there is always a next. */
const budgets: Readonly<Record<RequestPriority, number>> = { sheddable: 1 / 16, normal: 1 / 8, critical: 8 };

/**
 * Bounds how much one turn of the event loop takes in, while there is more to do than can be done.
 *
 * A turn begins all the requests that came during the one before. Where they keep the processor busy, and each brings more than one
 * after it, every turn is longer than the last: the sixth may take seconds, and no timer measures anything before it ends. As in
 * CoDel, what tells it is a queue that stands: the loop has not rested for long, and turns last too long. From then on until it
 * rests a turn takes in little and refuses the rest, which is soon done.
 *
 * Where each request has a connection of its own, the queue is that of connections: node:http accepts a single one in a turn. It stands
 * where for long no turn was without one, and then turns have to be short until there is one.
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
  /** Whether it is known when the turn under way began, and whether a request of it was seen. */
  #isKnown = false;
  #isSeen = false;
  /** Since when no turn was without a new connection, and how many those were; undefined while the last one was. */
  #acceptingSince: number | undefined;
  #acceptingTurns = 0;
  #hasAccepted = false;
  /** When something was begun last that is not critical. */
  #begunAt: number;
  /** Whether there is more to do than can be done. */
  #isStanding = false;
  #turnEnd: Disposable | undefined;

  constructor(targetMs: number, loop: LoopWatch, clock: Pick<Clock, 'monotonic'>) {
    this.#clock = clock;
    this.#loop = loop;
    this.#targetMs = targetMs;
    this.#busySince = this.#turnAt = this.#begunAt = clock.monotonic();
    this.#restedMs = loop.restedMs();
  }

  /** Takes note of a new connection. */
  accepted(): void {
    const now = this.#clock.monotonic();
    if (!this.#isKnown) this.#beginTurn(now);
    this.#hasAccepted = true;
    this.#acceptingSince ??= now;
  }

  /** Whether one of this priority is refused. Whatever makes turns long, something gets done: now and then the first in a turn is not. */
  refuses(priority: RequestPriority): boolean {
    const now = this.#clock.monotonic();
    const isFirst = !this.#isSeen;
    if (!this.#isKnown) this.#beginTurn(now);
    this.#isSeen = true;
    const lastedMs = now - this.#turnAt;
    this.#isStanding ||=
      (!isFirst && lastedMs > this.#targetMs && this.#isLong(this.#busySince, now)) || this.#isBacklog(now);
    const isOver = !isFirst && lastedMs > budgets[priority] * this.#targetMs;
    const isRefused = this.#isStanding && (isOver || (priority !== 'critical' && this.#mustAccept(now)));
    if (!isRefused && priority !== 'critical') this.#begunAt = now;
    return isRefused;
  }

  [Symbol.dispose](): void {
    this.#turnEnd?.[Symbol.dispose]();
    this.#turnEnd = undefined;
  }

  #isLong(since: number, now: number): boolean {
    return now - since > standingTargets * this.#targetMs;
  }

  /** Whether connections wait, and for too long. */
  #isBacklog(now: number): boolean {
    const since = this.#acceptingSince;
    if (since === undefined || !this.#isLong(since, now)) return false;
    return now - since > this.#acceptingTurns * slowTurnTargets * this.#targetMs;
  }

  /** Whether connections wait, as far as is known; every now and then something else comes first. */
  #mustAccept(now: number): boolean {
    return this.#acceptingSince !== undefined && !this.#isLong(this.#begunAt, now);
  }

  #beginTurn(now: number): void {
    this.#isKnown = true;
    if (this.#hasRested()) this.#rested(now);
    // Nobody has watched since the loop rested: what lies between was other work, in many turns perhaps.
    else if (this.#turnEnd === undefined) this.#turnAt = now;
    this.#turnEnd ??= this.#loop.afterTurn(this.#endTurn);
  }

  readonly #endTurn = (): void => {
    // A loop rests before a turn's work, never in the middle: where something of it was seen, that is known already.
    const hasRested = !this.#isKnown && this.#hasRested();
    this.#isKnown = this.#isSeen = false;
    if (this.#hasAccepted) this.#acceptingTurns += 1;
    else this.#endAccepting();
    this.#hasAccepted = false;
    this.#turnAt = this.#clock.monotonic();
    if (hasRested) this.#rested(this.#turnAt);
    this.#turnEnd = hasRested ? undefined : this.#loop.afterTurn(this.#endTurn);
  };

  #rested(now: number): void {
    this.#busySince = this.#turnAt = now;
    this.#isStanding = false;
    this.#endAccepting();
  }

  #endAccepting(): void {
    this.#acceptingSince = undefined;
    this.#acceptingTurns = 0;
  }

  /** Whether the loop had nothing to do for a while since this was asked last. */
  #hasRested(): boolean {
    const before = this.#restedMs;
    this.#restedMs = this.#loop.restedMs();
    return this.#restedMs > before;
  }
}
