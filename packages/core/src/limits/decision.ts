import type { Algorithm, LimitRule, LimitVerdict, LimitWindow } from './ports.js';

/** What a policy does while Redis is away: let everything pass, refuse everything, or count in this process alone. */
export type OnUnavailable = 'open' | 'closed' | 'local';

/** A policy as it was understood. */
export interface Policy {
  readonly name: string;
  /** All must have room for a call to pass. */
  readonly windows: readonly LimitWindow[];
  readonly algorithm: Algorithm;
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
  /** When the present period of that window ends; after a refusal, when to ask again. */
  readonly resetMs: number;
  /** When to ask again: there is room then unless others have spent it; 0 when it was allowed. */
  readonly retryAfterMs: number;
  /**
   * Who decided: `redis`, `memory` or the policy's own `store` counted exactly; `denied` is a refusal that was known to stand
   * still, without asking; while Redis was away, `local` counted in this process alone, `open` and `closed` did not count.
   * Answer a refusal by `closed` with 503, any other with 429.
   */
  readonly source: 'redis' | 'memory' | 'store' | 'denied' | 'local' | 'open' | 'closed';
}

/** When to ask again while a policy refuses everything. */
const closedRetryMs = 1_000;

/** The rule of a policy, whose counters are kept apart from those of any other. */
export function ruleOf({ name, algorithm, windows }: Policy): LimitRule {
  const lengths = windows.map(({ windowMs }) => windowMs.toString(36));
  return { id: `${name}:${algorithm}.${lengths.join('.')}`, algorithm, windows };
}

/** The same counters, of which this is one of several instances' part: each limit is divided, and rounded up. */
export function shareOf(rule: LimitRule, instances: number): LimitRule {
  const windows = rule.windows.map(({ limit, windowMs }) => ({
    limit: Math.ceil(limit / instances),
    windowMs,
  }));
  return { ...rule, windows };
}

/** What a counter's answer means to who asked. */
export function decisionOf(
  policy: string,
  rule: LimitRule,
  { fits, window, remaining, resetMs }: LimitVerdict,
  source: Decision['source'],
): Decision {
  const { limit } = rule.windows[Math.max(0, window)] as LimitWindow;
  return { allowed: fits, policy, limit, remaining, resetMs, retryAfterMs: fits ? 0 : resetMs, source };
}

/** What is decided without counting. */
export function uncounted({ name, windows }: Policy, source: 'open' | 'closed'): Decision {
  const { limit, windowMs } = windows[0] as LimitWindow;
  const common = { policy: name, limit, source };
  return source === 'open'
    ? { allowed: true, ...common, remaining: limit, resetMs: windowMs, retryAfterMs: 0 }
    : { allowed: false, ...common, remaining: 0, resetMs: closedRetryMs, retryAfterMs: closedRetryMs };
}
