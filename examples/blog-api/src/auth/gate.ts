import { limitError } from '@pando/core/http';
import type { AttemptSubject, Limits, ProtectionSettings } from '@pando/core/limits';
import { ApiError } from '../errors.js';

/**
 * How many failures are borne at the doors of the app.
 *
 * Whole classrooms share one address; and signing up fails for who does not know that he has an account.
 */
export const protections = Object.freeze({
  login: { address: '100/15m', account: '30/15m', pair: '10/15m' },
  register: { address: '100/15m', account: '30/15m', pair: '10/15m' },
}) satisfies Readonly<Record<string, ProtectionSettings>>;

/** Lets people try to get in, unless too many have failed. */
export class Gate {
  readonly #limits: Pick<Limits, 'attempt'>;

  constructor(limits: Pick<Limits, 'attempt'>) {
    this.#limits = limits;
  }

  /** Looks whether somebody may come in; what `look` refuses is a failure, what it cannot tell is none. */
  async pass<T>(door: keyof typeof protections, subject: AttemptSubject, look: () => Promise<T>): Promise<T> {
    const attempt = await this.#limits.attempt(door, subject);
    if (!attempt.allowed) throw limitError(attempt.decision);
    try {
      const found = await look();
      await attempt.succeeded();
      return found;
    } catch (error) {
      await (error instanceof ApiError ? attempt.failed() : attempt.abandoned());
      throw error;
    }
  }
}
