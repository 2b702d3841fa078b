import type { Algorithm, LimitRule, LimitVerdict, LimitWindow } from './ports.js';

/** What a policy does while Redis is away: let everything pass, refuse everything, or count in this process alone. */
export type OnUnavailable = 'open' | 'closed' | 'local';

/** How an instance holds part of a policy's limits, to spend it without asking. */
export interface LeaseTerms {
  /** The part of this instance's equal share of what is left that it may be lent at once. */
  readonly shareRatio: number;
  /** How long that may be held before what is left of it goes back. */
  readonly forMs: number;
}

/** A policy as it was understood. */
export interface Policy {
  readonly name: string;
  /** All must have room for a call to pass. Where there are tiers, those of the first. */
  readonly windows: readonly LimitWindow[];
  /** The windows of each tier, the default first; `false` for one without limit. */
  readonly tiers?: ReadonlyMap<string, readonly LimitWindow[] | false> | undefined;
  readonly algorithm: Algorithm;
  readonly onUnavailable: OnUnavailable;
  /** Whether it counts and tells, and refuses nobody. */
  readonly shadow: boolean;
  /** Undefined: every call is asked about. */
  readonly lease?: LeaseTerms | undefined;
}

/** The outcome of {@link Limits.consume}. A refusal is a decision, not an error. */
export interface Decision {
  readonly allowed: boolean;
  readonly policy: string;
  /** As which it was decided, where the policy has tiers. */
  readonly tier?: string | undefined;
  /** Of the window that refused, or that is nearest to refusing. */
  readonly limit: number;
  /** How long that window is; absent where nothing was counted. */
  readonly windowMs?: number | undefined;
  /** What is left of that window. */
  readonly remaining: number;
  /** When the present period of that window ends; after a refusal, when to ask again. */
  readonly resetMs: number;
  /** When to ask again: there is room then unless others have spent it; 0 when it was allowed. */
  readonly retryAfterMs: number;
  /** Whether it passed only because the policy is a shadow. */
  readonly shadowed?: boolean | undefined;
  /**
   * Who decided: `redis`, `memory` or the policy's own `store` counted exactly; `lease` is part of what Redis has counted for
   * this instance before; `denied` is a refusal that was known to stand still, without asking; `exempt` stands on the allow
   * list, or has a tier without limit; `ban` is the refusal of who is banned; while Redis was away, `local` counted in this
   * process alone, `open` and `closed` did not count.
   * Answer a refusal by `closed` with 503, by `ban` with 403, any other with 429.
   */
  readonly source:
    | 'redis'
    | 'memory'
    | 'store'
    | 'lease'
    | 'denied'
    | 'exempt'
    | 'ban'
    | 'local'
    | 'open'
    | 'closed';
}

/** When to ask again while a policy refuses everything. */
const closedRetryMs = 1_000;

/** What no cost is above. */
const endless = Number.MAX_SAFE_INTEGER;

/** The windows that hold for a tier; those of the policy where that is undefined or has no limit. */
export function windowsOf({ windows, tiers }: Policy, tier: string | undefined): readonly LimitWindow[] {
  return (tier !== undefined && tiers?.get(tier)) || windows;
}

/**
 * The rule of a policy, whose counters are kept apart from those of any other.
 *
 * All tiers of a policy have the same counters, with the windows of every one of them: those that a tier does not have never
 * refuse it, but know what was spent when the plan is another one.
 */
export function ruleOf(policy: Policy, tier?: string): LimitRule {
  const { name, algorithm, tiers, lease } = policy;
  const own = windowsOf(policy, tier);
  const windows = tiers === undefined ? own : [...own, ...othersOf(tiers, own)].sort(byLength);
  const lengths = windows.map(({ windowMs }) => windowMs.toString(36));
  const id = `${name}:${algorithm}.${lengths.join('.')}`;
  return { id, algorithm, windows, isLeased: lease !== undefined };
}

function othersOf(tiers: NonNullable<Policy['tiers']>, own: readonly LimitWindow[]): readonly LimitWindow[] {
  const lengths = new Set([...tiers.values()].flatMap((each) => each || []).map(({ windowMs }) => windowMs));
  for (const { windowMs } of own) lengths.delete(windowMs);
  return [...lengths].map((windowMs) => ({ limit: endless, windowMs }));
}

const byLength = (a: LimitWindow, b: LimitWindow): number => a.windowMs - b.windowMs;

/** The same counters, of which this is one of several instances' part: each limit is divided, and rounded up. */
export function shareOf(rule: LimitRule, instances: number): LimitRule {
  const windows = rule.windows.map(({ limit, windowMs }) => ({
    limit: Math.ceil(limit / instances),
    windowMs,
  }));
  return { ...rule, windows };
}

/** What a counter counts. */
export interface Counted {
  readonly policy: Policy;
  readonly tier: string | undefined;
  readonly rule: LimitRule;
}

/** What a counter's answer means to who asked. */
export function decisionOf(
  { policy, tier, rule }: Counted,
  { fits, window, remaining, resetMs }: LimitVerdict,
  source: Decision['source'],
): Decision {
  const windows = window < 0 ? windowsOf(policy, tier) : rule.windows;
  const { limit, windowMs } = windows[Math.max(0, window)] as LimitWindow;
  const retryAfterMs = fits ? 0 : resetMs;
  return {
    allowed: fits,
    policy: policy.name,
    tier,
    limit,
    windowMs,
    remaining,
    resetMs,
    retryAfterMs,
    source,
  };
}

/** What is decided without counting. */
export function uncounted(
  policy: Policy,
  source: 'open' | 'closed' | 'exempt',
  tier: string | undefined,
): Decision {
  const { limit, windowMs } = windowsOf(policy, tier)[0] as LimitWindow;
  const common = { policy: policy.name, tier, limit, source };
  return source === 'closed'
    ? { allowed: false, ...common, remaining: 0, resetMs: closedRetryMs, retryAfterMs: closedRetryMs }
    : { allowed: true, ...common, remaining: limit, resetMs: windowMs, retryAfterMs: 0 };
}

/** The same of a policy that refuses nobody. */
export function shadowOf(decision: Decision): Decision {
  return decision.allowed ? decision : { ...decision, allowed: true, retryAfterMs: 0, shadowed: true };
}
