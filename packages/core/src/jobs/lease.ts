import type { Clock } from '../kernel/clock.js';
import { JobLostError } from './errors.js';
import type { JobStore } from './ports.js';

/** One run, and who confirms that it is ours. */
export interface LeaseInit {
  readonly job: string;
  readonly token: number;
  readonly leaseMs: number;
  /** Monotonic instant before which the lease did not begin. */
  readonly askedAt: number;
  readonly store: JobStore;
  readonly clock: Clock;
}

/**
 * Our right to go on with a run. The signal aborts a quarter of the lease before another instance could begin it again, and
 * at once when one has.
 */
export class Lease implements Disposable {
  readonly #init: LeaseInit;
  readonly #controller = new AbortController();
  readonly #ticker: Disposable;
  #confirmedAt: number;
  #isAsking = false;
  #isOver = false;

  constructor(init: LeaseInit) {
    this.#init = init;
    this.#confirmedAt = init.askedAt;
    this.#ticker = init.clock.every(init.leaseMs / 4, () => this.#tick());
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Whoever works should stop, for another reason than that the run was lost. */
  cancel(reason: unknown): void {
    this.#controller.abort(reason);
  }

  /** Whether the run is not ours any more, or nobody renews it. */
  get isOver(): boolean {
    return this.#isOver;
  }

  [Symbol.dispose](): void {
    this.#isOver = true;
    this.#ticker[Symbol.dispose]();
  }

  #tick(): void {
    const { clock, leaseMs } = this.#init;
    // A process that was frozen finds out here, before it asks whether it may go on.
    if (clock.monotonic() - this.#confirmedAt >= (leaseMs * 3) / 4) this.#lose();
    else if (!this.#isAsking) void this.#renew();
  }

  async #renew(): Promise<void> {
    const { store, job, token, leaseMs, clock } = this.#init;
    const askedAt = clock.monotonic();
    this.#isAsking = true;
    try {
      if (await store.renew(job, token, leaseMs)) this.#confirmedAt = askedAt;
      else this.#lose();
    } catch {
      // Asked again at the next tick, as long as there is time.
    } finally {
      this.#isAsking = false;
    }
  }

  #lose(): void {
    this[Symbol.dispose]();
    this.#controller.abort(new JobLostError(this.#init.job));
  }
}
