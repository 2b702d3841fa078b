import { abortable, deadline } from '../../kernel/abort.js';
import type { Clock } from '../../kernel/clock.js';
import type { LimitAsk, Limiter, LimiterResult, LimitStore, LimitVerdict } from '../ports.js';

/** What a store over somebody else's limiter stands on. */
export interface LimiterStoreInit {
  readonly limiter: Limiter;
  readonly clock: Clock;
  /** How long one call may wait for it. */
  readonly timeoutMs: number;
}

/** Creates a store that lets a limiter of rate-limiter-flexible count, in its own way, wherever it does. */
export function createLimiterStore(init: LimiterStoreInit): LimitStore {
  return new LimiterStore(init);
}

class LimiterStore implements LimitStore {
  readonly source = 'store';
  readonly isUp = true; // nobody watches it: a call that fails tells, within its bound
  readonly instances = 1;
  readonly #init: LimiterStoreInit;

  constructor(init: LimiterStoreInit) {
    this.#init = init;
  }

  async start(): Promise<void> {}

  async ask(asks: readonly LimitAsk[]): Promise<readonly LimitVerdict[]> {
    const { clock, timeoutMs } = this.#init;
    const late = () => new Error(`the limiter did not answer within ${timeoutMs} ms`);
    const limit = deadline(clock, timeoutMs, late);
    try {
      return await abortable(Promise.all(asks.map((ask) => this.#answer(ask))), limit.signal);
    } finally {
      limit[Symbol.dispose]();
    }
  }

  /** What was brought along stays open. */
  async close(): Promise<void> {}

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #answer({ rule, key, kind, amount }: LimitAsk): Promise<LimitVerdict> {
    const { limiter } = this.#init;
    const limit = rule.windows[0]?.limit ?? 0;
    if (kind === 'spend') return spend(limiter, limit, key, amount);
    if (kind === 'reset') await limiter.delete(key);
    else if (kind === 'penalize') await limiter.penalty(key, amount);
    else if (kind === 'reward') await limiter.reward(key, amount);
    else if (kind === 'block' && amount > 0) await limiter.block(key, amount / 1_000_000);
    else if (kind === 'block') await limiter.delete(key);
    const cost = kind === 'peek' ? amount : 1;
    const present = await limiter.get(key);
    const remaining = present === null ? limit : left(limit, present);
    const resetMs = present === null ? 0 : Math.max(0, present.msBeforeNext);
    return { fits: cost <= remaining, window: 0, remaining, resetMs };
  }
}

/** The library resolves when there was room, rejects with a plain result when there was none, with an error when it does not know. */
async function spend(limiter: Limiter, limit: number, key: string, cost: number): Promise<LimitVerdict> {
  const told = (result: LimiterResult, fits: boolean): LimitVerdict => ({
    fits,
    window: 0,
    remaining: left(limit, result),
    resetMs: Math.max(0, result.msBeforeNext),
  });
  try {
    return told(await limiter.consume(key, cost), true);
  } catch (refusal) {
    if (isResult(refusal)) return told(refusal, false);
    throw refusal;
  }
}

/** By its shape: the limiter may come from another copy of the library than ours. */
function isResult(refusal: unknown): refusal is LimiterResult {
  return typeof (refusal as Partial<LimiterResult> | undefined)?.msBeforeNext === 'number';
}

function left(limit: number, { consumedPoints }: LimiterResult): number {
  return Math.max(0, limit - consumedPoints);
}
