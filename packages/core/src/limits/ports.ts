import type { Signalled } from '../kernel/abort.js';

/** So much may be spent in so much time. */
export interface LimitWindow {
  /** What may be spent within one window. */
  readonly limit: number;
  readonly windowMs: number;
}

/**
 * What counts as one window.
 *
 * - `sliding`: the trailing window, in which what was spent in the period before this one counts for the part of it that is
 *   still within. Within a tenth of a window never more than 1.1 times the limit, rounded up.
 * - `strict`: never more than the limit in any stretch of time as long as the window; what was spent counts for up to a tenth
 *   longer.
 * - `fixed`: begins with the first call that fits, and ends after its length; twice the limit may pass around its end.
 * - `bucket`: refilled evenly, a limit's worth per window; one limit may pass at once, and what was refilled since.
 */
export type Algorithm = 'sliding' | 'strict' | 'fixed' | 'bucket';

/** How the counters of one policy count. */
export interface LimitRule {
  /** Names the counters, with the algorithm and each window's length: who changes one of these begins anew. */
  readonly id: string;
  readonly algorithm: Algorithm;
  /** All must have room for a call to pass. */
  readonly windows: readonly LimitWindow[];
  /** Whether instances hold parts of it: they hear of penalties, too. */
  readonly isLeased?: boolean | undefined;
}

/**
 * What can be asked of a counter.
 *
 * - `spend`: the amount in every window, or in none.
 * - `peek`: whether the amount would fit; nothing changes.
 * - `penalize`, `reward`: adds the amount whether it fits or not, or takes it away, down to nothing.
 * - `block`: refuses everything for the amount, in microseconds; 0 ends that.
 * - `reset`: forgets everything, a block too.
 * - `lend`: as `spend`, and more of what is left then, for this instance to spend without asking.
 * - `return`: gives back what was lent and not spent, to the periods that it was taken from; of a period that is over, nothing.
 */
export type AskKind = 'spend' | 'peek' | 'penalize' | 'reward' | 'block' | 'reset' | 'lend' | 'return';

/** One thing asked of one counter. */
export interface LimitAsk {
  readonly rule: LimitRule;
  /** Printable, and at most 64 characters. */
  readonly key: string;
  readonly kind: AskKind;
  /** A whole number. */
  readonly amount: number;
  /** Of a `lend`: how much more is wanted, at most; a whole number. */
  readonly wanted?: number | undefined;
  /** Of a `lend`: into how many parts what is left is divided, of which one may be had; at least 1. */
  readonly parts?: number | undefined;
  /** Of a `return`: when it was lent, as {@link Loan} tells. */
  readonly lentAt?: number | undefined;
}

/** What was lent: counted as spent by then, so nobody else can have it. */
export interface Loan {
  /** A whole number; 0 when there was too little left to divide. */
  readonly amount: number;
  /** The instant by the store's clock, in microseconds. */
  readonly lentAt: number;
  /** From when it was asked for, it may be spent for so long: after that it would no longer count as it should. */
  readonly forMs: number;
}

/** How a counter answered; where nothing was to be spent, whether the amount of a `peek`, or 1, would have fitted. */
export interface LimitVerdict {
  readonly fits: boolean;
  /** The place, in the rule, of the window that is nearest to refusing or that refuses for longest; `-1` while blocked. */
  readonly window: number;
  /** What that window has left. */
  readonly remaining: number;
  /** When that window's present period ends; when it does not fit, when to ask again. */
  readonly resetMs: number;
  /** Of a `lend` that fits. */
  readonly loan?: Loan | undefined;
}

/** A counter that was changed on demand: what it has said or lent may not hold any more. */
export interface ForgottenCounter {
  readonly id: LimitRule['id'];
  readonly key: string;
  /** What changed it, if that is known. */
  readonly kind?: AskKind | undefined;
}

/** Hears of a counter that was changed on demand or, of undefined, that any may have been. */
export type ForgottenListener = (forgotten: ForgottenCounter | undefined) => void;

/** Where counters live. */
export interface LimitStore extends AsyncDisposable {
  /** Named in decisions. */
  readonly source: 'redis' | 'memory' | 'store';
  /** Whether counting has a chance now; false is an answer without waiting. */
  readonly isUp: boolean;
  /** How many instances count together; at least 1. */
  readonly instances: number;
  /** Into how many places counters are divided: one call is about one place. @defaultValue `1` */
  readonly places?: number | undefined;
  /** The place of a counter, from 0. */
  placeOf?(rule: LimitRule, key: string): number;
  /** Opens what the store needs. Does not fail because a server is away. */
  start(options?: Signalled): Promise<void>;
  /**
   * Carries out several asks about one place, as if one after the other, and answers in their order.
   *
   * What fitted never sums up to more than the algorithm allows, however many ask at once. A cost that does not fit every
   * window is counted in none.
   *
   * Rejects within a bound when the outcome is not known: what was asked may have been done, or may yet be.
   */
  ask(asks: readonly LimitAsk[]): Promise<readonly LimitVerdict[]>;
  /** Hears what other instances reset, reward and block, and penalize where it is leased, as far as they can be heard. */
  onForgotten?(listener: ForgottenListener): void;
  /** Releases what the store opened. Idempotent. */
  close(): Promise<void>;
}

/** A store in this process: it answers at once. */
export interface LocalStore extends LimitStore {
  answer(ask: LimitAsk): LimitVerdict;
}

/** How a key stands with a limiter of rate-limiter-flexible. */
export interface LimiterResult {
  readonly remainingPoints: number;
  readonly consumedPoints: number;
  /** When the window ends or, after a refusal, when to ask again. */
  readonly msBeforeNext: number;
  readonly isFirstInDuration: boolean;
}

/** A limiter of rate-limiter-flexible, by its shape. Rejects with a {@link LimiterResult} when there is no room. */
export interface Limiter<Result extends LimiterResult = LimiterResult> {
  readonly keyPrefix: string;
  consume(key: string | number, points?: number): Promise<Result>;
  penalty(key: string | number, points?: number): Promise<Result>;
  reward(key: string | number, points?: number): Promise<Result>;
  get(key: string | number): Promise<Result | null>;
  set(key: string | number, points: number, secDuration: number): Promise<Result>;
  block(key: string | number, secDuration: number): Promise<Result>;
  delete(key: string | number): Promise<boolean>;
}

/** A policy as a limiter of rate-limiter-flexible: passes for one wherever that library takes one. */
export interface PolicyLimiter extends Limiter<LimiterResult & { toJSON(): LimiterResult }> {
  /** What the first window allows, and how many seconds it lasts. */
  readonly points: number;
  readonly duration: number;
  /** Always 0 and false; anything else throws. */
  blockDuration: number;
  execEvenly: boolean;
}
