import type { ComponentStatus, HealthBody } from '../health/index.js';

/** The media type of {@link healthJsonOf}. */
export const healthJsonType = 'application/health+json';

const verdicts: Readonly<Record<ComponentStatus, string>> = {
  healthy: 'pass',
  degraded: 'warn',
  saturated: 'warn',
  unhealthy: 'fail',
};

/** A health answer in the form of draft-inadarei-api-health-check-06. What a check says is told only where it does not pass. */
export function healthJsonOf({ status, version, components, details }: HealthBody): object {
  const checks = Object.entries(components).map(([name, seen]) => {
    const { detail, checkedAt, durationMs } = details?.[name] ?? {};
    const entry = {
      status: verdicts[seen],
      ...(checkedAt !== undefined && { time: new Date(checkedAt).toISOString() }),
      ...(durationMs !== undefined && { observedValue: durationMs, observedUnit: 'ms' }),
      ...(detail !== undefined && seen !== 'healthy' && { output: detail }),
    };
    return [name, [entry]];
  });
  return {
    status: verdicts[status],
    ...(version !== undefined && { releaseId: version }),
    checks: Object.fromEntries(checks),
  };
}
