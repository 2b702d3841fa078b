export type { ComponentDetail, Health, HealthBody, HealthReport, HealthStatus } from './health.js';
export type { HealthCheck, InstanceState } from './ports.js';
