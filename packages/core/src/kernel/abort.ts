import { setMaxListeners } from 'node:events';

/** Options of every call that waits for something outside the process. */
export interface Signalled {
  /** Ends the wait: the call rejects with the signal's reason and releases what it holds. */
  readonly signal?: AbortSignal | undefined;
}

/** Settles like `work`, or rejects with the signal's reason, whichever comes first. The work itself goes on. */
export function abortable<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return work;
  if (signal.aborted) {
    work.catch(() => undefined); // its outcome has no reader any more
    return Promise.reject(signal.reason);
  }
  return new Promise<T>((resolve, reject) => {
    const onAbort = () => reject(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}

/** A signal together with what holds it up; dispose it when the work is done, or timers and listeners stay. */
export interface SignalScope extends Disposable {
  readonly signal: AbortSignal;
}

/** The part of a clock that {@link deadline} needs. */
interface Timers {
  after(delayMs: number, run: () => void): Disposable;
}

/**
 * A signal that aborts after `timeoutMs` with the given reason, or with the parent's reason when that aborts first.
 *
 * Unlike `AbortSignal.any` it leaves nothing on a long-lived parent once disposed.
 */
export function deadline(
  clock: Timers,
  timeoutMs: number,
  reason: () => Error,
  parent?: AbortSignal,
): SignalScope {
  const controller = new AbortController();
  const follow = () => controller.abort(parent?.reason);
  if (parent?.aborted) follow();
  const timer = clock.after(timeoutMs, () => controller.abort(reason()));
  parent?.addEventListener('abort', follow, { once: true });
  return {
    signal: controller.signal,
    [Symbol.dispose]() {
      timer[Symbol.dispose]();
      parent?.removeEventListener('abort', follow);
    },
  };
}

/** A signal that aborts with the reason of the first of several that does; dispose it when the work is done, as {@link deadline}'s. */
export function firstOf(signals: readonly (AbortSignal | undefined)[]): SignalScope {
  const controller = new AbortController();
  const follows = signals.map((parent) => {
    const follow = () => controller.abort(parent?.reason);
    if (parent?.aborted) follow();
    shared(parent)?.addEventListener('abort', follow, { once: true });
    return () => parent?.removeEventListener('abort', follow);
  });
  return {
    signal: controller.signal,
    [Symbol.dispose]() {
      for (const leave of follows) leave();
    },
  };
}

/** The same signal, for any number of calls that wait for it: Node would take more than ten for a leak. */
export function shared(signal: AbortSignal | undefined): AbortSignal | undefined {
  if (signal !== undefined) setMaxListeners(0, signal);
  return signal;
}
