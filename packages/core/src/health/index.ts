export { createHealth, type HealthWiring } from './create.js';
export { CheckTimeoutError, UnknownGroupError } from './errors.js';
export type {
  ComponentDetail,
  ComponentStatus,
  Health,
  HealthBody,
  HealthReport,
  HealthStatus,
  ReportOptions,
} from './health.js';
export { healthInstruments } from './metrics.js';
export { type HealthGroups, type HealthOptions, healthDefaults, type ReadyPolicy } from './options.js';
export type { HealthCheck, InstanceState } from './ports.js';
