import { abortable, type Signalled } from '../kernel/abort.js';
import { ClosedError } from '../kernel/errors.js';
import type { Kernel } from '../kernel/kernel.js';
import type { Check, Room } from '../kernel/room.js';
import { AskQueue, type QueuedAsk } from './ask-queue.js';
import type { Decision, Policy } from './decision.js';
import { Desk, type Office } from './desk.js';
import { LimitCostError, LimitKeyError, UnknownPolicyError } from './errors.js';
import { counterKey } from './key.js';
import { limitsInstruments } from './metrics.js';
import type { AskKind, LimitStore, LimitVerdict, LocalStore, PolicyLimiter } from './ports.js';

/** How to consume, or to ask whether one could. */
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
  /** Tells what {@link Limits.consume} would, and spends nothing. */
  peek(policy: string, key: string, options?: ConsumeOptions): Promise<Decision>;
  /** Spends the points whether there is room or not: the key pays for them later. Tells how it stands then. */
  penalize(policy: string, key: string, points: number, options?: Signalled): Promise<Decision>;
  /** Gives points back, down to nothing spent: no credit is kept. Tells how the key stands then. */
  reward(policy: string, key: string, points: number, options?: Signalled): Promise<Decision>;
  /**
   * Forgets what the key has spent, on all instances; one that misses the announcement refuses for up to 10 s longer.
   *
   * @throws `RedisUnavailableError` while Redis is away: only this instance has forgotten then.
   */
  reset(policy: string, key: string, options?: Signalled): Promise<void>;
  /**
   * The policy as a limiter of rate-limiter-flexible, for what takes one. Points that do not fit are not counted, unlike in
   * that library's own.
   */
  limiter(policy: string): PolicyLimiter;
}

/** What limiters of rate-limiter-flexible need of the room. */
export interface LimiterSource extends Pick<Limits, 'consume' | 'peek' | 'penalize' | 'reward' | 'reset'> {
  /** Refuses everything for so long; 0 ends that. */
  block(policy: string, key: string, durationMs: number): Promise<Decision>;
}

/** What the room stands on. */
export interface LimitsInit {
  readonly kernel: Kernel;
  readonly policies: readonly Policy[];
  readonly store: LimitStore;
  /** Counts while the store cannot; may be the store itself. */
  readonly local: LocalStore;
  /** Stores of policies that have their own. */
  readonly stores?: ReadonlyMap<string, LimitStore> | undefined;
  limiter(room: LimiterSource, policy: Policy): PolicyLimiter;
}

/** The manager behind {@link Limits}: asks the store, and decides without it when it must. */
export class LimitsRoom implements Limits {
  readonly name = 'limits';
  readonly policies: ReadonlyMap<string, Policy>;
  readonly #init: LimitsInit;
  readonly #desks = new Map<string, Desk>();
  readonly #queues: readonly AskQueue[];
  #isDegraded = false;
  #isClosed = false;

