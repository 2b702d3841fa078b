import type { Signalled } from '../kernel/abort.js';

/** Where in its life an instance is. It only ever moves on. */
export type LifecycleState = 'starting' | 'ready' | 'draining' | 'closed';

/** The steps of a shutdown, in their order; hooks of one phase run together. */
export type LifecyclePhase = 'intake' | 'streams' | 'requests' | 'rooms' | 'telemetry';

/** Something that wants to know about the end. */
export interface LifecycleHook {
  /** Named in the log and in the report when it fails or hangs. */
  readonly name: string;
  readonly phase: LifecyclePhase;
  /** Takes leave; the signal aborts when the time of the phase is up. */
  stop(options: { readonly signal: AbortSignal }): Promise<void> | void;
}

/** A hook that did not end well. */
export interface HookFailure {
  readonly name: string;
  readonly phase: LifecyclePhase;
  /** What it threw; undefined when it hung until its time was up. */
  readonly cause?: unknown;
}

/** How a shutdown went. */
export interface ShutdownReport {
  readonly reason: string;
  readonly durationMs: number;
  /** Hooks that had not ended when their time was up. */
  readonly hung: readonly HookFailure[];
  /** Hooks that threw. */
  readonly failed: readonly HookFailure[];
}

/** Brings one instance from its start to its end, in order. */
export interface Lifecycle extends AsyncDisposable {
  readonly state: LifecycleState;
  /** Aborts when draining begins: for loops that fetch work. */
  readonly draining: AbortSignal;
  /** Adds a hook until disposed. Throws `ClosedError` once the hook's phase could be over. */
  register(hook: LifecycleHook): Disposable;
  /** Says that the instance serves. Does nothing once it drains. */
  ready(): void;
  /** Calls the listener on each change until disposed. */
  onState(listener: (state: LifecycleState) => void): Disposable;
  /**
   * Drains: intake, then the readiness delay, streams, requests, rooms, telemetry.
   *
   * Idempotent: later calls get the outcome of the first. Never rejects because a hook failed or hung.
   * The caller's signal ends its own wait, not the shutdown.
   */
  shutdown(reason: string, options?: Signalled): Promise<ShutdownReport>;
  /** Shuts down without the readiness delay and stops listening to signals. Idempotent; never rejects. */
  close(): Promise<void>;
}
