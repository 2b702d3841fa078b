import { type RateLimiterAbstract, RateLimiterRes } from 'rate-limiter-flexible';
import { abortable } from '../../kernel/abort.js';
import type { LimitWindow, PolicyCounters, SpendOptions, WindowUse } from '../ports.js';

/** One window of a policy, and who counts it. */
export interface CountedWindow {
  readonly window: LimitWindow;
  readonly limiter: RateLimiterAbstract;
  /** What a key is called there. */
  readonly keyOf: (key: string) => string;
  /** Whether the limiter has counted a cost that did not fit. */
  readonly countsRefused: boolean;
  /** Takes a cost back out of the window it was counted in, and of no other. */
  giveBack(key: string, cost: number, counted: CountedIn): Promise<unknown>;
}

/** Tells the window that a cost was counted in from those that came after it. */
export interface CountedIn {
  /** What the window had left then. */
  readonly leftMs: number;
  /** Wall-clock time of this process at which it ends; never later than in truth. */
  readonly endsAt: number;
}

/** What is asked of one window. */
interface Ask {
  readonly key: string;
  readonly cost: number;
  readonly limit: number;
  readonly at: number;
}

/** What one window answered. */
class Attempt {
  readonly fits: boolean;
  readonly #counted: CountedWindow;
  readonly #ask: Ask;
  readonly #result: RateLimiterRes;

  constructor(counted: CountedWindow, ask: Ask, result: RateLimiterRes) {
    this.#counted = counted;
    this.#ask = ask;
    this.#result = result;
    this.fits = result.consumedPoints <= ask.limit;
  }

  /** Undoes it. In the background: the answer does not depend on it, and calls are carried out in the order they are made. */
  undo(): void {
    if (!this.fits && !this.#counted.countsRefused) return;
    const { key, cost, at } = this.#ask;
    const leftMs = this.#result.msBeforeNext;
    // When this fails, the window has less room than it should until it ends.
    this.#counted.giveBack(key, cost, { leftMs, endsAt: at + leftMs }).catch(() => undefined);
  }

  use({ isKept }: { readonly isKept: boolean }): WindowUse {
    const { cost, limit } = this.#ask;
    const { consumedPoints, msBeforeNext } = this.#result;
    const spent = isKept ? consumedPoints : consumedPoints - cost;
    return {
      fits: this.fits,
      limit,
      remaining: Math.max(0, limit - spent),
      resetMs: Math.max(0, msBeforeNext),
    };
  }
}

/**
 * The counters of one policy, each window counted by a limiter of rate-limiter-flexible.
 *
 * The limiters know nothing of each other: all are asked at once, and when one refuses, the others are given back what
 * they had let pass.
 */
export class LimiterCounters implements PolicyCounters {
  readonly #windows: readonly CountedWindow[];

  constructor(windows: readonly CountedWindow[]) {
    this.#windows = windows;
  }

  async spend(
    key: string,
    cost: number,
    { sharedBy = 1, signal }: SpendOptions = {},
  ): Promise<readonly WindowUse[]> {
    const asked = Promise.all(this.#windows.map((counted) => attempt(counted, key, cost, sharedBy)));
    const attempts = await abortable(asked, signal);
    const isKept = attempts.every(({ fits }) => fits);
    if (!isKept) for (const each of attempts) each.undo();
    return attempts.map((each) => each.use({ isKept }));
  }
}

async function attempt(
  counted: CountedWindow,
  key: string,
  cost: number,
  sharedBy: number,
): Promise<Attempt> {
  const { limiter, window } = counted;
  const ask: Ask = {
    key: counted.keyOf(key),
    cost,
    limit: Math.ceil(window.limit / sharedBy),
    at: Date.now(),
  };
  limiter.points = ask.limit;
  try {
    return new Attempt(counted, ask, await limiter.consume(ask.key, cost));
  } catch (refusal) {
    // The library rejects with a plain result when there is no room, with an error when it does not know.
    if (!(refusal instanceof RateLimiterRes)) throw refusal;
    return new Attempt(counted, ask, refusal);
  }
}
