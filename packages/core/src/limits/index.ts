export type { Attempt, AttemptSubject } from './attempts.js';
export {
  type BanChange,
  type BanEntry,
  type BanList,
  type BanListener,
  type BanNews,
  type BanStore,
  MAX_BANS,
} from './ban-store.js';
export type { Ban, BanOptions } from './bans.js';
export { createLimits, createMemoryWorld, type LimitsWiring, type MemoryWorld } from './create.js';
export type { Decision, LeaseTerms, OnUnavailable, Policy } from './decision.js';
export {
  BanError,
  BanListFullError,
  LimitCostError,
  LimiterOptionError,
  LimitKeyError,
  UnknownPolicyError,
  UnknownProtectionError,
  UnknownTierError,
} from './errors.js';
export type { ConsumeOptions, Limits } from './limits.js';
export { limitsInstruments } from './metrics.js';
export {
  type LeaseOptions,
  type LimitsOptions,
  limitsDefaults,
  type PolicyOption,
  type PolicySettings,
} from './options.js';
export type {
  Algorithm,
  AskKind,
  ForgottenCounter,
  ForgottenListener,
  LimitAsk,
  Limiter,
  LimiterResult,
  LimitRule,
  LimitStore,
  LimitVerdict,
  LimitWindow,
  Loan,
  PolicyLimiter,
} from './ports.js';
export { type ProtectionSettings, protectionDefaults } from './protection-options.js';
export { type CounterState, type Settled, settle } from './settle.js';
export type { WindowOption } from './windows.js';
