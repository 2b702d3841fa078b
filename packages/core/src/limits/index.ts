export { createLimits, createMemoryWorld, type LimitsWiring, type MemoryWorld } from './create.js';
export { LimitCostError, LimitKeyError, UnknownPolicyError } from './errors.js';
export type { ConsumeOptions, Decision, Limits, OnUnavailable, Policy } from './limits.js';
export { limitsInstruments } from './metrics.js';
export {
  type LimitsOptions,
  limitsDefaults,
  type PolicyOption,
  type PolicySettings,
  type WindowOption,
} from './options.js';
export type { LimitStore, LimitWindow, PolicyCounters, SpendOptions, WindowUse } from './ports.js';
