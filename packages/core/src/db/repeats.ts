import { type Clock, sleep } from '../kernel/clock.js';
import { isPandoError } from '../kernel/errors.js';
import type { CounterCell, Meter } from '../kernel/meter.js';
import { RetryBudget } from '../kernel/retry-budget.js';
import { ConnectionLostError } from './errors.js';
import { databaseInstruments } from './metrics.js';
import { isConflict, sqlStateOf } from './sql-state.js';

/** Why a transaction may run again: none of its statements has had an effect that lasts. */
type Reason = 'conflict' | 'lost' | 'unreachable';

/** How often, and for how long, one transaction is tried. */
export interface RepeatLimits {
  /** Attempts after the first. */
  readonly retry: number;
  readonly timeoutMs: number | undefined;
  readonly signal: AbortSignal | undefined;
}

const pauseFromMs = 10;
const pauseUpToMs = 1_000;
/** How deep the callback may have wrapped the error that it met. */
const maxCauses = 5;

/**
 * Runs transactions again that fell victim to others, or to a connection.
 *
 * All together may be repeated once for every ten that run: where everything fails, repeating everything makes it worse.
 */
export class Repeats {
  readonly #clock: Clock;
  readonly #counted: Readonly<Record<Reason | 'over_budget', CounterCell>>;
  readonly #budget = new RetryBudget();

  constructor(clock: Clock, meter: Meter) {
    const counted = (reason: string) => meter.counter(databaseInstruments.repeats, { reason });
    this.#clock = clock;
    this.#counted = {
      conflict: counted('conflict'),
      lost: counted('lost'),
      unreachable: counted('unreachable'),
      over_budget: counted('over_budget'),
    };
  }

  /** Settles like the last attempt, each of which gets the time that is left. */
  async run<T>(
    attempt: (timeoutMs: number | undefined) => Promise<T>,
    { retry, timeoutMs, signal }: RepeatLimits,
  ): Promise<T> {
    const clock = this.#clock;
    const until = timeoutMs === undefined ? Number.POSITIVE_INFINITY : clock.monotonic() + timeoutMs;
    const timeLeft = () => (timeoutMs === undefined ? undefined : Math.max(0, until - clock.monotonic()));
    this.#budget.earn();
    for (let attempts = 0; ; attempts++) {
      try {
        return await attempt(timeLeft());
      } catch (error) {
        const reason = attempts < retry && !signal?.aborted ? reasonOf(error) : undefined;
        const pauseMs = Math.min(pauseFromMs * 2 ** attempts, pauseUpToMs) * (0.5 + Math.random());
        if (reason === undefined || clock.monotonic() + pauseMs > until || !this.#spend(reason)) throw error;
        await sleep(clock, pauseMs, { signal });
      }
    }
  }

  #spend(reason: Reason): boolean {
    const isAffordable = this.#budget.spend();
    this.#counted[isAffordable ? reason : 'over_budget'].add();
    return isAffordable;
  }
}

/** Looks through what callbacks have wrapped the error in. */
function reasonOf(error: unknown): Reason | undefined {
  for (let cause = error, depth = 0; cause != null && depth < maxCauses; depth++) {
    if (isConflict(sqlStateOf(cause))) return 'conflict';
    if (cause instanceof ConnectionLostError) return 'lost';
    if (isPandoError(cause, 'PANDO_DB_UNREACHABLE') || isPandoError(cause, 'PANDO_DB_WRONG_ROLE'))
      return 'unreachable';
    cause = (cause as { cause?: unknown }).cause;
  }
  return undefined;
}
