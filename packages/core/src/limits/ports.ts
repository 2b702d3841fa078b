import type { Signalled } from '../kernel/abort.js';

/** One fixed window: it begins with the first call that fits and ends `windowMs` later. */
export interface LimitWindow {
  /** What may be spent within one window. */
  readonly limit: number;
  readonly windowMs: number;
}

/** How one window stands after a call. */
export interface WindowUse {
  /** Whether the cost fitted into this window. */
  readonly fits: boolean;
  /** The limit that was applied: the window's own, or this instance's part of it. */
  readonly limit: number;
  readonly remaining: number;
  /** When the window ends. */
  readonly resetMs: number;
}

/** How to spend. */
export interface SpendOptions extends Signalled {
  /** Counts for one of that many instances: each limit is divided, and rounded up. @defaultValue `1` */
  readonly sharedBy?: number | undefined;
}

/** The counters of one policy: one per key and window. */
export interface PolicyCounters {
  /**
   * Spends the cost in every window of the key, or in none. Answers in the order of the windows.
   *
   * What fitted never sums up to more than a limit within one window, however many spend at once. A cost that does not
   * fit every window is given back where it fitted, to the window it was taken from: until then others may be refused
   * although there is room, never the reverse. A call that begins after this one was answered finds it given back.
   *
   * Rejects within a bound when the outcome is not known: the cost may have been counted, or may yet be, and is not
   * given back. The same when the signal aborts.
   */
  spend(key: string, cost: number, options?: SpendOptions): Promise<readonly WindowUse[]>;
}

/** Where counters live. */
export interface LimitStore extends AsyncDisposable {
  /** Named in decisions. */
  readonly source: 'redis' | 'memory';
  /** Whether counting has a chance now; false is an answer without waiting. */
  readonly isUp: boolean;
  /** How many instances count together; at least 1. */
  readonly instances: number;
  /** Opens what the store needs. Does not fail because a server is away. */
  start(options?: Signalled): Promise<void>;
  /** The counters of one policy, known by its name and each window's length: who changes a length begins anew. */
  counters(policy: string, windows: readonly LimitWindow[]): PolicyCounters;
  /** Releases what the store opened. Idempotent. */
  close(): Promise<void>;
}
