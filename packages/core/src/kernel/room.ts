import type { Signalled } from './abort.js';

/** The outcome of one look at a dependency. */
export interface CheckResult {
  /** `saturated`: it works, and has nothing free; whoever comes now waits. */
  readonly status: 'healthy' | 'degraded' | 'saturated' | 'unhealthy';
  /** For operators; never shown to strangers. */
  readonly detail?: string | undefined;
}

/** One thing that an instance depends on, and how to look at it. */
export interface Check {
  /** Names the component in health answers: `redis`, `database`. */
  readonly name: string;
  /** Whether the instance cannot serve without it. */
  readonly critical: boolean;
  /**
   * Whether every instance depends on the very same thing: losing that takes none of them out of the balancer. Where a room
   * does not say it, it is.
   */
  readonly shared?: boolean | undefined;
  /** Between two looks, where it has a rhythm of its own. */
  readonly intervalMs?: number | undefined;
  /** Looks; must honour the signal. What it throws counts as unhealthy. */
  run(options: { readonly signal: AbortSignal }): Promise<CheckResult>;
}

/** One capability of Pando: usable alone, or wired to its neighbours by the kit. */
export interface Room extends AsyncDisposable {
  /** `cache`, `db`, …: part of option paths, error codes and metric names. */
  readonly name: string;
  /** Opens what the room needs. Idempotent. Rejects when it cannot work at all. */
  start(options?: Signalled): Promise<void>;
  /** Takes leave of long-lived work, within the signal. Idempotent. */
  drain(options?: Signalled): Promise<void>;
  /** Releases everything the room opened, nothing it was given. Idempotent; never rejects. */
  close(): Promise<void>;
  checks(): readonly Check[];
}
