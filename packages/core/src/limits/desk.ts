import type { Kernel } from '../kernel/kernel.js';
import type { CounterCell, HistogramCell } from '../kernel/meter.js';
import type { QueuedAsk } from './ask-queue.js';
import { type Decision, decisionOf, type Policy, ruleOf, shareOf, uncounted } from './decision.js';
import { type Denial, Denials } from './denials.js';
import { limitsInstruments } from './metrics.js';
import type { AskKind, LimitRule, LimitStore, LimitVerdict, LocalStore } from './ports.js';

/** What desks share. */
export interface Office {
  readonly kernel: Kernel;
  readonly duration: HistogramCell;
  /** Counts while a store cannot. */
  readonly local: LocalStore;
  /** Hands an ask on to the store, with what others ask of it. */
  push(store: LimitStore, ask: QueuedAsk): void;
  /** The store has answered, or has not. */
  answered(): void;
  unanswered(store: LimitStore, cause: unknown): void;
}

/** One policy at work: its counters, what is known of them here, and its metrics. */
export class Desk {
  readonly policy: Policy;
  readonly rule: LimitRule;
  readonly #office: Office;
  readonly #store: LimitStore;
  /** Undefined where asking costs no more than remembering. */
  readonly #denials: Denials | undefined;
  readonly #allowed = new Map<Decision['source'], CounterCell>();
  readonly #refused = new Map<Decision['source'], CounterCell>();
  #share: { readonly instances: number; readonly rule: LimitRule } | undefined;

  constructor(policy: Policy, store: LimitStore, office: Office) {
    this.policy = policy;
    this.rule = ruleOf(policy);
    this.#office = office;
    this.#store = store;
    this.#denials = store.source === 'redis' ? new Denials() : undefined;
    const { meter } = office.kernel;
    for (const source of [store.source, policy.onUnavailable, 'denied'] as const) {
      if (source === 'denied' && this.#denials === undefined) continue;
      const bind = (outcome: string) =>
        meter.counter(limitsInstruments.decisions, { policy: policy.name, outcome, source });
      if (source !== 'closed' && source !== 'denied') this.#allowed.set(source, bind('allowed'));
      if (source !== 'open') this.#refused.set(source, bind('refused'));
    }
  }

  /** Decides, with the store or without. */
  decide(kind: AskKind, key: string, amount: number): Promise<Decision> {
    const since = this.#office.kernel.clock.monotonic();
    const isCall = kind === 'spend';
    const denial = isCall ? this.#denials?.find(key, amount, since) : undefined;
    if (denial !== undefined) return Promise.resolve(this.#denied(denial, since));
    if (this.#store === this.#office.local) {
      const verdict = this.#office.local.answer({ rule: this.rule, key, kind, amount });
      return Promise.resolve(this.#told(verdict, 'memory', isCall, since));
    }
    if (!this.#store.isUp) {
      this.#office.unanswered(this.#store, undefined);
      return Promise.resolve(this.#without(kind, key, amount, since));
    }
    return new Promise((resolve) => {
      this.#office.push(this.#store, new Question(this, kind, key, amount, since, this.generation, resolve));
    });
  }

  /** Resets the counter; rejects where the store cannot. */
  async reset(key: string): Promise<void> {
    const ask = { rule: this.rule, key, kind: 'reset', amount: 0 } as const;
    this.#office.local.answer(ask);
    if (this.#store !== this.#office.local) await this.#store.ask([ask]);
    this.forget(key);
  }

  get generation(): number {
    return this.#denials?.generation ?? 0;
  }

  /** Somebody made room; of undefined: somebody may have. */
  forget(key: string | undefined): void {
    if (key === undefined) this.#denials?.clear();
    else this.#denials?.forget(key);
  }

  /** The store has answered. */
  settle({ kind, key, amount, since, generation }: Question, verdict: LimitVerdict): Decision {
    this.#office.answered();
    const isCall = kind === 'spend';
    if (isCall && !verdict.fits) {
      // What was forgotten meanwhile may have been forgotten for this key, after the store refused.
      if (generation === this.generation) this.#denials?.add(key, amount, verdict, since);
    } else if (!isCall && kind !== 'peek') {
      this.forget(key);
    }
    return this.#told(verdict, this.#store.source, isCall, since);
  }

  /** The store cannot tell. */
  despair({ kind, key, amount, since }: Question, cause: unknown): Decision {
    this.#office.unanswered(this.#store, cause);
    return this.#without(kind, key, amount, since);
  }

  #denied({ retryAt, verdict }: Denial, now: number): Decision {
    const resetMs = Math.max(1, Math.ceil(retryAt - now));
    return this.#record(decisionOf(this.policy.name, this.rule, { ...verdict, resetMs }, 'denied'), now);
  }

  #told(verdict: LimitVerdict, source: Decision['source'], isCall: boolean, since: number): Decision {
    const decision = decisionOf(this.policy.name, this.rule, verdict, source);
    return isCall ? this.#record(decision, since) : decision;
  }

  /** Decides as the policy says while Redis is away. */
  #without(kind: AskKind, key: string, amount: number, since: number): Decision {
    const { name, onUnavailable } = this.policy;
    if (onUnavailable !== 'local') {
      const decision = uncounted(this.policy, onUnavailable);
      return kind === 'spend' ? this.#record(decision, since) : decision;
    }
    const rule = this.#shared(this.#store.instances);
    const verdict = this.#office.local.answer({ rule, key, kind, amount });
    const decision = decisionOf(name, rule, verdict, 'local');
    return kind === 'spend' ? this.#record(decision, since) : decision;
  }

  #shared(instances: number): LimitRule {
    if (this.#share?.instances !== instances)
      this.#share = { instances, rule: shareOf(this.rule, instances) };
    return this.#share.rule;
  }

  #record(decision: Decision, since: number): Decision {
    const { duration, kernel } = this.#office;
    duration.record((kernel.clock.monotonic() - since) / 1_000);
    (decision.allowed ? this.#allowed : this.#refused).get(decision.source)?.add();
    return decision;
  }
}

/** One ask on its way. */
class Question implements QueuedAsk {
  readonly rule: LimitRule;
  readonly kind: AskKind;
  readonly key: string;
  readonly amount: number;
  readonly since: number;
  readonly generation: number;
  readonly #desk: Desk;
  readonly #resolve: (decision: Decision) => void;

  constructor(
    desk: Desk,
    kind: AskKind,
    key: string,
    amount: number,
    since: number,
    generation: number,
    resolve: (decision: Decision) => void,
  ) {
    this.rule = desk.rule;
    this.kind = kind;
    this.key = key;
    this.amount = amount;
    this.since = since;
    this.generation = generation;
    this.#desk = desk;
    this.#resolve = resolve;
  }

  succeed(verdict: LimitVerdict): void {
    this.#resolve(this.#desk.settle(this, verdict));
  }

  fail(cause: unknown): void {
    this.#resolve(this.#desk.despair(this, cause));
  }
}
