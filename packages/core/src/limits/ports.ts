import type { Signalled } from '../kernel/abort.js';

/** One fixed window: it begins with the first call and ends `windowMs` later. */
export interface LimitWindow {
  /** What may be spent within one window. */
  readonly limit: number;
  readonly windowMs: number;
}

/** How one window stands after a call. */
export interface WindowUse {
  /** The limit that was applied; the window's own, or this instance's part of it. */
  readonly limit: number;
  readonly remaining: number;
  /** When the window ends. */
  readonly resetMs: number;
  /** Whether the cost fitted into this window. */
  readonly fits: boolean;
}

/** How to spend. */
export interface SpendOptions extends Signalled {
  /** Counts for one of that many instances: each limit is divided and rounded up. @defaultValue `1` */
  readonly sharedBy?: number | undefined;
}

/** The counters of one policy: one per key and window. */
export interface PolicyCounters {
  /**
   * Spends the cost in every window of the key, or in none.
   *
   * Calls of one key are carried out one after the other in each window: the sum of what fitted never exceeds a limit
   * within one window. A cost that does not fit one window is given back to the others: until that is done, others may
   * be refused although there was room, never the reverse. What is given back counts for the window it was taken from
   * only. Rejects when the outcome is not known: the cost may have been counted, or may yet be, and is not given back.
   */
  spend(key: string, cost: number, options?: SpendOptions): Promise<readonly WindowUse[]>;
}

/** Where counters live. */
export interface LimitStore extends AsyncDisposable {
  /** Named in decisions. */
  readonly source: 'redis' | 'memory';
  /** Whether a call has a chance now; false is an answer without waiting. */
  readonly isUp: boolean;
  /** How many instances count together; at least 1. */
  readonly instances: number;
  /** Opens what the store needs; does not fail because a server is away. */
  start(options?: Signalled): Promise<void>;
  /** Binds the counters of one policy. The name and each window's length are part of what identifies a counter. */
  counters(policy: string, windows: readonly LimitWindow[]): PolicyCounters;
  /** Releases what the store opened. Idempotent. */
  close(): Promise<void>;
}
