import type { Signalled } from './abort.js';
import { abortable } from './abort.js';

/**
 * Where all time in Pando comes from, so that tests can turn it by hand.
 *
 * Timers never keep the process alive and never fire after they were disposed.
 */
export interface Clock {
  /** Wall-clock time, epoch milliseconds. May jump; never used for ordering or validity. */
  now(): number;
  /** Milliseconds that never go back. Keeps counting while the process is frozen, although timers stand still then. */
  monotonic(): number;
  /** Calls `run` once after `delayMs`. */
  after(delayMs: number, run: () => void): Disposable;
  /** Calls `run` every `intervalMs` until disposed. */
  every(intervalMs: number, run: () => void): Disposable;
}

class NodeTimer implements Disposable {
  readonly #timer: NodeJS.Timeout;

  constructor(timer: NodeJS.Timeout) {
    this.#timer = timer.unref();
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
  }
}

/** The clock of the machine. */
export const systemClock: Clock = Object.freeze({
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after: (delayMs: number, run: () => void) => new NodeTimer(setTimeout(run, delayMs)),
  every: (intervalMs: number, run: () => void) => new NodeTimer(setInterval(run, intervalMs)),
});

/** Resolves after `delayMs`; rejects with the signal's reason when it aborts first. */
export async function sleep(clock: Clock, delayMs: number, { signal }: Signalled = {}): Promise<void> {
  let timer: Disposable | undefined;
  const elapsed = new Promise<void>((resolve) => {
    timer = clock.after(delayMs, resolve);
  });
  try {
    await abortable(elapsed, signal);
  } finally {
    timer?.[Symbol.dispose]();
  }
}
