import { AsyncResource } from 'node:async_hooks';
import { firstOf } from '../kernel/abort.js';
import { ClosedError } from '../kernel/errors.js';
import type { Kernel } from '../kernel/kernel.js';
import type { CounterCell } from '../kernel/meter.js';
import type { Call } from './call.js';
import type { Landing } from './flight.js';
import { cacheInstruments } from './metrics.js';

/** How long a key is left alone after its value could not be replaced. */
const PAUSE_MS = { elsewhere: 50, unstored: 1_000, failed: 1_000 };
/** Keys that are left alone; with more, some are tried too soon. */
const MAX_PAUSES = 10_000;

/** What refreshes stand on. */
export interface RefreshesInit {
  readonly kernel: Kernel;
  /** How many may run at once: while they do, what is stale is served and not replaced. */
  readonly max: number;
  /** Loads a value anew; resolves to undefined where others are at it. */
  replace(call: Call): Promise<Landing | undefined>;
}

/**
 * Replaces values that are still served, in the background.
 *
 * A refresh has seen what the request has seen that gave rise to it, and shares nothing else with that: neither its signal,
 * nor its context, nor what else of its own the application carries along asynchronous calls.
 */
export class Refreshes {
  readonly #init: RefreshesInit;
  readonly #outside = new AsyncResource('PandoCacheRefresh');
  readonly #controller = new AbortController();
  readonly #running = new Map<string, Promise<void>>();
  /** Monotonic instants from which on keys may be tried again. */
  readonly #pauses = new Map<string, number>();
  readonly #outcomes: Readonly<Record<'stored' | keyof typeof PAUSE_MS, CounterCell>>;

  constructor(init: RefreshesInit) {
    const { meter } = init.kernel;
    const outcome = (name: string) => meter.counter(cacheInstruments.refreshes, { outcome: name });
    this.#init = init;
    this.#outcomes = {
      stored: outcome('stored'),
      unstored: outcome('unstored'),
      elsewhere: outcome('elsewhere'),
      failed: outcome('failed'),
    };
  }

  /** Begins to replace what the call was given; undefined where that is under way, or has just come to nothing. */
  begin(call: Call): Promise<void> | undefined {
    const { kernel } = this.#init;
    const { key, context } = call;
    const { signal } = this.#controller;
    if (!this.#mayBegin(key)) return undefined;
    const { id, token } = context;
    const detached = { ...call, signal, context: kernel.contexts.open({ id, signal, token }) };
    const running = this.#outside.runInAsyncScope(() => this.#replace(detached));
    this.#running.set(key, running);
    return running;
  }

  /**
   * Replaces what the call was given while its caller waits, in his own context. Resolves to undefined where that is under
   * way or has just come to nothing; rejects as the load does, or with `ClosedError`.
   */
  async here(call: Call): Promise<Landing | undefined> {
    const { key } = call;
    if (!this.#mayBegin(key)) return undefined;
    const ending = firstOf([call.signal, this.#controller.signal]);
    try {
      const replacing = this.#init.replace({ ...call, signal: ending.signal });
      this.#running.set(key, replacing.then(ignore, ignore));
      const landing = await replacing;
      this.#ended(key, outcomeOf(landing));
      return landing;
    } catch (cause) {
      if (!ending.signal.aborted) this.#ended(key, 'failed');
      throw cause;
    } finally {
      ending[Symbol.dispose]();
      this.#running.delete(key);
    }
  }

  #mayBegin(key: string): boolean {
    const { kernel, max } = this.#init;
    if (this.#controller.signal.aborted || this.#running.has(key) || this.#running.size >= max) return false;
    return (this.#pauses.get(key) ?? 0) <= kernel.clock.monotonic();
  }

  /** Ends what is running. */
  async close(): Promise<void> {
    this.#controller.abort(new ClosedError('The cache'));
    await Promise.all(this.#running.values());
    this.#outside.emitDestroy();
  }

  /** Never rejects: nobody waits for it. */
  async #replace(call: Call): Promise<void> {
    const { key } = call;
    try {
      const landing = await this.#init.replace(call);
      this.#ended(key, outcomeOf(landing));
    } catch (cause) {
      if (this.#controller.signal.aborted) return;
      this.#init.kernel.logger.warn({ err: cause, key }, 'a cached value could not be replaced');
      this.#ended(key, 'failed');
    } finally {
      this.#running.delete(key);
    }
  }

  #ended(key: string, outcome: 'stored' | keyof typeof PAUSE_MS): void {
    this.#outcomes[outcome].add();
    this.#pauses.delete(key);
    if (outcome === 'stored') return;
    if (this.#pauses.size >= MAX_PAUSES) this.#pauses.clear();
    this.#pauses.set(key, this.#init.kernel.clock.monotonic() + PAUSE_MS[outcome]);
  }
}

const ignore = (): void => undefined;

function outcomeOf(landing: Landing | undefined): 'stored' | 'unstored' | 'elsewhere' {
  return landing === undefined ? 'elsewhere' : landing.isStorable ? 'stored' : 'unstored';
}
