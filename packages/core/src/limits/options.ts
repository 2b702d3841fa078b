import { readNetwork } from '../kernel/network-map.js';
import { type OptionsReader, readOptions } from '../kernel/options.js';
import type { RedisOption } from '../redis/options.js';
import { AllowList } from './allow-list.js';
import type { LeaseTerms, OnUnavailable, Policy } from './decision.js';
import type { Algorithm, Limiter, LimitWindow } from './ports.js';
import { type Protection, type ProtectionSettings, readProtections } from './protection-options.js';
import { isWindow, readWindows, type WindowOption } from './windows.js';

/** How much of a limit an instance may hold, and for how long. */
export interface LeaseOptions {
  /** The part of its equal share of what is left that an instance may be lent at once. @defaultValue half of it */
  readonly shareRatio?: number | undefined;
  /** How long it may hold that before what is left of it goes back. @defaultValue 100 ms */
  readonly forMs?: number | undefined;
}

/** A policy with more to say than its windows. */
export interface PolicySettings {
  /** All must have room for a call to pass. Required, unless there are `tiers` or a `store`. */
  readonly windows?: WindowOption | readonly WindowOption[] | undefined;
  /**
   * Windows by tier, instead of `windows`: `limits.consume(policy, key, { tier })` says which hold for a call. The first is the
   * default; `false` is one without limit. What a key has spent counts in every tier, so a change of plan begins with it.
   */
  readonly tiers?: Readonly<Record<string, WindowOption | readonly WindowOption[] | false>> | undefined;
  /**
   * What counts as one window: `sliding` the time until now, nearly; `strict` the time until now, never too much and up to a
   * tenth too long; `fixed` from the first call on; `bucket` is refilled evenly. @defaultValue the room's
   */
  readonly algorithm?: Algorithm | undefined;
  /** What this policy does while Redis, or its store, is away. @defaultValue the room's */
  readonly onUnavailable?: OnUnavailable | undefined;
  /**
   * Counts, records and tells what it would have refused, and refuses nobody: to try a limit on real traffic.
   *
   * @defaultValue it refuses
   */
  readonly shadow?: boolean | undefined;
  /** Who is never counted, beside those that the room allows. @defaultValue nobody */
  readonly allow?: readonly string[] | undefined;
  /**
   * Lends this instance part of the limit of keys that it is asked for often, which it then spends without asking Redis. Never
   * more in all than without; with `bucket`, up to a tenth. An instance that dies takes what it holds along until the window
   * ends. @defaultValue every call is asked about
   */
  readonly lease?: boolean | LeaseOptions | undefined;
  /**
   * Counts this policy instead of Redis or memory: any limiter of rate-limiter-flexible, with its own points, its own
   * duration, and its own way to count. Never closed here.
   */
  readonly store?: Limiter | undefined;
}

/** One window, several windows, or windows with settings. */
export type PolicyOption = WindowOption | readonly WindowOption[] | PolicySettings;

/** What is limited, and how. */
export interface LimitsOptions {
  /** Where instances count together. Left out: each counts for itself, in memory. */
  readonly redis?: RedisOption | undefined;
  /** Part of every key in Redis; only for a room that is used alone. @defaultValue `'app'` */
  readonly name?: string | undefined;
  /** The policies by name: letters, digits, `_`, `-` and `.`. */
  readonly policies?: Readonly<Record<string, PolicyOption>> | undefined;
  /** What attempts at passwords and codes are held up by: see `limits.attempt()`. By name, like policies. */
  readonly protections?: Readonly<Record<string, ProtectionSettings>> | undefined;
  /** How policies count, unless they say otherwise. @defaultValue `'sliding'` */
  readonly algorithm?: Algorithm | undefined;
  /** What policies do while Redis is away, unless they say otherwise. @defaultValue `'local'` */
  readonly onUnavailable?: OnUnavailable | undefined;
  /**
   * Who is never counted, under any policy: addresses, networks such as `10.0.0.0/8`, and keys, as they are counted
   * (`user:ann`). @defaultValue nobody
   */
  readonly allow?: readonly string[] | undefined;
  /** How long a decision waits for Redis before it is made without. @defaultValue `100` */
  readonly decisionTimeoutMs?: number | undefined;
  /** Keys that one policy keeps apart in memory; what comes after shares a few counters. @defaultValue `100_000` */
  readonly maxLocalKeys?: number | undefined;
}

