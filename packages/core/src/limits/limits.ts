import type { Signalled } from '../kernel/abort.js';
import { ClosedError } from '../kernel/errors.js';
import type { Kernel } from '../kernel/kernel.js';
import type { CounterCell, HistogramCell } from '../kernel/meter.js';
import type { Check, Room } from '../kernel/room.js';
import { LimitCostError, LimitKeyError, UnknownPolicyError } from './errors.js';
import { counterKey } from './key.js';
import { limitsInstruments } from './metrics.js';
import type { LimitStore, LimitWindow, PolicyCounters, WindowUse } from './ports.js';

/** What a policy does while Redis is away: let everything pass, refuse everything, or count in this process alone. */
export type OnUnavailable = 'open' | 'closed' | 'local';

/** A policy as it was understood. */
export interface Policy {
  readonly name: string;
  /** All must have room for a call to pass. */
  readonly windows: readonly LimitWindow[];
  readonly onUnavailable: OnUnavailable;
}

/** The outcome of {@link Limits.consume}. A refusal is a decision, not an error. */
export interface Decision {
  readonly allowed: boolean;
  readonly policy: string;
  /** Of the window that refused, or that is nearest to refusing. */
  readonly limit: number;
  /** What is left of that window. */
  readonly remaining: number;
  /** When that window ends. */
  readonly resetMs: number;
  /** When to ask again; 0 when it was allowed. */
  readonly retryAfterMs: number;
  /**
   * Who decided: `redis` or `memory` counted exactly; while Redis was away, `local` counted in this process alone,
   * `open` and `closed` did not count. Answer a refusal by `closed` with 503, any other with 429.
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
  readonly policies: ReadonlyMap<string, Policy>;
  /** The policy of that name; throws `UnknownPolicyError`, which names the nearest. */
  policy(name: string): Policy;
  /**
   * Spends the cost from the key's windows, if all of them have room for it; refused calls spend nothing.
   *
   * Decides within `decisionTimeoutMs`, whatever Redis does. Unknown policies, empty keys and costs that are none are
   * thrown at once, not rejected.
   *
   * @throws The signal's reason when it aborts: the cost may have been spent then.
   */
  consume(policy: string, key: string, options?: ConsumeOptions): Promise<Decision>;
}

/** When to ask again while a policy refuses everything. */
const closedRetryMs = 1_000;

/** The manager behind {@link Limits}: asks the store, and decides without it when it must. */
export class LimitsRoom implements Limits {
  readonly name = 'limits';
  readonly policies: ReadonlyMap<string, Policy>;
  readonly #kernel: Kernel;
  readonly #store: LimitStore;
  readonly #local: LimitStore;
  readonly #desks = new Map<string, Desk>();
  readonly #duration: HistogramCell;
  #isDegraded = false;
  #isClosed = false;

  /** `local` counts while `store` cannot. */
  constructor(kernel: Kernel, policies: readonly Policy[], store: LimitStore, local: LimitStore) {
    this.#kernel = kernel;
    this.#store = store;
    this.#local = local;
    this.policies = new Map(policies.map((policy) => [policy.name, policy]));
    this.#duration = kernel.meter.histogram(limitsInstruments.duration);
    for (const policy of policies) this.#desks.set(policy.name, new Desk(policy, kernel, store, local));
  }

  policy(name: string): Policy {
    return this.#desk(name).policy;
  }

  consume(policy: string, key: string, { cost = 1, signal }: ConsumeOptions = {}): Promise<Decision> {
    const desk = this.#desk(policy);
    if (!Number.isSafeInteger(cost) || cost < 1) throw new LimitCostError(policy, cost);
    if (typeof key !== 'string' || key === '') throw new LimitKeyError(policy);
    return this.#decide(desk, counterKey(key), cost, signal);
  }

  async start(options?: Signalled): Promise<void> {
    await this.#store.start(options);
  }

