import type { Kernel } from '../kernel/kernel.js';
import type { CounterCell, HistogramCell } from '../kernel/meter.js';
import type { QueuedAsk } from './ask-queue.js';
import {
  type Counted,
  type Decision,
  decisionOf,
  type Policy,
  ruleOf,
  shadowOf,
  shareOf,
  uncounted,
} from './decision.js';
import { type Denial, Denials } from './denials.js';
import { Leases } from './leases.js';
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
  /** Somebody changed the counter of a key in this way: every desk of its policy has to hear. */
  forget(rule: LimitRule, key: string, kind: AskKind): void;
  /** The store has answered, or has not. */
  answered(): void;
  unanswered(store: LimitStore, cause: unknown): void;
}

/** One policy at work, or one tier of it: its counters, what is known of them here, and its metrics. */
export class Desk implements Counted {
  readonly policy: Policy;
  readonly tier: string | undefined;
  readonly rule: LimitRule;
  readonly #office: Office;
  readonly #store: LimitStore;
  /** Undefined where asking costs no more than remembering. */
  readonly #denials: Denials | undefined;
  readonly #leases: Leases | undefined;
  readonly #allowed = new Map<Decision['source'], CounterCell>();
  readonly #refused = new Map<Decision['source'], CounterCell>();
  #share: { readonly instances: number; readonly rule: LimitRule } | undefined;