/** The defaults. */
export const limitsDefaults = Object.freeze({
  name: 'app',
  algorithm: 'sliding' as Algorithm,
  onUnavailable: 'local' as OnUnavailable,
  decisionTimeoutMs: 100,
  maxLocalKeys: 100_000,
});

/** What a lease is without settings. */
export const leaseDefaults: LeaseTerms = Object.freeze({ shareRatio: 0.5, forMs: 100 });

/** Options with every default filled in. */
export interface ResolvedLimitsOptions {
  readonly redis: RedisOption | undefined;
  readonly name: string;
  readonly policies: readonly Policy[];
  readonly protections: readonly Protection[];
  /** The limiters that policies have brought along, by policy. */
  readonly stores: ReadonlyMap<string, Limiter>;
  /** Who is never counted, by policy. */
  readonly allowed: ReadonlyMap<string, AllowList>;
  /** Who is counted by none. */
  readonly allowedByAll: AllowList | undefined;
  readonly decisionTimeoutMs: number;
  readonly maxLocalKeys: number;
}

const choices: readonly OnUnavailable[] = ['open', 'closed', 'local'];
const algorithms: readonly Algorithm[] = ['sliding', 'strict', 'fixed', 'bucket'];
const policyName = /^[A-Za-z0-9_.-]{1,64}$/;
const longestLeaseMs = 10_000;

/** What policies have in common. */
type Common = Pick<Policy, 'algorithm' | 'onUnavailable'> & { readonly allow: readonly string[] };

/** What policies have beside them. */
interface Beside {
  readonly stores: Map<string, Limiter>;
  readonly allowed: Map<string, AllowList>;
}

/** Checks the options; throws `PandoOptionsError`. */
export function resolveLimitsOptions(options: LimitsOptions = {}): ResolvedLimitsOptions {
  const reader = readOptions('limits', options);
  const common: Common = {
    algorithm: reader.oneOf('algorithm', algorithms, limitsDefaults.algorithm),
    onUnavailable: reader.oneOf('onUnavailable', choices, limitsDefaults.onUnavailable),
    allow: readAllow(reader),
  };
  const beside: Beside = { stores: new Map(), allowed: new Map() };
  const resolved: ResolvedLimitsOptions = {
    redis: reader.any('redis') as RedisOption | undefined,
    name: reader.string('name', limitsDefaults.name),
    policies: readPolicies(reader, common, beside),
    protections: readProtections(reader, choices, common.onUnavailable),
    ...beside,
    allowedByAll: common.allow.length > 0 ? new AllowList(common.allow) : undefined,
    decisionTimeoutMs: reader.ms('decisionTimeoutMs', limitsDefaults.decisionTimeoutMs),
    maxLocalKeys: reader.int('maxLocalKeys', limitsDefaults.maxLocalKeys, { min: 1 }),
  };
  reader.done();
  return resolved;
}

function readPolicies(limits: OptionsReader, common: Common, beside: Beside): readonly Policy[] {
  const policies = limits.any('policies', {});
  if (typeof policies !== 'object' || policies === null || Array.isArray(policies))
    limits.fail('policies', 'an object of policies');
  const reader = readOptions('limits.policies', policies);
  return Object.keys(policies).map((name) => {
    if (!policyName.test(name)) reader.fail(name, 'named with 1 to 64 letters, digits, "_", "-" or "."');
    return readPolicy(reader, name, common, beside);
  });
}