  constructor(init: LimitsInit) {
    const { kernel, policies, store, local, stores } = init;
    this.#init = init;
    this.policies = new Map(policies.map((policy) => [policy.name, policy]));
    this.#queues = Array.from({ length: store.places ?? 1 }, () => new AskQueue(store));
    const office: Office = {
      kernel,
      local,
      duration: kernel.meter.histogram(limitsInstruments.duration),
      push: (asked, ask) => this.#push(asked, ask),
      answered: () => {
        this.#isDegraded = false;
      },
      unanswered: (silent, cause) => this.#degrade(silent, cause),
    };
    const byRule = new Map<string, Desk>();
    for (const policy of policies) {
      const desk = new Desk(policy, stores?.get(policy.name) ?? store, office);
      this.#desks.set(policy.name, desk);
      byRule.set(desk.rule.id, desk);
    }
    store.onForgotten?.((counter) => {
      if (counter !== undefined) byRule.get(counter.id)?.forget(counter.key);
      else for (const desk of this.#desks.values()) desk.forget(undefined);
    });
  }

  policy(name: string): Policy {
    return this.#desk(name).policy;
  }

  consume(policy: string, key: string, { cost = 1, signal }: ConsumeOptions = {}): Promise<Decision> {
    return this.#decide('spend', policy, key, cost, signal);
  }

  peek(policy: string, key: string, { cost = 1, signal }: ConsumeOptions = {}): Promise<Decision> {
    return this.#decide('peek', policy, key, cost, signal);
  }

  penalize(policy: string, key: string, points: number, { signal }: Signalled = {}): Promise<Decision> {
    return this.#decide('penalize', policy, key, points, signal);
  }

  reward(policy: string, key: string, points: number, { signal }: Signalled = {}): Promise<Decision> {
    return this.#decide('reward', policy, key, points, signal);
  }

  reset(policy: string, key: string, { signal }: Signalled = {}): Promise<void> {
    const desk = this.#desk(policy);
    checkKey(policy, key);
    if (this.#isClosed) return Promise.reject(new ClosedError('The limits room'));
    return signal?.aborted ? Promise.reject(signal.reason) : abortable(desk.reset(counterKey(key)), signal);
  }

  limiter(policy: string): PolicyLimiter {
    const source: LimiterSource = {
      consume: (...call) => this.consume(...call),
      peek: (...call) => this.peek(...call),
      penalize: (...call) => this.penalize(...call),
      reward: (...call) => this.reward(...call),
      reset: (...call) => this.reset(...call),
      block: (name, key, durationMs) => {
        checkKey(name, key);
        return this.#desk(name).decide('block', counterKey(key), Math.ceil(durationMs * 1_000));
      },
    };
    return this.#init.limiter(source, this.policy(policy));
  }

  async start(options?: Signalled): Promise<void> {
    await this.#init.store.start(options);
  }

  async drain(): Promise<void> {}

  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.all([this.#init.store.close(), this.#init.local.close()]);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  checks(): readonly Check[] {
    const { store } = this.#init;
    if (store.source === 'memory') return [];
    const run: Check['run'] = async () =>
      store.isUp ? { status: 'healthy' } : { status: 'degraded', detail: 'Redis is away' };
    return [{ name: 'redis', critical: false, run }];
  }

  #desk(name: string): Desk {
    const desk = this.#desks.get(name);
    if (desk === undefined) throw new UnknownPolicyError(name, this.#desks.keys());
    return desk;
  }

  #decide(
    kind: AskKind,
    policy: string,
    key: string,
    amount: number,
    signal: AbortSignal | undefined,
  ): Promise<Decision> {
    const desk = this.#desk(policy);
    if (!Number.isSafeInteger(amount) || amount < 1) throw new LimitCostError(policy, amount);
    checkKey(policy, key);
    if (this.#isClosed) return Promise.reject(new ClosedError('The limits room'));
    if (signal === undefined) return desk.decide(kind, counterKey(key), amount);
    return signal.aborted
      ? Promise.reject(signal.reason)
      : abortable(desk.decide(kind, counterKey(key), amount), signal);
  }

  #push(store: LimitStore, ask: QueuedAsk): void {
    if (store === this.#init.store) {
      this.#queues[store.placeOf?.(ask.rule, ask.key) ?? 0]?.push(ask);
      return;
    }
    store.ask([ask]).then(
      ([verdict]) => ask.succeed(verdict as LimitVerdict),
      (cause: unknown) => ask.fail(cause),
    );
  }

  /** Says so once, not for each decision. */
  #degrade({ source }: LimitStore, cause: unknown): void {
    if (this.#isDegraded) return;
    this.#isDegraded = true;
    const name = source === 'redis' ? 'Redis' : "a policy's own store";
    this.#init.kernel.logger.warn({ err: cause }, `Limits are decided without ${name}.`);
  }
}

function checkKey(policy: string, key: string): void {
  if (typeof key !== 'string' || key === '') throw new LimitKeyError(policy);
}
