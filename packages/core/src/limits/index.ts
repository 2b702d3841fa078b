export type { ConsumeOptions, Decision, Limits, OnUnavailable, Policy } from './limits.js';
export type { LimitStore, LimitWindow, PolicyCounters, SpendOptions, WindowUse } from './ports.js';