function readPolicy(
  policies: OptionsReader,
  name: string,
  { allow, ...common }: Common,
  { stores, allowed }: Beside,
): Policy {
  const option = policies.any(name);
  if (!hasSettings(option)) {
    if (allow.length > 0) allowed.set(name, new AllowList(allow));
    return { name, windows: readWindows(policies, name), ...common, shadow: false };
  }
  const settings = policies.nested(name);
  const all = [...allow, ...readAllow(settings)];
  if (all.length > 0) allowed.set(name, new AllowList(all));
  const store = settings.any('store');
  if (store !== undefined) stores.set(name, readStore(settings, store));
  const policy: Policy = {
    name,
    ...(store === undefined ? readLimits(settings) : { windows: windowsOf(settings, store as LimiterShape) }),
    algorithm: settings.oneOf('algorithm', algorithms, store === undefined ? common.algorithm : 'fixed'),
    onUnavailable: settings.oneOf('onUnavailable', choices, common.onUnavailable),
    shadow: settings.boolean('shadow', false),
  };
  if (store !== undefined && policy.algorithm !== 'fixed')
    settings.fail('algorithm', 'left out where there is a store: it counts in its own way');
  const lease = readLease(settings);
  if (store !== undefined && lease !== undefined)
    settings.fail('lease', 'left out where there is a store: nothing can be lent of it');
  settings.done();
  return lease === undefined ? policy : { ...policy, lease };
}

function readLease(settings: OptionsReader): LeaseTerms | undefined {
  const option = settings.any('lease', false);
  if (option === false) return undefined;
  if (option === true) return leaseDefaults;
  if (typeof option !== 'object' || option === null || Array.isArray(option))
    settings.fail('lease', 'true, false or { shareRatio, forMs }');
  const reader = settings.nested('lease');
  const terms: LeaseTerms = {
    shareRatio: reader.ratio('shareRatio', leaseDefaults.shareRatio),
    forMs: reader.ms('forMs', leaseDefaults.forMs, { min: 10, max: longestLeaseMs }),
  };
  reader.done();
  return terms;
}

const hasSettings = (option: unknown): boolean =>
  typeof option === 'object' && option !== null && ['windows', 'tiers', 'store'].some((key) => key in option);

function readAllow(reader: OptionsReader): readonly string[] {
  const allow = reader.any('allow', []);
  const isList =
    Array.isArray(allow) &&
    allow.every((entry) => typeof entry === 'string' && entry !== '' && readNetwork(entry) !== false);
  if (!isList) reader.fail('allow', 'a list of addresses, networks such as "10.0.0.0/8", and keys');
  return allow as readonly string[];
}

/** The windows, or those of each tier. */
function readLimits(settings: OptionsReader): Pick<Policy, 'windows' | 'tiers'> {
  const tiers = settings.any('tiers');
  if (tiers === undefined) return { windows: readWindows(settings, 'windows') };
  if (typeof tiers !== 'object' || tiers === null || Array.isArray(tiers))
    settings.fail('tiers', 'an object of windows by tier');
  if (settings.any('windows') !== undefined)
    settings.fail('windows', 'left out where there are tiers: each has its own');
  const reader = settings.nested('tiers');
  const resolved = Object.entries(tiers).map(([tier, windows]) => {
    if (!policyName.test(tier)) reader.fail(tier, 'named with 1 to 64 letters, digits, "_", "-" or "."');
    return [tier, windows === false ? false : readWindows(reader, tier)] as const;
  });
  const windows = resolved[0]?.[1];
  if (!windows) settings.fail('tiers', 'windows by tier, of which the first, the default, has a limit');
  return { windows, tiers: new Map(resolved) };
}

/** What a limiter of rate-limiter-flexible tells of itself. */
interface LimiterShape {
  readonly points?: unknown;
  readonly duration?: unknown;
}

function readStore(settings: OptionsReader, store: unknown): Limiter {
  const calls = ['consume', 'penalty', 'reward', 'get', 'block', 'delete'] as const;
  const isLimiter =
    typeof store === 'object' &&
    store !== null &&
    calls.every((call) => typeof (store as Record<string, unknown>)[call] === 'function');
  if (!isLimiter) settings.fail('store', 'a limiter of rate-limiter-flexible, such as a RateLimiterPostgres');
  return store as Limiter;
}

function windowsOf(settings: OptionsReader, { points, duration }: LimiterShape): readonly LimitWindow[] {
  if (settings.any('windows') !== undefined)
    settings.fail('windows', 'left out where there is a store: its points and duration are the window');
  if (settings.any('tiers') !== undefined)
    settings.fail('tiers', 'left out where there is a store: it has one limit');
  const window = { limit: points as number, windowMs: (duration as number) * 1_000 };
  if (!isWindow(window)) settings.fail('store', 'a limiter with a limit of at least 1 in 100 ms to 24 days');
  return [window];
}
