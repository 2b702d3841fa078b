import { abortable, type Signalled } from '../kernel/abort.js';
import { ClosedError } from '../kernel/errors.js';
import type { Kernel } from '../kernel/kernel.js';
import type { Check, Room } from '../kernel/room.js';
import type { AllowList } from './allow-list.js';
import { AskQueue, type QueuedAsk } from './ask-queue.js';
import { type Attempt, type AttemptSubject, Attempts } from './attempts.js';
import type { BanStore } from './ban-store.js';
import { type Ban, type BanOptions, Bans } from './bans.js';
import type { Decision, Policy } from './decision.js';
import type { Office } from './desk.js';
import { LimitCostError, LimitKeyError, UnknownPolicyError, UnknownProtectionError } from './errors.js';
import { counterKey } from './key.js';
import { limitsInstruments } from './metrics.js';
import { PolicyDesks } from './policy-desks.js';
import type { AskKind, LimitStore, LimitVerdict, LocalStore, PolicyLimiter } from './ports.js';
import type { Protection } from './protection-options.js';

/** How to consume, or to ask whether one could. */
export interface ConsumeOptions extends Signalled {
  /** A whole number of at least 1. @defaultValue `1` */
  readonly cost?: number | undefined;
  /** Of the policy's tiers. @defaultValue the first */
  readonly tier?: string | undefined;
  /** The client's, where the key is something else: it may stand on an allow list, or be banned. */
  readonly address?: string | undefined;
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
   * thrown at once, not rejected; so are unknown tiers.
   *
   * @throws The signal's reason when it aborts: the cost may have been spent then.
   */
  consume(policy: string, key: string, options?: ConsumeOptions): Promise<Decision>;
  /**
   * The same for code that runs for every request: gives the decision itself, not a promise of it, where Redis does not have to
   * be asked: out of a lease, a refusal that is known to stand, a ban, a count in memory. Takes no signal.
   */
  decide(policy: string, key: string, options?: Omit<ConsumeOptions, 'signal'>): Decision | Promise<Decision>;
  /** Tells what {@link Limits.consume} would, and spends nothing. */
  peek(policy: string, key: string, options?: ConsumeOptions): Promise<Decision>;
  /** Spends the points whether there is room or not: the key pays for them later. Tells how it stands then. */
  penalize(policy: string, key: string, points: number, options?: Signalled): Promise<Decision>;
  /** Gives points back, down to nothing spent: no credit is kept. Tells how the key stands then. */
  reward(policy: string, key: string, points: number, options?: Signalled): Promise<Decision>;
  /**
   * Forgets what the key has spent, on all instances; one that misses the announcement refuses for up to 10 s longer, or
   * spends what it was lent.
   *
   * @throws `RedisUnavailableError` while Redis is away: only this instance has forgotten then.
   */
  reset(policy: string, key: string, options?: Signalled): Promise<void>;
  /**
   * Begins an attempt to get in with a password or a code, under a protection of the options. Look at the password only if it
   * is allowed, and tell how it ended: what nothing is said about stays counted as a failure.
   *
   * Failures of an address are counted, those at an account, and those of the two together. The address and the two together are
   * refused when there are too many; the account alone is slowed, by `slowMs`, so that nobody can lock its owner out.
   * Unknown protections, and empty names and addresses, are thrown at once.
   *
   * @throws The signal's reason when it aborts: the attempt may be counted then.
   *
   * @example
   * ```ts
   * import { createLimits } from '@pando/core/limits';
   *
   * const limits = createLimits({ protections: { login: {} } });
   * const attempt = await limits.attempt('login', { account: 'ann@example.com', address: '203.0.113.7' });
   * if (attempt.allowed) await attempt.failed(); // or succeeded()
   * ```
   */
  attempt(protection: string, subject: AttemptSubject): Promise<Attempt>;
  /**
   * Keeps a key, an address or a network (`203.0.113.0/24`) out: whatever it asks for is refused, on all instances and by
   * every policy, without asking Redis. A ban that exists is replaced. Who stands on an allow
   * list is let in all the same.
   *
   * Resolves when this instance refuses; the others follow as soon as they hear, and within 30 s when they do not. Bans are kept
   * in Redis: they outlive instances, not the loss of its data.
   *
   * @throws `BanError` for what is no subject or no duration, `BanListFullError`; `RedisUnavailableError` while Redis is away:
   * it may yet be banned then.
   */
  ban(subject: string, options?: BanOptions): Promise<void>;
  /** Lifts a ban of exactly that subject; nothing happens where there is none. Fails as {@link Limits.ban} does. */
  unban(subject: string, options?: Signalled): Promise<void>;
  /** Everything that is banned, as this instance knows it. */
  bans(): readonly Ban[];
  /**
   * The ban that meets whoever comes from this address, as this instance knows it: of the address, or of a network around it.
   * None meets who stands on the allow list of the whole room.
   */
  banOf(address: string): Ban | undefined;
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
  readonly protections?: readonly Protection[] | undefined;
  readonly store: LimitStore;
  /** Counts while the store cannot; may be the store itself. */
  readonly local: LocalStore;
  readonly bans: BanStore;
  /** Stores of policies that have their own. */
  readonly stores?: ReadonlyMap<string, LimitStore> | undefined;
  /** Who is never counted, by policy. */
  readonly allowed?: ReadonlyMap<string, AllowList> | undefined;
  /** Who is counted by none. */
  readonly allowedByAll?: AllowList | undefined;
  limiter(room: LimiterSource, policy: Policy): PolicyLimiter;
}

