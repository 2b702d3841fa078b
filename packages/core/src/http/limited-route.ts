import type { Policy } from '../limits/index.js';
import { LimitAnswerError } from './errors.js';
import { isCost, type LimitKey, type LimitOptions } from './limit-options.js';

/** Whom and what a limit counts. */
export interface LimitSubject {
  /** As it is counted, type included; undefined is the client's address. */
  readonly key: string | undefined;
  readonly cost: number;
  readonly tier: string | undefined;
  /** Why one of these is not what the route wanted it to be. */
  readonly failure: Failure | undefined;
}

/** What a route's functions have done wrong. */
export interface Failure {
  readonly cause: unknown;
  /** Whether they have answered with what is no key, cost or tier: clients may have brought that about. */
  readonly isWrongAnswer: boolean;
}

/** One policy at one route: what the route says of whom it limits. */
export class LimitedRoute<Request = unknown> {
  readonly policy: Policy;
  /** Whether requests are asked: the application has to have found out first who sends them. */
  readonly asks: boolean;
  readonly #key: LimitOptions<Request>['key'];
  readonly #cost: LimitOptions<Request>['cost'];
  readonly #tier: LimitOptions<Request>['tier'];
  /** What holds for all requests as far as they are not asked. */
  readonly #common: LimitSubject;

  /** The options have been checked. */
  constructor(policy: Policy, options: LimitOptions<Request>) {
    const { key, cost = 1, tier } = options;
    this.policy = policy;
    this.asks = [key, cost, tier].some((option) => typeof option === 'function');
    this.#key = key;
    this.#cost = cost;
    this.#tier = tier;
    this.#common = {
      key: undefined,
      cost: typeof cost === 'number' ? cost : 1,
      tier: typeof tier === 'string' ? tier : undefined,
      failure: undefined,
    };
  }

  /** Whom to count for a request; never rejects. */
  subjectOf(request: Request): LimitSubject | Promise<LimitSubject> {
    return this.asks ? this.#ask(request) : this.#common;
  }

  async #ask(request: Request): Promise<LimitSubject> {
    let { key, cost, tier, failure } = this.#common;
    try {
      key = keyText(this.policy.name, await this.#key?.(request));
    } catch (cause) {
      failure = failureOf(cause, failure);
    }
    try {
      if (typeof this.#tier === 'function') tier = tierOf(this.policy, await this.#tier(request));
    } catch (cause) {
      failure = failureOf(cause, failure);
    }
    try {
      if (typeof this.#cost === 'function') cost = costOf(this.policy, await this.#cost(request));
    } catch (cause) {
      failure = failureOf(cause, failure);
    }
    return { key, cost, tier, failure };
  }
}

/** A function that failed counts before one that has answered. */
function failureOf(cause: unknown, earlier: Failure | undefined): Failure {
  if (earlier?.isWrongAnswer === false) return earlier;
  return { cause, isWrongAnswer: cause instanceof LimitAnswerError };
}

function tierOf({ name, tiers }: Policy, tier: string | undefined): string | undefined {
  if (tier !== undefined && !tiers?.has(tier)) throw new LimitAnswerError(name, 'tier', tier);
  return tier;
}

function costOf({ name }: Policy, cost: unknown): number {
  if (!isCost(cost)) throw new LimitAnswerError(name, 'cost', cost);
  return cost;
}

/** Types that nobody else may name: addresses, and plain names. */
const ownTypes: ReadonlySet<string> = new Set(['ip', 'key']);
const type = /^[A-Za-z][A-Za-z0-9_-]*$/;

/** The key as text from which its parts can be told: no two keys have the same. */
export function keyText(policy: string, key: LimitKey | undefined): string | undefined {
  if (key === undefined) return undefined;
  if (typeof key === 'string') {
    if (key === '') throw new LimitAnswerError(policy, 'key', key);
    return `key:${key}`;
  }
  if (typeof key !== 'object') throw new LimitAnswerError(policy, 'key', key);
  let text: string | undefined;
  for (const name in key) {
    const value = key[name];
    if (value === undefined) continue;
    if (typeof value !== 'string' || value === '' || ownTypes.has(name) || !type.test(name))
      throw new LimitAnswerError(policy, 'key', name);
    const part = `${name}:${/[%,]/.test(value) ? value.replace(/[%,]/g, encodeURIComponent) : value}`;
    text = text === undefined ? part : `${text},${part}`;
  }
  return text;
}
