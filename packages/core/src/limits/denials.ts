import type { LimitVerdict } from './ports.js';
import { Round } from './round.js';

/** Refusals that are remembered for one policy. */
const MAX_DENIALS = 100_000;
/** How long one is believed: what makes room again elsewhere may go unheard. */
const MAX_DENIAL_MS = 10_000;
/** Refusals that a new one looks at, to see whether they are over. */
const looksPerDenial = 2;

/** A refusal that will hold for a while. */
export interface Denial {
  /** What was refused; whatever costs less may fit. */
  readonly cost: number;
  /** Monotonic instant at which there is room, and until when that is believed. */
  readonly retryAt: number;
  readonly believedUntil: number;
  readonly verdict: LimitVerdict;
}

/**
 * Keys that are known to be over their limit, so that nobody need be asked.
 *
 * Time only makes room at the instant that the refusal has named, so it stands until then unless somebody gives back or resets,
 * which is announced. Bounded; forgetting one costs one question.
 */
export class Denials {
  readonly #denials = new Map<string, Denial>();
  readonly #round = new Round(this.#denials);
  readonly #believedMs: number;
  #forgets = 0;

  /** `believedMs`: how long a refusal is believed at most, if that is shorter than what holds for all. */
  constructor(believedMs = MAX_DENIAL_MS) {
    this.#believedMs = Math.min(believedMs, MAX_DENIAL_MS);
  }

  /** Changes with everything that is forgotten on demand: what was asked before may be answered from before. */
  get generation(): number {
    return this.#forgets;
  }

  get size(): number {
    return this.#denials.size;
  }

  /** The refusal that meets such a call, too. */
  find(key: string, cost: number, now: number): Denial | undefined {
    if (this.#denials.size === 0) return undefined;
    const denial = this.#denials.get(key);
    if (denial === undefined) return undefined;
    if (denial.believedUntil <= now) {
      this.#denials.delete(key);
      return undefined;
    }
    return cost >= denial.cost ? denial : undefined;
  }

  /** Remembers a refusal of a call made at that instant. */
  add(key: string, cost: number, verdict: LimitVerdict, now: number): void {
    if (verdict.resetMs <= 0) return;
    this.#makeRoom(now);
    this.#denials.set(key, {
      cost,
      retryAt: now + verdict.resetMs,
      believedUntil: now + Math.min(verdict.resetMs, this.#believedMs),
      verdict,
    });
  }

  forget(key: string): void {
    this.#forgets++;
    this.#denials.delete(key);
  }

  clear(): void {
    this.#forgets++;
    this.#denials.clear();
  }

  /** Clears away what is over, and where that is not enough, one of those that have been here for long. */
  #makeRoom(now: number): void {
    for (let look = 0; look < looksPerDenial; look++) {
      const [key, denial] = this.#round.next() ?? [];
      if (key === undefined || denial === undefined) continue;
      if (denial.believedUntil <= now || this.#denials.size >= MAX_DENIALS) this.#denials.delete(key);
    }
  }
}
