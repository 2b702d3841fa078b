import { AsyncLocalStorage } from 'node:async_hooks';
import { abortable, type Signalled } from '../kernel/abort.js';
import { sleep } from '../kernel/clock.js';
import { messageOf } from '../kernel/errors.js';
import { Events } from '../kernel/events.js';
import type { Kernel } from '../kernel/kernel.js';
import { HookTooLateError, PhaseTimeoutError } from './errors.js';
import { lifecycleInstruments } from './metrics.js';
import type { ResolvedLifecycleOptions, ShutdownTimes } from './options.js';
import { type LifecyclePhase, phases } from './phases.js';
import type { HostProcess, SignalSource } from './ports.js';

/** Where in its life an instance is. It only ever moves on. */
export type LifecycleState = 'starting' | 'ready' | 'draining' | 'closed';

/** Something that has to take leave. */
export interface LifecycleHook {
  /** Named in the log and in the report when it fails or hangs. */
  readonly name: string;
  readonly phase: LifecyclePhase;
  /** Takes leave. The signal aborts when the time of the phase is up: let go at once then. */
  stop(options: { readonly signal: AbortSignal }): Promise<void> | void;
}

/** A hook that did not end well. */
export interface HookFailure {
  readonly name: string;
  readonly phase: LifecyclePhase;
  /** What it threw; undefined when it hung. */
  readonly cause?: unknown;
}

/** How a shutdown went. */
export interface ShutdownReport {
  readonly reason: string;
  readonly durationMs: number;
  /** Whether every hook ended, and none threw. */
  readonly clean: boolean;
  /** Hooks that threw. */
  readonly failed: readonly HookFailure[];
  /** Hooks that had not ended at the very end. */
  readonly hung: readonly HookFailure[];
}

/** Brings one instance from its start to its end, in order. */
export interface Lifecycle extends AsyncDisposable {
  readonly state: LifecycleState;
  /** Aborts when draining begins: for loops that fetch work. */
  readonly draining: AbortSignal;
  /** Adds a hook until disposed. Throws `HookTooLateError` when its phase has begun already. */
  register(hook: LifecycleHook): Disposable;
  /** Says that the instance serves. Does nothing once it drains. */
  ready(): void;
  /**
   * Leaves signals, and errors that nobody caught, to the application from now on: each has the effect that the application, or
   * Node, gives it. Idempotent.
   */
  releaseSignals(): void;
  /** Calls the listener on each change until disposed. */
  onState(listener: (state: LifecycleState) => void): Disposable;
  /**
   * Drains: intake, then the readiness delay, streams, requests, rooms, telemetry.
   *
   * Idempotent: later calls get the outcome of the first. Never rejects because a hook failed or hung.
   * The caller's signal ends its own wait, not the shutdown.
   */
  shutdown(reason: string, options?: Signalled): Promise<ShutdownReport>;
  /**
   * Shuts down without the readiness delay and stops listening to signals. Idempotent; never rejects.
   *
   * Within a hook it resolves at once, and the shutdown goes on: an application that closes the kit when its server closes would
   * wait for itself, since the shutdown closes the server.
   */
  close(): Promise<void>;
}

const states: readonly LifecycleState[] = ['starting', 'ready', 'draining', 'closed'];

/** What an aborted hook gets to let go before the next phase takes away what it stands on. */
const graceMs = 250;
/**
 * A signal that comes again this soon is the same wish: npm, shells and process managers often signal both the group
 * and the child that they wait for.
 */
const echoMs = 1_000;

/** One registered hook on its way to the end. */
class Entry {
  readonly hook: LifecycleHook;
  outcome: 'waiting' | 'running' | 'done' | 'failed' = 'waiting';
  cause: unknown;
  /** Settles when the hook has ended, well or not; never rejects. */
  ended: Promise<void> = Promise.resolve();

  constructor(hook: LifecycleHook) {
    this.hook = hook;
  }

  async stop(signal: AbortSignal, within: AsyncLocalStorage<true>): Promise<void> {
    this.outcome = 'running';
    try {
      await within.run(true, () => this.hook.stop({ signal }));
      this.outcome = 'done';
    } catch (cause) {
      this.outcome = 'failed';
      this.cause = cause;
    }
  }
}

