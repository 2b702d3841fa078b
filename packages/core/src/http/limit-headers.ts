import type { Decision, Policy } from '../limits/index.js';
import type { Exchange } from './exchange.js';

/**
 * How answers tell of limits: `RateLimit` and `RateLimit-Policy` as in draft-ietf-httpapi-ratelimit-headers, the older
 * `X-RateLimit-Limit`, `X-RateLimit-Remaining` and `X-RateLimit-Reset` (epoch seconds), both, or not at all.
 */
export type LimitHeaders = 'draft' | 'legacy' | 'both' | false;

/** The headers that tell of limits. */
export const limitHeaderNames = Object.freeze([
  'ratelimit',
  'ratelimit-policy',
  'retry-after',
  'x-ratelimit-limit',
  'x-ratelimit-remaining',
  'x-ratelimit-reset',
]);

/** Decisions that say nothing about a counter. */
const silent: ReadonlySet<Decision['source']> = new Set(['open', 'closed', 'exempt']);

/** Writes what is left of a limit into the headers of answers. */
export class LimitHeaderWriter {
  readonly #isDraft: boolean;
  readonly #isLegacy: boolean;
  /** By policy and tier. */
  readonly #quotas = new Map<Policy, Map<string | undefined, Quotas>>();

  constructor(form: LimitHeaders) {
    this.#isDraft = form === 'draft' || form === 'both';
    this.#isLegacy = form === 'legacy' || form === 'both';
  }

  /** `nowAt` is the present instant. */
  write(exchange: Exchange, policy: Policy, decision: Decision, nowAt: number): void {
    if (policy.shadow || silent.has(decision.source)) return;
    const { limit, remaining, resetMs } = decision;
    if (this.#isDraft) {
      const { text, beginnings } = this.#quotasOf(policy, decision.tier);
      const beginning = beginnings.get(decision.windowMs) ?? beginnings.values().next().value;
      exchange.setAnswerHeader('ratelimit-policy', text);
      exchange.setAnswerHeader('ratelimit', `${beginning}${remaining};t=${Math.ceil(resetMs / 1_000)}`);
    }
    if (this.#isLegacy) {
      exchange.setAnswerHeader('x-ratelimit-limit', String(limit));
      exchange.setAnswerHeader('x-ratelimit-remaining', String(remaining));
      exchange.setAnswerHeader('x-ratelimit-reset', String(Math.ceil((nowAt + resetMs) / 1_000)));
    }
  }

  #quotasOf(policy: Policy, tier: string | undefined): Quotas {
    let byTier = this.#quotas.get(policy);
    if (byTier === undefined) {
      byTier = new Map();
      this.#quotas.set(policy, byTier);
    }
    let quotas = byTier.get(tier);
    if (quotas === undefined) {
      quotas = quotasOf(policy, tier);
      byTier.set(tier, quotas);
    }
    return quotas;
  }
}

/** What the headers say of a policy, or of a tier of it, whatever is left. */
interface Quotas {
  readonly text: string;
  /** What comes before the number of what is left, by the length of the window that it is about. */
  readonly beginnings: ReadonlyMap<number | undefined, string>;
}

function quotasOf(policy: Policy, tier: string | undefined): Quotas {
  const windows = windowsOf(policy, tier);
  const names = windows.map((_window, index) => `"${quotaName(policy, tier, index)}"`);
  const texts = windows.map(
    ({ limit, windowMs }, index) => `${names[index]};q=${limit};w=${Math.ceil(windowMs / 1_000)}`,
  );
  return {
    text: texts.join(', '),
    beginnings: new Map(windows.map(({ windowMs }, index) => [windowMs, `${names[index]};r=`])),
  };
}

/** The name of the window that a decision is about: each is a quota of its own in the headers. */
export function quotaOf(policy: Policy, { tier, windowMs }: Decision): string {
  const index = windowsOf(policy, tier).findIndex((window) => window.windowMs === windowMs);
  return quotaName(policy, tier, Math.max(0, index));
}

function quotaName(policy: Policy, tier: string | undefined, index: number): string {
  const name = tier === undefined ? policy.name : `${policy.name}-${tier}`;
  return windowsOf(policy, tier).length === 1 ? name : `${name}-${index + 1}`;
}

function windowsOf({ windows, tiers }: Policy, tier: string | undefined): Policy['windows'] {
  return (tier !== undefined && tiers?.get(tier)) || windows;
}
