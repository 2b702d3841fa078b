import type { Signalled } from '../kernel/abort.js';
import type { Room } from '../kernel/room.js';
import type { LimitWindow } from './ports.js';

/** What a policy does while Redis is away: let everything pass, refuse everything, or count in this process alone. */
export type OnUnavailable = 'open' | 'closed' | 'local';

/** A policy as it was understood. */
export interface Policy {
  readonly name: string;
  /** All must have room for a call to pass. */
  readonly windows: readonly LimitWindow[];
  readonly onUnavailable: OnUnavailable;
}

/** The outcome of one call of {@link Limits.consume}. A refusal is a decision, not an error. */
export interface Decision {
  readonly allowed: boolean;
  readonly policy: string;
  /** Of the window that refused, or that is nearest to refusing. */
  readonly limit: number;
  /** What is left of that window. */
  readonly remaining: number;
  /** When that window ends. */
  readonly resetMs: number;
  /** When a call of this cost may pass; 0 when it was allowed. */
  readonly retryAfterMs: number;
  /**
   * Who decided: `redis` or `memory` counted exactly; while Redis was away, `local` counted in this process alone,
   * `open` and `closed` did not count. Answer a refusal from `closed` with 503, all others with 429.
   */
  readonly source: 'redis' | 'memory' | 'local' | 'open' | 'closed';
}

/** How to consume. */
export interface ConsumeOptions extends Signalled {
  /** A whole number of at least 1. @defaultValue `1` */
  readonly cost?: number | undefined;
}

/** Decides who may go on, for all instances together. */
export interface Limits extends Room {
  readonly name: 'limits';
  /** The policies by name. */
  readonly policies: ReadonlyMap<string, Policy>;
  /** The policy of that name; throws `UnknownPolicyError`, which names the nearest. */
  policy(name: string): Policy;
  /**
   * Spends the cost from the key's windows, if all of them have room for it.
   *
   * Refused calls spend nothing. Decides within a bound whatever Redis does: see the option `decisionTimeoutMs`.
   *
   * @throws `UnknownPolicyError`, `LimitCostError` or `LimitKeyError` at once; the signal's reason when it aborts, and
   * then the cost may have been spent.
   */
  consume(policy: string, key: string, options?: ConsumeOptions): Promise<Decision>;
}
