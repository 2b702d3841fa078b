import type { Clock } from '../kernel/clock.js';

/** Somebody who waits for a server to have come far enough. */
interface Waiter {
  readonly hasArrived: () => boolean;
  readonly settle: (arrived: boolean) => void;
}

const pausesMs = [1, 2, 4, 8];

/** Lets any number of readers wait for a server's position, asking the server often while somebody waits, and once for all of them. */
export class PositionWatch {
  readonly #clock: Clock;
  readonly #ask: () => Promise<unknown>;
  readonly #waiters = new Set<Waiter>();
  #isAsking = false;
  #asked = 0;
  #pause: { timer: Disposable; readonly end: () => void } | undefined;

  /** `ask` has the server's position looked up; whoever learns it calls {@link PositionWatch.moved}. */
  constructor(clock: Clock, ask: () => Promise<unknown>) {
    this.#clock = clock;
    this.#ask = ask;
  }

  /** Resolves `true` once the condition holds, `false` when it does not within the time. Rejects with the signal's reason. */
  wait(hasArrived: () => boolean, timeoutMs: number, signal?: AbortSignal): Promise<boolean> {
    if (signal?.aborted) return Promise.reject(signal.reason);
    if (hasArrived()) return Promise.resolve(true);
    if (timeoutMs <= 0) return Promise.resolve(false);
    return new Promise((resolve, reject) => {
      const forget = () => {
        this.#waiters.delete(waiter);
        timer[Symbol.dispose]();
        signal?.removeEventListener('abort', onAbort);
      };
      const waiter: Waiter = {
        hasArrived,
        settle: (arrived) => {
          forget();
          resolve(arrived);
        },
      };
      const onAbort = () => {
        forget();
        reject(signal?.reason);
      };
      const timer = this.#clock.after(timeoutMs, () => waiter.settle(false));
      signal?.addEventListener('abort', onAbort, { once: true });
      this.#waiters.add(waiter);
      if (this.#isAsking) this.#hurry();
      else void this.#keepAsking();
    });
  }

  /** The position is known anew. */
  moved(): void {
    for (const waiter of this.#waiters) if (waiter.hasArrived()) waiter.settle(true);
  }

  /** Nobody needs to wait any more. */
  close(): void {
    for (const waiter of this.#waiters) waiter.settle(false);
    this.#pause?.end();
  }

  async #keepAsking(): Promise<void> {
    this.#isAsking = true;
    this.#asked = 0;
    while (this.#waiters.size > 0) {
      await this.#ask().catch(() => undefined); // a server that fails is out of rotation by then; waiters time out
      if (this.#waiters.size > 0)
        await this.#rest(pausesMs[Math.min(this.#asked++, pausesMs.length - 1)] as number);
    }
    this.#isAsking = false;
  }

  #rest(pauseMs: number): Promise<void> {
    return new Promise((resolve) => {
      const end = () => {
        this.#pause?.timer[Symbol.dispose]();
        this.#pause = undefined;
        resolve();
      };
      this.#pause = { timer: this.#clock.after(pauseMs, end), end };
    });
  }

  /** A newcomer's position is probably near: it does not wait for the end of a long pause. */
  #hurry(): void {
    this.#asked = 0;
    if (this.#pause === undefined) return;
    this.#pause.timer[Symbol.dispose]();
    this.#pause.timer = this.#clock.after(pausesMs[0] as number, this.#pause.end);
  }
}
