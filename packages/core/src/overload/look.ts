const enoughDone = 50;

/**
 * A look at how long requests take while only half of the limit is used, for the length of a few requests.
 *
 * As many are done as before: then the other half did nothing but wait.
 */
export class Look {
  readonly limit: number;
  readonly beganAt: number;
  /** Since then no more than that are in progress. */
  #fromAt: number | undefined;
  #lastAt = 0;
  #done = 0;
  /** Time that requests spent in progress, of all together. */
  #spentMs = 0;

  constructor(limit: number, inFlight: number, now: number) {
    this.limit = limit;
    this.beganAt = now;
    if (inFlight <= limit) this.#fromAt = now;
    this.#lastAt = now;
  }

  /**
   * How long requests take; undefined when none was done. By Little's law, from how many were in progress and how many were done:
   * an average over those that were done would be one over the quick ones.
   */
  get meanMs(): number | undefined {
    return this.#done === 0 ? undefined : this.#spentMs / this.#done;
  }

  /** Requests done in a millisecond. */
  rateAt(now: number): number {
    return this.#fromAt === undefined || now === this.#fromAt ? 0 : this.#done / (now - this.#fromAt);
  }

  /** Something begins, or ends, while so many are in progress. */
  passed(inFlight: number, now: number): void {
    if (this.#fromAt !== undefined) this.#spentMs += inFlight * (now - this.#lastAt);
    this.#lastAt = now;
  }

  /** One of so many has ended. */
  ended(inFlight: number, now: number, counts: boolean): void {
    this.passed(inFlight, now);
    if (this.#fromAt !== undefined) this.#done += counts ? 1 : 0;
    else if (inFlight - 1 <= this.limit) this.#fromAt = now;
  }

  isOver(now: number, atLatestMs: number): boolean {
    return this.#done >= enoughDone || now - this.beganAt >= atLatestMs;
  }
}
