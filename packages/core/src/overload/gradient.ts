import type { ResolvedConcurrency } from './options.js';

/** What was seen of one group in a while. */
export interface SeenWindow {
  /** How long requests took, on average. */
  readonly meanMs: number;
  /** Whether the limit mattered: otherwise it says nothing about it that all went well. */
  readonly isSaturated: boolean;
  /** Whether something behind said that it is overloaded. */
  readonly isOverloaded: boolean;
}

/** Half as long again as usual is no queue yet. */
const tolerance = 1.5;
const lowestGradient = 0.5;
/** What may queue. */
const queue = 4;
/** How much of the limit follows one window. */
const smoothing = 0.2;
/** Windows over which it is learned what is usual. */
const usualWindows = 600;
const firstWindows = 10;
const backoff = 0.9;

/**
 * Finds out how many requests may be in progress at once: as many as do not make each other wait.
 *
 * This is Gradient2 of Netflix's concurrency-limits: where requests take longer than usual, they queue somewhere, and the limit
 * falls by the ratio of the two; where they do not, it grows. Two things differ. While the limit is reached it is not learned what is
 * usual, or a queue that lasts would become so: {@link GradientLimit.rebase} tells it, by somebody who has looked. And a limit
 * that is reached without any queue grows by a share of itself.
 */
export class GradientLimit {
  readonly #bounds: ResolvedConcurrency;
  #limit: number;
  #usualMs = 0;
  #learned = 0;
  #isAstray = false;

  constructor(bounds: ResolvedConcurrency) {
    this.#bounds = bounds;
    this.#limit = bounds.initialConcurrency;
  }

  /** Not a whole number. */
  get limit(): number {
    return this.#limit;
  }

  /** How long requests take that need not queue, as far as is known; 0 before the first. */
  get usualMs(): number {
    return this.#usualMs;
  }

  /** Whether what is usual seems not to be so any more: requests take a small part of it, or many times as long. */
  get isAstray(): boolean {
    return this.#isAstray;
  }

  /** Whether requests that take so long take as long as usual. */
  isUsual(meanMs: number): boolean {
    return meanMs < this.#usualMs * tolerance && meanMs > this.#usualMs / tolerance;
  }

  update({ meanMs, isSaturated, isOverloaded }: SeenWindow): void {
    if (this.#learned === 0) this.#usualMs = meanMs;
    else if (!isSaturated) this.#learn(meanMs);
    this.#learned += 1;
    const ratio = this.#usualMs / Math.max(meanMs, Number.EPSILON);
    const gradient = Math.max(lowestGradient, Math.min(1, tolerance * ratio));
    this.#isAstray = gradient === lowestGradient || ratio > 2;
    if (isOverloaded) this.#moveTo(this.#limit * backoff);
    if (isOverloaded || !isSaturated) return;
    const isFree = ratio > 0.75 && ratio < 2;
    const more = isFree ? Math.max(queue, this.#limit / 4) : queue;
    this.#moveTo(this.#limit * (1 - smoothing) + (this.#limit * gradient + more) * smoothing);
  }

  /**
   * Somebody has let the queues run shorter and seen how long requests take then: `limit` is where that was, if as much was done
   * as with more.
   */
  rebase(meanMs: number, limit?: number): void {
    this.#usualMs = meanMs;
    this.#isAstray = false;
    if (limit !== undefined) this.#moveTo(limit);
  }

  #learn(meanMs: number): void {
    const weight = this.#learned < firstWindows ? 1 / (this.#learned + 1) : 2 / (usualWindows + 1);
    this.#usualMs += (meanMs - this.#usualMs) * weight;
    if (this.#usualMs > 2 * meanMs) this.#usualMs *= 0.95;
  }

  #moveTo(limit: number): void {
    const { minConcurrency, maxConcurrency } = this.#bounds;
    this.#limit = Math.max(minConcurrency, Math.min(maxConcurrency, limit));
  }
}
