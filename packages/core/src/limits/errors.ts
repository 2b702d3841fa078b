import { PandoError } from '../kernel/errors.js';
import { nearestOf } from '../kernel/nearest.js';

/**
 * There is no policy of that name in `limits.policies`. Thrown at once; adapters throw it when the route is set up.
 *
 * Correct the name, to the nearest that the message gives, or add the policy.
 */
export class UnknownPolicyError extends PandoError {
  constructor(name: string, known: Iterable<string>) {
    const names = [...known];
    const nearest = nearestOf(name, names);
    const list = names.length === 0 ? 'There are none' : `There are: ${names.sort().join(', ')}`;
    const hint = nearest === undefined ? `${list}. Add it to limits.policies.` : `Did you mean "${nearest}"?`;
    super({
      code: 'PANDO_LIMITS_POLICY_UNKNOWN',
      message: `There is no limit policy "${name}". ${hint}`,
    });
  }
}

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

/**
 * A limiter of `limits.limiter()` was asked for what it cannot do as rate-limiter-flexible's own do.
 *
 * Say it in the policy, or take the call that the message names.
 */
export class LimiterOptionError extends PandoError {
  constructor(policy: string, option: string, advice: string) {
    super({
      code: 'PANDO_LIMITS_LIMITER_OPTION',
      message: `The limiter of the policy "${policy}" cannot take that ${option}. ${advice}`,
    });
  }
}

/**
 * There is no protection of that name in `limits.protections`.
 *
 * Correct the name, to the nearest that the message gives, or add the protection.
 */
export class UnknownProtectionError extends PandoError {
  constructor(name: string, known: Iterable<string>) {
    const names = [...known];
    const nearest = nearestOf(name, names);
    const list = names.length === 0 ? 'There are none' : `There are: ${names.sort().join(', ')}`;
    const hint =
      nearest === undefined ? `${list}. Add it to limits.protections.` : `Did you mean "${nearest}"?`;
    super({
      code: 'PANDO_LIMITS_PROTECTION_UNKNOWN',
      message: `There is no protection "${name}". ${hint}`,
    });
  }
}

/**
 * A ban cannot be meant: its subject is empty or too long, or its duration is none.
 *
 * Ban a key as it is counted, an address, or a network; leave `forMs` out for a ban until further notice.
 */
export class BanError extends PandoError {
  constructor(why: string) {
    super({ code: 'PANDO_LIMITS_BAN', message: `This cannot be banned: ${why}.` });
  }
}

/**
 * The list of bans is full: it holds 100,000.
 *
 * Ban networks instead of each of their addresses, and give bans an end.
 */
export class BanListFullError extends PandoError {
  constructor(subject: string) {
    super({
      code: 'PANDO_LIMITS_BANS_FULL',
      message: `"${subject}" cannot be banned: the list is full. Ban networks instead of each of their addresses, and give bans an end.`,
    });
  }
}
