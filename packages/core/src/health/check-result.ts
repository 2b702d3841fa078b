import type { CheckResult } from '../kernel/room.js';
import { isStatus } from './verdict.js';

/** What a check saw. One that returns no status has not said that all is well. */
export function readCheckResult(name: string, result: unknown): CheckResult {
  const { status, detail } = (result ?? {}) as { readonly status?: unknown; readonly detail?: unknown };
  if (isStatus(status)) return { status, detail: detail === undefined ? undefined : String(detail) };
  return {
    status: 'unhealthy',
    detail: `The check "${name}" did not say how it is. Return { status: 'healthy' }, or 'degraded', 'saturated' or 'unhealthy'.`,
  };
}