  async drain(): Promise<void> {}

  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.all([this.#store.close(), this.#local.close()]);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  checks(): readonly Check[] {
    if (this.#store.source === 'memory') return [];
    const run: Check['run'] = async () =>
      this.#store.isUp ? { status: 'healthy' } : { status: 'degraded', detail: 'Redis is away' };
    return [{ name: 'redis', critical: false, run }];
  }

  #desk(name: string): Desk {
    const desk = this.#desks.get(name);
    if (desk === undefined) throw new UnknownPolicyError(name, this.#desks.keys());
    return desk;
  }

  async #decide(desk: Desk, key: string, cost: number, signal: AbortSignal | undefined): Promise<Decision> {
    signal?.throwIfAborted();
    if (this.#isClosed) throw new ClosedError('The limits room');
    const beganAt = this.#kernel.clock.monotonic();
    const decision = (await this.#count(desk, key, cost, signal)) ?? (await desk.without(key, cost));
    this.#duration.record((this.#kernel.clock.monotonic() - beganAt) / 1_000);
    desk.record(decision);
    return decision;
  }

  /** Undefined when the store cannot tell. */
  async #count(
    desk: Desk,
    key: string,
    cost: number,
    signal: AbortSignal | undefined,
  ): Promise<Decision | undefined> {
    if (!this.#store.isUp) return this.#degrade(undefined);
    try {
      const decision = await desk.count(key, cost, signal);
      this.#isDegraded = false;
      return decision;
    } catch (cause) {
      if (signal?.aborted) throw signal.reason;
      return this.#degrade(cause);
    }
  }

  /** Says so once, not for each decision. */
  #degrade(cause: unknown): undefined {
    if (this.#isDegraded) return;
    this.#isDegraded = true;
    this.#kernel.logger.warn({ err: cause }, 'Limits are decided without Redis.');
  }
}

/** One policy at work: its counters and its metrics. */
class Desk {
  readonly policy: Policy;
  readonly #store: LimitStore;
  readonly #counters: PolicyCounters;
  readonly #localCounters: PolicyCounters;
  readonly #allowed = new Map<Decision['source'], CounterCell>();
  readonly #refused = new Map<Decision['source'], CounterCell>();

  constructor(policy: Policy, kernel: Kernel, store: LimitStore, local: LimitStore) {
    this.policy = policy;
    this.#store = store;
    this.#counters = store.counters(policy.name, policy.windows);
    this.#localCounters = local.counters(policy.name, policy.windows);
    for (const source of [store.source, policy.onUnavailable]) {
      const bind = (outcome: string) =>
        kernel.meter.counter(limitsInstruments.decisions, { policy: policy.name, outcome, source });
      if (source !== 'closed') this.#allowed.set(source, bind('allowed'));
      if (source !== 'open') this.#refused.set(source, bind('refused'));
    }
  }

  async count(key: string, cost: number, signal: AbortSignal | undefined): Promise<Decision> {
    return this.#decision(await this.#counters.spend(key, cost, { signal }), this.#store.source);
  }

  /** Decides as the policy says while Redis is away. */
  async without(key: string, cost: number): Promise<Decision> {
    const { name, windows, onUnavailable } = this.policy;
    if (onUnavailable === 'local') {
      const uses = await this.#localCounters.spend(key, cost, { sharedBy: this.#store.instances });
      return this.#decision(uses, 'local');
    }
    const { limit, windowMs } = windows[0] as LimitWindow;
    return onUnavailable === 'open'
      ? {
          allowed: true,
          policy: name,
          limit,
          remaining: limit,
          resetMs: windowMs,
          retryAfterMs: 0,
          source: 'open',
        }
      : {
          allowed: false,
          policy: name,
          limit,
          remaining: 0,
          resetMs: closedRetryMs,
          retryAfterMs: closedRetryMs,
          source: 'closed',
        };
  }

  record({ allowed, source }: Decision): void {
    (allowed ? this.#allowed : this.#refused).get(source)?.add();
  }

  #decision(uses: readonly WindowUse[], source: Decision['source']): Decision {
    const refusing = uses.filter(({ fits }) => !fits);
    const allowed = refusing.length === 0;
    const { limit, remaining, resetMs } = allowed ? tightest(uses) : longest(refusing);
    return {
      allowed,
      policy: this.policy.name,
      limit,
      remaining,
      resetMs,
      retryAfterMs: allowed ? 0 : resetMs,
      source,
    };
  }
}

/** The window that is nearest to refusing. */
function tightest(uses: readonly WindowUse[]): WindowUse {
  return uses.reduce((a, b) => (b.remaining < a.remaining ? b : a));
}

/** The window that refuses for longest. */
function longest(uses: readonly WindowUse[]): WindowUse {
  return uses.reduce((a, b) => (b.resetMs > a.resetMs ? b : a));
}