  constructor(policy: Policy, store: LimitStore, office: Office, tier?: string) {
    this.policy = policy;
    this.tier = tier;
    this.rule = ruleOf(policy, tier);
    this.#office = office;
    this.#store = store;
    this.#denials = store.source === 'redis' ? new Denials(policy.lease?.forMs) : undefined;
    this.#leases = this.#leasesOf(policy);
    const { meter } = office.kernel;
    for (const source of [store.source, policy.onUnavailable, 'denied', 'lease'] as const) {
      if (source === 'denied' && this.#denials === undefined) continue;
      if (source === 'lease' && this.#leases === undefined) continue;
      const bind = (outcome: string) =>
        meter.counter(limitsInstruments.decisions, { policy: policy.name, outcome, source });
      if (source !== 'closed' && source !== 'denied') this.#allowed.set(source, bind('allowed'));
      if (source !== 'open' && source !== 'lease')
        this.#refused.set(source, bind(policy.shadow ? 'shadowed' : 'refused'));
    }
  }

  /** Decides, with the store or without; at once where that does not have to be asked. */
  decide(kind: AskKind, key: string, amount: number): Decision | Promise<Decision> {
    const since = this.#office.kernel.clock.monotonic();
    const isCall = kind === 'spend';
    const held = isCall ? this.#leases?.spend(key, amount, since) : undefined;
    if (held !== undefined) return this.#told(held, 'lease', isCall, since);
    const denial = isCall ? this.#denials?.find(key, amount, since) : undefined;
    if (denial !== undefined) return this.#denied(denial, since);
    if (this.#store === this.#office.local) {
      const verdict = this.#office.local.answer({ rule: this.rule, key, kind, amount });
      return this.#told(verdict, 'memory', isCall, since);
    }
    if (!this.#store.isUp) {
      this.#office.unanswered(this.#store, undefined);
      return this.#without(kind, key, amount, since);
    }
    if (kind === 'penalize' || kind === 'block') this.#office.forget(this.rule, key, kind);
    return new Promise((resolve) => {
      const question = new Question(this, kind, key, amount, since, this.generation, resolve);
      if (isCall && this.#leases !== undefined) this.#leases.ask(question);
      else this.#office.push(this.#store, question);
    });
  }

  /** The refusal that a call meets, where that is known without asking. */
  denial(key: string): Decision | undefined {
    const since = this.#office.kernel.clock.monotonic();
    const denial = this.#denials?.find(key, 1, since);
    return denial && this.#denied(denial, since);
  }

  /** Decides without counting, for who stands above the policy. */
  exempt(kind: AskKind, tier: string | undefined): Decision {
    const { clock, meter } = this.#office.kernel;
    const since = clock.monotonic();
    if (!this.#allowed.has('exempt')) {
      const labels = { policy: this.policy.name, outcome: 'allowed', source: 'exempt' };
      this.#allowed.set('exempt', meter.counter(limitsInstruments.decisions, labels));
    }
    return this.#finish(uncounted(this.policy, 'exempt', tier ?? this.tier), kind === 'spend', since);
  }

  /** Resets the counter; rejects where the store cannot. */
  async reset(key: string): Promise<void> {
    const ask = { rule: this.rule, key, kind: 'reset', amount: 0 } as const;
    this.#office.local.answer(ask);
    this.#office.forget(this.rule, key, 'reset');
    if (this.#store !== this.#office.local) await this.#store.ask([ask]);
    this.#office.forget(this.rule, key, 'reset');
  }

  /** Gives back what was lent. */
  async close(): Promise<void> {
    await this.#leases?.close();
  }

  get generation(): number {
    return this.#denials?.generation ?? 0;
  }

  /** Somebody changed the counter in this way; of undefined: somebody may have. */
  forget(key: string | undefined, kind: AskKind | undefined): void {
    this.#leases?.forget(key, kind);
    if (key === undefined) this.#denials?.clear();
    else this.#denials?.forget(key);
  }

  /** The store has answered. */
  settle({ kind, key, amount, since, generation }: Question, verdict: LimitVerdict): Decision {
    this.#office.answered();
    const isCall = kind === 'spend';
    if (isCall && !verdict.fits) {
      // What is lacking there may be what was lent to this instance meanwhile.
      const held = this.#leases?.spend(key, amount, this.#office.kernel.clock.monotonic());
      if (held !== undefined) return this.#told(held, 'lease', isCall, since);
      // What was forgotten meanwhile may have been forgotten for this key, after the store refused.
      if (generation === this.generation) this.#denials?.add(key, amount, verdict, since);
    } else if (!isCall && kind !== 'peek') {
      this.#office.forget(this.rule, key, kind);
    }
    return this.#told(verdict, this.#store.source, isCall, since);
  }

  /** The store cannot tell. */
  despair({ kind, key, amount, since }: Question, cause: unknown): Decision {
    this.#office.unanswered(this.#store, cause);
    return this.#without(kind, key, amount, since);
  }

  /** Answers a call that waited for another's answer, with what is known here by now. */
  #answerHere(call: Question): boolean {
    const { key, amount, since } = call;
    const now = this.#office.kernel.clock.monotonic();
    const held = this.#leases?.spend(key, amount, now);
    const denial = held === undefined ? this.#denials?.find(key, amount, now) : undefined;
    if (held !== undefined) call.answer(this.#told(held, 'lease', true, since));
    else if (denial !== undefined) call.answer(this.#denied(denial, now, since));
    else return false;
    return true;
  }

  #leasesOf({ lease: terms }: Policy): Leases | undefined {
    const store = this.#store;
    if (terms === undefined || store.source !== 'redis') return undefined; // elsewhere, asking costs no more than holding
    return new Leases({
      rule: this.rule,
      terms,
      clock: this.#office.kernel.clock,
      instances: () => store.instances,
      push: (ask) => this.#office.push(store, ask),
      answerHere: (call) => this.#answerHere(call as Question),
    });
  }

  #denied({ retryAt, verdict }: Denial, now: number, since = now): Decision {
    const resetMs = Math.max(1, Math.ceil(retryAt - now));
    return this.#finish(decisionOf(this, { ...verdict, resetMs }, 'denied'), true, since);
  }

  #told(verdict: LimitVerdict, source: Decision['source'], isCall: boolean, since: number): Decision {
    return this.#finish(decisionOf(this, verdict, source), isCall, since);
  }

  /** Decides as the policy says while Redis is away. */
  #without(kind: AskKind, key: string, amount: number, since: number): Decision {
    const { policy, tier } = this;
    const isCall = kind === 'spend';
    if (policy.onUnavailable !== 'local') {
      return this.#finish(uncounted(policy, policy.onUnavailable, tier), isCall, since);
    }
    const rule = this.#shared(this.#store.instances);
    const verdict = this.#office.local.answer({ rule, key, kind, amount });
    return this.#finish(decisionOf({ policy, tier, rule }, verdict, 'local'), isCall, since);
  }

  #shared(instances: number): LimitRule {
    if (this.#share?.instances !== instances)
      this.#share = { instances, rule: shareOf(this.rule, instances) };
    return this.#share.rule;
  }

  /** Records a call; what a shadow would have refused passes. */
  #finish(decision: Decision, isCall: boolean, since: number): Decision {
    if (isCall) {
      const { duration, kernel } = this.#office;
      duration.record((kernel.clock.monotonic() - since) / 1_000);
      (decision.allowed ? this.#allowed : this.#refused).get(decision.source)?.add();
    }
    return this.policy.shadow ? shadowOf(decision) : decision;
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

  answer(decision: Decision): void {
    this.#resolve(decision);
  }
}