/** The state machine behind {@link Lifecycle}. */
export class LifecycleRoom implements Lifecycle {
  readonly #kernel: Kernel;
  readonly #options: ResolvedLifecycleOptions;
  readonly #process: HostProcess;
  readonly #events: Events<{ state: LifecycleState }>;
  readonly #entries = new Set<Entry>();
  readonly #bindings: Disposable[] = [];
  readonly #signalBindings: Disposable[] = [];
  readonly #draining = new AbortController();
  readonly #hurry = new AbortController();
  /** Whether a hook is what calls. */
  readonly #within = new AsyncLocalStorage<true>();
  #state: LifecycleState = 'starting';
  #phase = -1;
  #signalledAt: number | undefined;
  /** An error that nobody caught has come: the process ends with it. */
  #crashing = false;
  #outcome: Promise<ShutdownReport> | undefined;

  constructor(
    kernel: Kernel,
    options: ResolvedLifecycleOptions,
    signals: SignalSource,
    process: HostProcess,
  ) {
    this.#kernel = kernel;
    this.#options = options;
    this.#process = process;
    this.#events = new Events((cause) => kernel.logger.error({ err: cause }, 'A lifecycle listener threw.'));
    for (const state of states) {
      this.#bindings.push(
        kernel.meter.observe(lifecycleInstruments.state, () => Number(this.#state === state), { state }),
      );
    }
    for (const signal of options.signals) {
      this.#signalBindings.push(signals.on(signal, () => this.#onSignal(signal)));
    }
    if (options.uncaught !== undefined) {
      const { uncaught } = options;
      this.#signalBindings.push(process.onUncaught((error) => this.#onUncaught(error, uncaught)));
    }
  }

  get state(): LifecycleState {
    return this.#state;
  }

  get draining(): AbortSignal {
    return this.#draining.signal;
  }

  register(hook: LifecycleHook): Disposable {
    if (phases.indexOf(hook.phase) <= this.#phase) throw new HookTooLateError(hook.name, hook.phase);
    const entry = new Entry(hook);
    this.#entries.add(entry);
    return {
      [Symbol.dispose]: () => {
        if (entry.outcome === 'waiting') this.#entries.delete(entry); // one that runs belongs to the report
      },
    };
  }

  ready(): void {
    if (this.#state === 'starting') this.#enter('ready');
  }

  releaseSignals(): void {
    for (const binding of this.#signalBindings.splice(0)) binding[Symbol.dispose]();
  }

  onState(listener: (state: LifecycleState) => void): Disposable {
    return this.#events.on('state', listener);
  }

  async shutdown(reason: string, { signal }: Signalled = {}): Promise<ShutdownReport> {
    this.#outcome ??= this.#end(reason, this.#options.times);
    return abortable(this.#outcome, signal);
  }

  async close(): Promise<void> {
    this.#hurry.abort();
    const ended = this.shutdown('close').then(() => this.#release());
    if (this.#within.getStore() === undefined) await ended;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #release(): void {
    this.releaseSignals();
    for (const binding of this.#bindings.splice(0)) binding[Symbol.dispose]();
    this.#within.disable();
  }

  #onSignal(signal: NodeJS.Signals): void {
    const { clock } = this.#kernel;
    if (this.#signalledAt !== undefined) {
      if (clock.monotonic() - this.#signalledAt < echoMs) return;
      this.#kernel.logger.warn({ signal }, 'Second signal: leaving at once.');
      this.#process.exit(1);
      return;
    }
    this.#signalledAt = clock.monotonic();
    if (this.#options.exit === false) {
      // Nobody here would heed a second one: give the signals their default effect back.
      this.#bindings.push(clock.after(echoMs, () => this.releaseSignals()));
    }
    void this.shutdown(signal);
  }

  /** Others' requests have nothing to do with it: they get their answers before the process ends of it. */
  #onUncaught(error: unknown, times: ShutdownTimes): void {
    const { logger } = this.#kernel;
    if (this.#crashing) {
      logger.error({ err: error }, 'Another error that nobody caught.');
      return;
    }
    logger.error({ err: error }, 'An error that nobody caught: shutting down.');
    this.#crashing = true;
    this.#outcome ??= this.#end('uncaught error', times);
    void this.#outcome.then(() => this.#process.crash(error));
  }

  #enter(state: LifecycleState): void {
    this.#state = state;
    this.#events.emit('state', state);
  }

  /** Drains and, where that is wanted, ends the process. */
  async #end(reason: string, times: ShutdownTimes): Promise<ShutdownReport> {
    // Closing servers releases what kept the process alive; a hook that hangs would end it with code 0, unnoticed.
    const hold = this.#process.hold();
    try {
      const report = await this.#drain(reason, times);
      const exits = !this.#crashing && (this.#options.exit ?? this.#signalledAt !== undefined);
      if (exits) this.#process.exit(report.clean ? 0 : 1);
      return report;
    } finally {
      hold[Symbol.dispose]();
    }
  }

  async #drain(reason: string, times: ShutdownTimes): Promise<ShutdownReport> {
    const { clock, logger } = this.#kernel;
    const beganAt = clock.monotonic();
    const { totalMs, readinessDelayMs, phaseMs } = times;
    const endsAt = beganAt + totalMs;
    const delayMs = this.#state === 'ready' ? readinessDelayMs : 0;
    logger.info({ reason, totalMs }, 'Shutting down.');
    this.#enter('draining');
    this.#draining.abort();

    for (const [index, phase] of phases.entries()) {
      this.#phase = index;
      const ended = this.#run(phase, phaseMs[phase], endsAt);
      await (phase === 'intake' ? Promise.all([ended, this.#serveOn(delayMs)]) : ended);
    }
    // What was aborted in an earlier phase may still be letting go: it has until the very end.
    await this.#settled(endsAt, [...this.#entries]);

    const report = this.#report(reason, clock.monotonic() - beganAt);
    this.#enter('closed');
    return report;
  }

  /** The balancer needs time to notice that readiness says no; whoever calls `close()` does not. */
  async #serveOn(delayMs: number): Promise<void> {
    if (delayMs === 0) return;
    await sleep(this.#kernel.clock, delayMs, { signal: this.#hurry.signal }).catch(() => undefined);
  }

  /** Runs the hooks of one phase until all have ended, or their time and a moment of grace are up. */
  async #run(phase: LifecyclePhase, budgetMs: number, endsAt: number): Promise<void> {
    const { clock } = this.#kernel;
    const entries = [...this.#entries].filter(({ hook }) => hook.phase === phase);
    if (entries.length === 0) return;
    const cutAt = Math.min(clock.monotonic() + budgetMs, endsAt);
    const controller = new AbortController();
    for (const entry of entries) entry.ended = entry.stop(controller.signal, this.#within);
    if (await this.#settled(cutAt, entries)) return;
    controller.abort(new PhaseTimeoutError(phase, budgetMs));
    await this.#settled(Math.min(cutAt + graceMs, endsAt), entries);
  }

  /** Waits for the hooks to end, not beyond the instant. Tells whether all have. */
  async #settled(instant: number, entries: readonly Entry[]): Promise<boolean> {
    const { clock } = this.#kernel;
    const enough = new AbortController();
    const all = Promise.all(entries.map(({ ended }) => ended)).then(() => enough.abort());
    const leftMs = instant - clock.monotonic();
    if (leftMs > 0) await sleep(clock, leftMs, { signal: enough.signal }).catch(() => all);
    return entries.every(({ outcome }) => outcome !== 'running');
  }

  #report(reason: string, durationMs: number): ShutdownReport {
    const { logger, meter } = this.#kernel;
    const failed: HookFailure[] = [];
    const hung: HookFailure[] = [];
    for (const { hook, outcome, cause } of this.#entries) {
      const { name, phase } = hook;
      if (outcome === 'failed') failed.push({ name, phase, cause });
      if (outcome === 'running') hung.push({ name, phase });
      meter
        .counter(lifecycleInstruments.hooks, { phase, outcome: outcome === 'running' ? 'hung' : outcome })
        .add();
    }
    const clean = failed.length + hung.length === 0;
    const fields = { reason, durationMs: Math.round(durationMs) };
    if (clean) logger.info(fields, 'Shut down.');
    else {
      const causes = failed.map(({ name, cause }) => `${name}: ${messageOf(cause)}`);
      logger.error(
        { ...fields, hung: hung.map(({ name }) => name), failed: causes },
        'Shut down, not cleanly.',
      );
    }
    return { reason, durationMs, clean, failed, hung };
  }
}
