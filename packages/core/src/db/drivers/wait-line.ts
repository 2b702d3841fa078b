import type { AcquireOptions } from '../ports.js';

/** One caller that waits; settles once, and has left its line by then. */
export class Waiter<T> {
  readonly #resolve: (content: T | undefined) => void;
  readonly #reject: (reason: unknown) => void;
  readonly #signal: AbortSignal | undefined;
  readonly #onAbort: () => void;
  readonly options: AcquireOptions;
  /** Monotonic instant at which it came. */
  readonly since: number;
  /** Monotonic instant that orders it among all who wait: when it came, and later for who is less urgent. */
  readonly dueAt: number;
  timer: Disposable | undefined;
  line: WaitLine<T> | undefined;
  previous: Waiter<T> | undefined;
  next: Waiter<T> | undefined;

  constructor(
    options: AcquireOptions,
    { since, dueAt }: { readonly since: number; readonly dueAt: number },
    resolve: (content: T | undefined) => void,
    reject: (reason: unknown) => void,
  ) {
    this.options = options;
    this.since = since;
    this.dueAt = dueAt;
    this.#resolve = resolve;
    this.#reject = reject;
    this.#signal = options.signal;
    this.#onAbort = () => this.refuse(options.signal?.reason);
    this.#signal?.addEventListener('abort', this.#onAbort, { once: true });
  }

  /** Lets it in, to a place that holds this, or nothing yet. */
  admit(content: T | undefined): void {
    this.#leave();
    this.#resolve(content);
  }

  refuse(reason: unknown): void {
    this.#leave();
    this.#reject(reason);
  }

  #leave(): void {
    this.line?.remove(this);
    this.timer?.[Symbol.dispose]();
    this.#signal?.removeEventListener('abort', this.#onAbort);
  }
}

/** Callers that wait for the same and are equally urgent, in order of arrival; anybody may leave at any time. */
export class WaitLine<T> {
  first: Waiter<T> | undefined;
  last: Waiter<T> | undefined;
  length = 0;

  add(waiter: Waiter<T>): void {
    waiter.line = this;
    waiter.previous = this.last;
    if (this.last === undefined) this.first = waiter;
    else this.last.next = waiter;
    this.last = waiter;
    this.length += 1;
  }

  /** Ahead of all others: for who had been let in, and found nothing. */
  addFirst(waiter: Waiter<T>): void {
    waiter.line = this;
    waiter.next = this.first;
    if (this.first === undefined) this.last = waiter;
    else this.first.previous = waiter;
    this.first = waiter;
    this.length += 1;
  }

  remove(waiter: Waiter<T>): void {
    if (waiter.line !== this) return;
    waiter.line = undefined;
    if (waiter.previous === undefined) this.first = waiter.next;
    else waiter.previous.next = waiter.next;
    if (waiter.next === undefined) this.last = waiter.previous;
    else waiter.next.previous = waiter.previous;
    waiter.previous = undefined;
    waiter.next = undefined;
    this.length -= 1;
  }
}
