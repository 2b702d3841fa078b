import type { Clock } from '../../kernel/clock.js';
import type { AcquireOptions, Lane } from '../ports.js';

/** How many may be inside, and how many may wait outside. */
export interface AdmissionOptions {
  readonly max: number;
  readonly maxWaiting: number;
  readonly timeoutMs: number;
  readonly clock: Clock;
  /** The refusal: of the caller that found the queue full, or (with `waitedMs`) of one that has waited long enough. */
  readonly overloaded: (waiting: number, waitedMs: number | undefined) => Error;
}

/** One caller that waits; settles once. */
class Waiter {
  readonly lane: Lane;
  readonly #resolve: () => void;
  readonly #reject: (reason: unknown) => void;
  readonly #signal: AbortSignal | undefined;
  readonly #onAbort: () => void;
  timer: Disposable | undefined;

  constructor(
    options: AcquireOptions,
    resolve: () => void,
    reject: (reason: unknown) => void,
    leave: (waiter: Waiter) => void,
  ) {
    this.lane = options.lane;
    this.#resolve = resolve;
    this.#reject = reject;
    this.#signal = options.signal;
    this.#onAbort = () => {
      leave(this);
      this.refuse(options.signal?.reason);
    };
    this.#signal?.addEventListener('abort', this.#onAbort, { once: true });
  }

  admit(): void {
    this.#forget();
    this.#resolve();
  }

  refuse(reason: unknown): void {
    this.#forget();
    this.#reject(reason);
  }

  #forget(): void {
    this.timer?.[Symbol.dispose]();
    this.#signal?.removeEventListener('abort', this.#onAbort);
  }
}

/**
 * Lets a bounded number in, in order of arrival, and a bounded number wait.
 *
 * Callers of the lane `spill` hold at most half of the places, so that reads which lost their replicas
 * cannot shut writes out; those behind them pass.
 */
export class Admission {
  readonly #options: AdmissionOptions;
  readonly #spillMax: number;
  readonly #queue = new Set<Waiter>();
  #inUse = 0;
  #spilled = 0;
  #closedBy: Error | undefined;
  #whenEmpty: (() => void)[] = [];

  constructor(options: AdmissionOptions) {
    this.#options = options;
    this.#spillMax = Math.max(1, Math.floor(options.max / 2));
  }

  get inUse(): number {
    return this.#inUse;
  }

  get waiting(): number {
    return this.#queue.size;
  }

  /** Resolves when the caller may go in. Rejects when it may not, or with its signal's reason. */
  async enter(options: AcquireOptions): Promise<void> {
    options.signal?.throwIfAborted();
    if (this.#closedBy) throw this.#closedBy;
    // Room is handed to those who wait as soon as it appears: who finds room here passes nobody who could use it.
    if (this.#hasRoom(options.lane)) return this.#admit(options.lane);
    if (this.#queue.size >= this.#options.maxWaiting)
      throw this.#options.overloaded(this.#queue.size, undefined);
    await this.#wait(options);
  }

  /** Gives a place back. */
  leave(lane: Lane): void {
    this.#inUse -= 1;
    if (lane === 'spill') this.#spilled -= 1;
    this.#admitNext();
    if (this.#inUse === 0) for (const resolve of this.#whenEmpty.splice(0)) resolve();
  }

  /** Resolves when nobody is inside. */
  empty(): Promise<void> {
    return this.#inUse === 0 ? Promise.resolve() : new Promise((resolve) => this.#whenEmpty.push(resolve));
  }

  /** Refuses everybody outside from now on. */
  close(reason: Error): void {
    this.#closedBy = reason;
    for (const waiter of this.#queue) waiter.refuse(reason);
    this.#queue.clear();
  }

  #wait(options: AcquireOptions): Promise<void> {
    const timeoutMs = Math.max(
      0,
      Math.min(this.#options.timeoutMs, options.timeoutMs ?? Number.POSITIVE_INFINITY),
    );
    return new Promise<void>((resolve, reject) => {
      const waiter = new Waiter(options, resolve, reject, (left) => this.#queue.delete(left));
      waiter.timer = this.#options.clock.after(timeoutMs, () => {
        this.#queue.delete(waiter);
        waiter.refuse(this.#options.overloaded(this.#queue.size, Math.round(timeoutMs)));
      });
      this.#queue.add(waiter);
    });
  }

  #admitNext(): void {
    for (const waiter of this.#queue) {
      if (this.#inUse >= this.#options.max) return;
      if (!this.#hasRoom(waiter.lane)) continue;
      this.#queue.delete(waiter);
      this.#admit(waiter.lane);
      waiter.admit();
    }
  }

  #admit(lane: Lane): void {
    this.#inUse += 1;
    if (lane === 'spill') this.#spilled += 1;
  }

  #hasRoom(lane: Lane): boolean {
    return this.#inUse < this.#options.max && (lane !== 'spill' || this.#spilled < this.#spillMax);
  }
}
