import { setTimeout as delay } from 'node:timers/promises';
import { messageOf, PandoError } from '../kernel/errors.js';

/** How long {@link waitFor} waits, and what it says when that was not enough. */
export interface WaitForOptions {
  /** How long the condition may take to come true. @defaultValue `10_000` */
  readonly timeoutMs?: number | undefined;
  /** Pause between two looks. @defaultValue `20` */
  readonly intervalMs?: number | undefined;
  /** Ends the wait: it rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /** What was waited for, as the end of a sentence: `'the replica to catch up'`. A function is called on time-out only. */
  readonly message?: string | (() => string) | undefined;
}

/**
 * A condition did not come true in time. Its `cause` is what the condition last threw, if it threw.
 *
 * Find out why it is not true. A longer `timeoutMs` helps only on a machine that is slow.
 */
export class WaitTimeoutError extends PandoError {
  constructor(what: string, timeoutMs: number, cause: unknown) {
    const last = cause === undefined ? '' : ` Last failure: ${messageOf(cause)}`;
    super({
      code: 'PANDO_TESTING_WAIT_TIMEOUT',
      message: `Waited ${timeoutMs} ms for ${what}, in vain.${last}`,
      cause,
    });
  }
}

/**
 * Looks again and again until the condition holds, and returns the truthy value it gave.
 *
 * A condition that throws counts as not yet true. The first look happens at once, and the last one after the time is
 * up, so a slow machine never fails a condition that has come true meanwhile.
 *
 * @throws {@link WaitTimeoutError} when the time is up; the signal's reason when it aborts.
 *
 * @example
 * ```ts
 * const row = await waitFor(() => findPost(1), { message: 'the replica to have the post' });
 * ```
 */
export async function waitFor<T>(
  condition: () => T | Promise<T>,
  { timeoutMs = 10_000, intervalMs = 20, signal, message = 'a condition' }: WaitForOptions = {},
): Promise<Exclude<Awaited<T>, false | 0 | '' | null | undefined>> {
  const endsAt = performance.now() + timeoutMs;
  for (;;) {
    signal?.throwIfAborted();
    const last = performance.now() >= endsAt;
    let cause: unknown;
    try {
      const value = await condition();
      if (value) return value as never;
    } catch (error) {
      cause = error;
    }
    if (last)
      throw new WaitTimeoutError(typeof message === 'function' ? message() : message, timeoutMs, cause);
    await delay(intervalMs, undefined, { signal }).catch(() => signal?.throwIfAborted());
  }
}