/** The manager behind {@link Limits}: asks the store, and decides without it when it must. */
export class LimitsRoom implements Limits {
  readonly name = 'limits';
  readonly policies: ReadonlyMap<string, Policy>;
  readonly #init: LimitsInit;
  readonly #desks = new Map<string, PolicyDesks>();
  readonly #queues: readonly AskQueue[];
  readonly #bans: Bans;
  readonly #attempts = new Map<string, Attempts>();
  #isDegraded = false;
  #isClosed = false;

  constructor(init: LimitsInit) {
    const { kernel, policies, store, local, stores } = init;
    this.#init = init;
    this.policies = new Map(policies.map((policy) => [policy.name, policy]));
    this.#queues = Array.from({ length: store.places ?? 1 }, () => new AskQueue(store));
    this.#bans = new Bans(kernel, init.bans);
    const office: Office = {
      kernel,
      local,
      duration: kernel.meter.histogram(limitsInstruments.duration),
      push: (asked, ask) => this.#push(asked, ask),
      forget: (rule, key, kind) => this.#forget(rule.id, key, kind),
      answered: () => {
        this.#isDegraded = false;
      },
      unanswered: (silent, cause) => this.#degrade(silent, cause),
    };
    for (const policy of policies)
      this.#desks.set(policy.name, new PolicyDesks(policy, stores?.get(policy.name) ?? store, office));
    for (const protection of init.protections ?? [])
      this.#attempts.set(protection.name, new Attempts(protection, store, office, this.#bans));
    store.onForgotten?.((counter) => this.#forget(counter?.id, counter?.key, counter?.kind));
  }

  policy(name: string): Policy {
    return this.#of(name).policy;
  }

  consume(policy: string, key: string, options: ConsumeOptions = {}): Promise<Decision> {
    const { cost = 1 } = options;
    return this.#promise('spend', policy, key, cost, options);
  }

  decide(
    policy: string,
    key: string,
    { cost = 1, tier, address }: ConsumeOptions = {},
  ): Decision | Promise<Decision> {
    return this.#decide('spend', policy, key, cost, tier, address);
  }

  peek(policy: string, key: string, options: ConsumeOptions = {}): Promise<Decision> {
    const { cost = 1 } = options;
    return this.#promise('peek', policy, key, cost, options);
  }

  penalize(policy: string, key: string, points: number, options: Signalled = {}): Promise<Decision> {
    return this.#promise('penalize', policy, key, points, options);
  }

  reward(policy: string, key: string, points: number, options: Signalled = {}): Promise<Decision> {
    return this.#promise('reward', policy, key, points, options);
  }

  reset(policy: string, key: string, { signal }: Signalled = {}): Promise<void> {
    const { desk } = this.#of(policy);
    checkKey(policy, key);
    if (this.#isClosed) return Promise.reject(new ClosedError('The limits room'));
    return signal?.aborted ? Promise.reject(signal.reason) : abortable(desk.reset(counterKey(key)), signal);
  }

  attempt(protection: string, subject: AttemptSubject): Promise<Attempt> {
    const attempts = this.#attempts.get(protection);
    if (attempts === undefined) throw new UnknownProtectionError(protection, this.#attempts.keys());
    checkKey(protection, subject.account);
    checkKey(protection, subject.address);
    if (this.#isClosed) return Promise.reject(new ClosedError('The limits room'));
    const { signal } = subject;
    return signal?.aborted ? Promise.reject(signal.reason) : abortable(attempts.begin(subject), signal);
  }

  async ban(subject: string, options: BanOptions = {}): Promise<void> {
    this.#checkOpen();
    await this.#bans.ban(subject, options);
  }

  async unban(subject: string, options: Signalled = {}): Promise<void> {
    this.#checkOpen();
    await this.#bans.unban(subject, options);
  }

  bans(): readonly Ban[] {
    return this.#bans.list();
  }

  banOf(address: string): Ban | undefined {
    const ban = this.#bans.around(address);
    return ban !== undefined && this.#init.allowedByAll?.has(address, address) ? undefined : ban;
  }

  limiter(policy: string): PolicyLimiter {
    const source: LimiterSource = {
      consume: (...call) => this.consume(...call),
      peek: (...call) => this.peek(...call),
      penalize: (...call) => this.penalize(...call),
      reward: (...call) => this.reward(...call),
      reset: (...call) => this.reset(...call),
      block: async (name, key, durationMs) => {
        checkKey(name, key);
        return this.#of(name).desk.decide('block', counterKey(key), Math.ceil(durationMs * 1_000));
      },
    };
    return this.#init.limiter(source, this.policy(policy));
  }

  async start(options?: Signalled): Promise<void> {
    await this.#init.store.start(options);
    await this.#bans.start(options);
  }

  async drain(): Promise<void> {}

  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.all([...this.#desks.values()].map((desk) => desk.close()));
    await this.#bans.close();
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

  #of(name: string): PolicyDesks {
    const desks = this.#desks.get(name);
    if (desks === undefined) throw new UnknownPolicyError(name, this.#desks.keys());
    return desks;
  }

  /** Of undefined: any counter may have room again. */
  #forget(rule: string | undefined, key: string | undefined, kind: AskKind | undefined): void {
    for (const desks of this.#desks.values())
      if (rule === undefined || desks.desk.rule.id === rule) desks.forget(key, kind);
    for (const attempts of this.#attempts.values()) attempts.forget(rule, key, kind);
  }

  #promise(
    kind: AskKind,
    policy: string,
    key: string,
    amount: number,
    { tier, address, signal }: ConsumeOptions,
  ): Promise<Decision> {
    if (!signal?.aborted) {
      const decision = this.#decide(kind, policy, key, amount, tier, address);
      return decision instanceof Promise ? abortable(decision, signal) : Promise.resolve(decision);
    }
    this.#check(policy, key, amount, tier);
    return Promise.reject(signal.reason);
  }

  #decide(
    kind: AskKind,
    policy: string,
    key: string,
    amount: number,
    tier: string | undefined,
    address: string | undefined,
  ): Decision | Promise<Decision> {
    const { desk, own } = this.#check(policy, key, amount, tier);
    if (this.#isClosed) return Promise.reject(new ClosedError('The limits room'));
    if (this.#init.allowed?.get(policy)?.has(key, address)) return own.exempt(kind, tier);
    if (kind === 'spend' || kind === 'peek') {
      const ban = this.#bans.refusal(own.policy, key, address);
      if (ban !== undefined && kind === 'spend') this.#bans.count(ban);
      if (ban !== undefined) return ban;
    }
    return desk === false ? own.exempt(kind, tier) : desk.decide(kind, counterKey(key), amount);
  }

  /** Throws what is wrong with a call; gives the desk of the policy, and the one that decides, if any does. */
  #check(policy: string, key: string, amount: number, tier: string | undefined) {
    const desks = this.#of(policy);
    const desk = desks.at(tier);
    if (!Number.isSafeInteger(amount) || amount < 1) throw new LimitCostError(policy, amount);
    checkKey(policy, key);
    return { desk, own: desks.desk };
  }

  #checkOpen(): void {
    if (this.#isClosed) throw new ClosedError('The limits room');
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
