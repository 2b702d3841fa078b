import { PandoError } from './errors.js';
import { nearestOf } from './nearest.js';

/*
 * What the limits room throws at once, and the door before it, which has routes of its own to check.
 */

/**
 * The policy has no tier of that name.
 *
 * Correct the name, to the nearest that the message gives, or add the tier to the policy.
 */
export class UnknownTierError extends PandoError {
  constructor(policy: string, tier: string, known: Iterable<string>) {
    const names = [...known];
    const nearest = nearestOf(tier, names);
    const list = names.length === 0 ? 'It has no tiers.' : `It has: ${names.join(', ')}.`;
    super({
      code: 'PANDO_LIMITS_TIER_UNKNOWN',
      message: `The limit policy "${policy}" has no tier "${tier}". ${nearest === undefined ? list : `Did you mean "${nearest}"?`}`,
    });
  }
}

/**
 * The cost of a call is not a whole number of at least 1.
 *
 * Round what you compute, and do not ask for what costs nothing.
 */
export class LimitCostError extends PandoError {
  constructor(policy: string, cost: unknown) {
    super({
      code: 'PANDO_LIMITS_COST',
      message: `The cost of a call under the limit policy "${policy}" must be a whole number of at least 1, got ${String(cost)}.`,
    });
  }
}

/**
 * A key is empty: everybody without one would share one limit.
 *
 * Find out who calls before asking, or name a key for strangers, such as their address.
 */
export class LimitKeyError extends PandoError {
  constructor(policy: string) {
    super({
      code: 'PANDO_LIMITS_KEY',
      message: `The key for the limit policy "${policy}" must be a non-empty string. Find out who calls before asking, or name a key for strangers.`,
    });
  }
}
