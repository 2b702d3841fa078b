import type { Clock } from '../kernel/clock.js';
import type { QueuedAsk } from './ask-queue.js';
import type { LeaseTerms } from './decision.js';
import { Lease, type LeaseCall } from './lease.js';
import type { AskKind, LimitRule, LimitVerdict } from './ports.js';

/** Keys of one policy that are watched for whether it pays to lease; what comes after is asked about call by call. */
const maxLeases = 10_000;

/** What leases stand on. */
export interface LeasesInit {
  readonly rule: LimitRule;
  readonly terms: LeaseTerms;
  readonly clock: Clock;
  /** How many instances share the limit now. */
  instances(): number;
  /** Hands an ask on to the store. */
  push(ask: QueuedAsk): void;
  /** Answers a call by what is known here by now; false if that is not enough. */
  answerHere(call: LeaseCall): boolean;
}

/**
 * What this instance was lent of one policy's limits, to spend without asking.
 *
 * What is lent counts as spent already, so instances together never spend more than the limit. A key that is asked for often
 * gets what it will need until the lease ends, but never more than this instance's share of what is left; one that is asked
 * for seldom gets nothing, and is counted call by call. What is left at the end of a lease goes back.
 */
export class Leases {
  readonly #init: LeasesInit;
  readonly #leases = new Map<string, Lease>();
  readonly #sweep = () => this.#giveBackEnded();
  #timer: Disposable | undefined;
  #isClosed = false;

  constructor(init: LeasesInit) {
    this.#init = init;
  }

  /** Spends of what is held; undefined if that is not enough. */
  spend(key: string, cost: number, now: number): LimitVerdict | undefined {
    return this.#leases.get(key)?.spend(cost, now);
  }

  /** Asks the store about a call, and for what those behind it will need. */
  ask(call: LeaseCall): void {
    const lease = this.#leases.get(call.key);
    if (lease === undefined) {
      this.#watch(call);
      this.#init.push(call);
    } else if (lease.isAsking) {
      lease.waiting.push(call);
    } else {
      this.#borrow(lease, call);
    }
  }

  /** Somebody has changed the counter or, of undefined, may have changed any. */
  forget(key: string | undefined, kind: AskKind | undefined): void {
    if (kind === 'reward') return; // what is held stays right
    if (key === undefined) {
      for (const lease of this.#leases.values()) this.#end(lease, true);
      return;
    }
    const lease = this.#leases.get(key);
    // What a reset has forgotten is not there to be given back to: neither what is held, nor what is on its way.
    if (lease !== undefined) this.#end(lease, kind !== 'reset');
  }

  /** Gives everything back; resolves when the store has it, or cannot be told. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#timer?.[Symbol.dispose]();
    const returned = [...this.#leases.values()].map(
      (lease) =>
        new Promise<void>((done) => {
          lease.isOver = true;
          if (lease.isAsking) lease.returned = done;
          else this.#giveBack(lease, done);
        }),
    );
    this.#leases.clear();
    await Promise.all(returned);
  }

  #watch({ key, since }: LeaseCall): void {
    if (this.#leases.size >= maxLeases || this.#isClosed) return;
    this.#leases.set(key, new Lease(key, since));
    this.#timer ??= this.#init.clock.after(this.#init.terms.forMs / 2, this.#sweep);
  }

  #borrow(lease: Lease, call: LeaseCall): void {
    const { terms, rule, instances, push } = this.#init;
    this.#giveBack(lease);
    const wanted = terms.shareRatio > 0 ? lease.demand(call, terms.forMs) : 0;
    if (wanted === 0) {
      push(call);
      return;
    }
    lease.isAsking = true;
    push(new Lend(this, lease, call, rule, wanted, instances() / terms.shareRatio));
  }

  /** The store has answered what a lease was asked with, or has failed to. */
  answered(lease: Lease, call: LeaseCall, verdict: LimitVerdict): void {
    const { clock, terms } = this.#init;
    lease.isAsking = false;
    const waiting = lease.takeWaiting();
    if (!lease.isForgotten) lease.take(verdict, call.since, clock.monotonic(), terms.forMs);
    if (lease.isOver) this.#giveBack(lease, lease.returned);
    const { loan, remaining } = verdict;
    call.succeed(loan === undefined ? verdict : { ...verdict, remaining: remaining + loan.amount });
    // Each waits for one answer more at most: only the last asks for others, too, and only for what is left then.
    let last: LeaseCall | undefined;
    for (const each of waiting) {
      if (this.#init.answerHere(each)) continue;
      if (last !== undefined) {
        lease.note(last.amount);
        this.#init.push(last);
      }
      last = each;
    }
    if (last === undefined) return;
    if (lease.isOver || lease.isAsking) this.#init.push(last);
    else this.#borrow(lease, last);
  }

  failed(lease: Lease, call: LeaseCall, cause: unknown): void {
    lease.isAsking = false;
    call.fail(cause);
    for (const each of lease.takeWaiting()) each.fail(cause);
    lease.returned?.();
  }

  #end(lease: Lease, gives: boolean): void {
    this.#leases.delete(lease.key);
    lease.isOver = true;
    lease.isForgotten = !gives;
    if (gives) this.#giveBack(lease);
    else lease.drop();
  }

  #giveBack(lease: Lease, done?: () => void): void {
    const { lentAt } = lease;
    const amount = lease.drop();
    if (amount > 0) this.#init.push(new Return(this.#init.rule, lease.key, amount, lentAt, done));
    else done?.();
  }

  #giveBackEnded(): void {
    const { clock, terms } = this.#init;
    const now = clock.monotonic();
    for (const lease of this.#leases.values()) {
      if (lease.isAsking || lease.endsAt > now) continue;
      this.#giveBack(lease);
      if (lease.askedAt + 2 * terms.forMs <= now) this.#leases.delete(lease.key);
    }
    this.#timer = this.#leases.size > 0 ? clock.after(terms.forMs / 2, this.#sweep) : undefined;
  }
}

/** Asks for a call, and for more. */
class Lend implements QueuedAsk {
  readonly kind = 'lend';
  readonly rule: LimitRule;
  readonly wanted: number;
  readonly parts: number;
  readonly #leases: Leases;
  readonly #lease: Lease;
  readonly #call: LeaseCall;

  constructor(leases: Leases, lease: Lease, call: LeaseCall, rule: LimitRule, wanted: number, parts: number) {
    this.rule = rule;
    this.wanted = wanted;
    this.parts = parts;
    this.#leases = leases;
    this.#lease = lease;
    this.#call = call;
  }

  get key(): string {
    return this.#call.key;
  }

  get amount(): number {
    return this.#call.amount;
  }

  succeed(verdict: LimitVerdict): void {
    this.#leases.answered(this.#lease, this.#call, verdict);
  }

  fail(cause: unknown): void {
    this.#leases.failed(this.#lease, this.#call, cause);
  }
}

/** Gives back what was lent. What does not arrive stays counted as spent. */
class Return implements QueuedAsk {
  readonly kind = 'return';
  readonly rule: LimitRule;
  readonly key: string;
  readonly amount: number;
  readonly lentAt: number;
  readonly #done: (() => void) | undefined;

  constructor(rule: LimitRule, key: string, amount: number, lentAt: number, done: (() => void) | undefined) {
    this.rule = rule;
    this.key = key;
    this.amount = amount;
    this.lentAt = lentAt;
    this.#done = done;
  }

  succeed(): void {
    this.#done?.();
  }

  fail(): void {
    this.#done?.();
  }
}
