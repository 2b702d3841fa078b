import { setMaxListeners } from 'node:events';
import { abortable, deadline, type Signalled } from '../kernel/abort.js';
import type { Clock } from '../kernel/clock.js';
import { sleep } from '../kernel/clock.js';
import type { Kernel } from '../kernel/kernel.js';
import { DatabaseUnreachableError, NoPrimaryError, WrongRoleError } from './errors.js';
import { databaseInstruments } from './metrics.js';
import type { ResolvedDatabaseOptions } from './options.js';
import type { AcquireOptions, Lease, Pool } from './ports.js';
import { isLastingRefusal, sqlStateOf } from './sql-state.js';

/** What may lend a connection now. */
export interface HeldPoolParts {
  /** That of the server which has the part of the primary. */
  readonly current: () => Pool;
  /** Why it may not be used all the same. */
  readonly objection: () => Error | undefined;
}

const pauseFromMs = 20;
const pauseUpToMs = 250;

/**
 * The pool of whichever server is the primary.
 *
 * While there is none, callers wait for one: nothing of theirs was sent yet. Not where there is no other server that could take over: what is
 * away then may be away for long, and is said at once.
 */
export class HeldPool implements Pool {
  readonly #parts: HeldPoolParts;
  readonly #clock: Clock;
  readonly #waitMs: number;
  readonly #maxHeld: number;
  readonly #gauge: Disposable;
  #held = 0;
  #isClosed = false;
  #isEnding = false;
  #wakeUp = new AbortController();

  constructor(
    { primary, replicas, failoverWaitMs, pool }: ResolvedDatabaseOptions,
    { clock, meter }: Pick<Kernel, 'clock' | 'meter'>,
    parts: HeldPoolParts,
  ) {
    this.#parts = parts;
    this.#clock = clock;
    this.#waitMs = primary.length + replicas.length > 1 ? failoverWaitMs : 0;
    this.#maxHeld = pool.maxWaiting;
    this.#gauge = meter.observe(databaseInstruments.held, () => this.#held);
  }

  get inUse(): number {
    return this.#parts.current().inUse;
  }

  get idle(): number {
    return this.#parts.current().idle;
  }

  get waiting(): number {
    return this.#parts.current().waiting + this.#held;
  }

  /** Not that of callers who wait for a primary. */
  get waitedMs(): number {
    return this.#parts.current().waitedMs;
  }

  async acquire(options: AcquireOptions): Promise<Lease> {
    try {
      return await this.#acquire(options);
    } catch (error) {
      const isHeld = this.#waitMs > 0 && !this.#isEnding && !options.isOptional;
      if (!isHeld || options.signal?.aborted || !isAbsence(error)) throw error;
      return this.#hold(options, error);
    }
  }

  /** There is a primary again: who waits for one tries at once. */
  wake(): void {
    const wakeUp = this.#wakeUp;
    this.#wakeUp = new AbortController();
    wakeUp.abort();
  }

  /** From now on nobody waits for a primary: the database is about to close. */
  end(): void {
    this.#isEnding = true;
    this.wake();
  }

  reachable(): void {
    this.#parts.current().reachable();
  }

  sever(): void {
    this.#parts.current().sever();
  }

  unused(options?: Signalled): Promise<void> {
    return this.#parts.current().unused(options);
  }

  async close(options?: Signalled): Promise<void> {
    this.#isClosed = true;
    const closed = this.#parts.current().close(options);
    this.wake(); // refused by what is closed now
    await closed;
    this.#gauge[Symbol.dispose]();
  }

  async #acquire(options: AcquireOptions): Promise<Lease> {
    for (;;) {
      const objection = this.#isClosed ? undefined : this.#parts.objection();
      if (objection !== undefined) throw objection;
      const pool = this.#parts.current();
      try {
        return await pool.acquire(options);
      } catch (error) {
        // Its server has lost the part meanwhile: that is no answer.
        if (options.signal?.aborted || pool === this.#parts.current()) throw error;
      }
    }
  }

  async #hold(options: AcquireOptions, refusal: unknown): Promise<Lease> {
    const { lane, signal, timeoutMs = Number.POSITIVE_INFINITY } = options;
    // Reads that lost their replicas cannot shut writes out.
    const max = lane === 'spill' ? Math.floor(this.#maxHeld / 2) : this.#maxHeld;
    if (this.#held >= max) throw NoPrimaryError.crowded(this.#held, refusal);
    const waitMs = Math.min(this.#waitMs, timeoutMs);
    const until = this.#clock.monotonic() + waitMs;
    let cause = refusal;
    const late = () => NoPrimaryError.late(Math.round(waitMs), cause);
    const limit = deadline(this.#clock, waitMs, late, signal);
    this.#held += 1;
    try {
      for (let pauseMs = pauseFromMs; ; pauseMs = Math.min(pauseMs * 2, pauseUpToMs)) {
        await this.#news(pauseMs * (0.8 + Math.random() * 0.4), limit.signal);
        try {
          return await this.#acquire({
            ...options,
            timeoutMs: timeoutMs - waitMs + until - this.#clock.monotonic(),
          });
        } catch (error) {
          if (this.#isEnding || signal?.aborted || !isAbsence(error)) throw error;
          cause = error;
        }
      }
    } finally {
      this.#held -= 1;
      limit[Symbol.dispose]();
    }
  }

  /** Resolves when there is a primary again, or after a pause: its server may be back before anybody has looked. */
  async #news(pauseMs: number, signal: AbortSignal): Promise<void> {
    const woken = this.#wakeUp.signal;
    setMaxListeners(0, woken); // any number may wait
    await abortable(
      sleep(this.#clock, pauseMs, { signal: woken }).catch(() => undefined),
      signal,
    );
  }
}

/** Nothing was sent, because nobody was there, or not in the part of the primary. */
function isAbsence(error: unknown): boolean {
  if (error instanceof DatabaseUnreachableError) return !isLastingRefusal(sqlStateOf(error.cause));
  return error instanceof WrongRoleError || error instanceof NoPrimaryError;
}
