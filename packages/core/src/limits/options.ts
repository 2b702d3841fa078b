import { type OptionsReader, readOptions } from '../kernel/options.js';
import type { RedisOption } from '../redis/options.js';
import type { OnUnavailable, Policy } from './limits.js';
import { parseWindow } from './policy-syntax.js';
import type { LimitWindow } from './ports.js';

/** `'60/min'`, `'5/15m'`, or the same in numbers. Units: `ms`, `s`, `m`, `h`, `d`, or `sec`, `min`, `hour`, `day`. */
export type WindowOption = string | LimitWindow;

/** A policy with more to say than its windows. */
export interface PolicySettings {
  /** All must have room for a call to pass. */
  readonly windows: WindowOption | readonly WindowOption[];
  /** What this policy does while Redis is away. @defaultValue the room's */
  readonly onUnavailable?: OnUnavailable | undefined;
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
  /** What policies do while Redis is away, unless they say otherwise. @defaultValue `'local'` */
  readonly onUnavailable?: OnUnavailable | undefined;
  /** How long a decision waits for Redis before it is made without. @defaultValue `100` */
  readonly decisionTimeoutMs?: number | undefined;
  /** Keys that one window keeps apart in memory; what comes after shares a few counters. @defaultValue `100_000` */
  readonly maxLocalKeys?: number | undefined;
}

/** The defaults. */
export const limitsDefaults = Object.freeze({
  name: 'app',
  onUnavailable: 'local' as OnUnavailable,
  decisionTimeoutMs: 100,
  maxLocalKeys: 100_000,
});

/** Options with every default filled in. */
export interface ResolvedLimitsOptions {
  readonly redis: RedisOption | undefined;
  readonly name: string;
  readonly policies: readonly Policy[];
  readonly decisionTimeoutMs: number;
  readonly maxLocalKeys: number;
}

const choices: readonly OnUnavailable[] = ['open', 'closed', 'local'];
const policyName = /^[A-Za-z0-9_.-]{1,64}$/;
/** Node's timers, which end windows in memory, reach less than 25 days. */
const longestWindowMs = 24 * 86_400_000;
const shortestWindowMs = 100;

/** Checks the options; throws `PandoOptionsError`. */
export function resolveLimitsOptions(options: LimitsOptions = {}): ResolvedLimitsOptions {
  const reader = readOptions('limits', options);
  const onUnavailable = reader.oneOf('onUnavailable', choices, limitsDefaults.onUnavailable);
  const resolved: ResolvedLimitsOptions = {
    redis: reader.any('redis') as RedisOption | undefined,
    name: reader.string('name', limitsDefaults.name),
    policies: readPolicies(reader, onUnavailable),
    decisionTimeoutMs: reader.ms('decisionTimeoutMs', limitsDefaults.decisionTimeoutMs),
    maxLocalKeys: reader.int('maxLocalKeys', limitsDefaults.maxLocalKeys, { min: 1 }),
  };
  reader.done();
  return resolved;
}

function readPolicies(limits: OptionsReader, onUnavailable: OnUnavailable): readonly Policy[] {
  const policies = limits.any('policies', {});
  if (typeof policies !== 'object' || policies === null || Array.isArray(policies))
    limits.fail('policies', 'an object of policies');
  const reader = readOptions('limits.policies', policies);
  return Object.keys(policies).map((name) => {
    if (!policyName.test(name)) reader.fail(name, 'named with 1 to 64 letters, digits, "_", "-" or "."');
    return readPolicy(reader, name, onUnavailable);
  });
}

function readPolicy(policies: OptionsReader, name: string, onUnavailable: OnUnavailable): Policy {
  const option = policies.any(name);
  if (typeof option !== 'object' || option === null || !('windows' in option)) {
    return { name, windows: readWindows(policies, name), onUnavailable };
  }
  const settings = policies.nested(name);
  const policy: Policy = {
    name,
    windows: readWindows(settings, 'windows'),
    onUnavailable: settings.oneOf('onUnavailable', choices, onUnavailable),
  };
  settings.done();
  return policy;
}

function readWindows(reader: OptionsReader, key: string): readonly LimitWindow[] {
  const option = reader.any(key);
  const list: readonly unknown[] = Array.isArray(option) ? option : [option];
  const windows = list.map((item) => (typeof item === 'string' ? parseWindow(item) : item));
  if (windows.length === 0 || !windows.every(isWindow)) {
    reader.fail(
      key,
      'a limit such as "60/min" or { limit: 60, windowMs: 60000 }, or a list of them, each of at least 1 in 100 ms to 24 days',
    );
  }
  if (new Set(windows.map(({ windowMs }) => windowMs)).size < windows.length) {
    reader.fail(key, 'a list of windows of different lengths');
  }
  return windows.map(({ limit, windowMs }) => ({ limit, windowMs }));
}

function isWindow(value: unknown): value is LimitWindow {
  if (typeof value !== 'object' || value === null) return false;
  const { limit, windowMs, ...others } = value as Partial<LimitWindow>;
  return (
    Object.keys(others).length === 0 &&
    Number.isSafeInteger(limit) &&
    (limit as number) >= 1 &&
    Number.isSafeInteger(windowMs) &&
    (windowMs as number) >= shortestWindowMs &&
    (windowMs as number) <= longestWindowMs
  );
}
