import type { LimitOptions } from '../../../http/index.js';
import type { SuiteLimit, SuiteRequest } from './harness.js';

/** The options of a limited route for a framework whose requests are others. */
export function limitOptionsFor<Request>(
  { key, cost, tier }: SuiteLimit,
  requestOf: (request: Request) => SuiteRequest,
): LimitOptions<Request> {
  return {
    key: key && ((request) => key(requestOf(request))),
    cost: typeof cost === 'function' ? (request) => cost(requestOf(request)) : cost,
    tier: typeof tier === 'function' ? (request) => tier(requestOf(request)) : tier,
  };
}
