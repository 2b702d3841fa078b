import { type Clock, sleep } from '../kernel/clock.js';
import { isPandoError } from '../kernel/errors.js';
import type { CounterCell, Meter } from '../kernel/meter.js';
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

/** Second attempts that may be made for each first one, and how many may be saved up. */
const earnedByOne = 0.1;
const maxSaved = 10;
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
  #saved = maxSaved;

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
    this.#saved = Math.min(maxSaved, this.#saved + earnedByOne);
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
    const isAffordable = this.#saved >= 1;
    this.#counted[isAffordable ? reason : 'over_budget'].add();
    if (isAffordable) this.#saved -= 1;
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
