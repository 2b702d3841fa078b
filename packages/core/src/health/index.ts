export { createHealth, type HealthWiring } from './create.js';
export { CheckTimeoutError } from './errors.js';
export type { ComponentDetail, Health, HealthBody, HealthReport, HealthStatus } from './health.js';
export { healthInstruments } from './metrics.js';
export { type HealthOptions, healthDefaults, type ReadyPolicy } from './options.js';
export type { HealthCheck, InstanceState } from './ports.js';
