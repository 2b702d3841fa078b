import { describe } from 'vitest';
import { accessCases } from './adapter/access.js';
import { starter } from './adapter/app.js';
import { attemptCases } from './adapter/attempts.js';
import { contextCases } from './adapter/context.js';
import { errorCases } from './adapter/errors.js';
import { exchangeCases } from './adapter/exchange.js';
import type { AdapterHarness } from './adapter/harness.js';
import { healthCases } from './adapter/health.js';
import { hostileCases } from './adapter/hostile.js';
import { http2Cases } from './adapter/http2.js';
import { limitCases } from './adapter/limits.js';
import { metricsCases } from './adapter/metrics.js';
import { overloadCases } from './adapter/overload.js';
import { responseCacheCases } from './adapter/response-cache.js';
import { shutdownCases } from './adapter/shutdown.js';
import { sseCases } from './adapter/sse.js';
import { deliveryCases } from './adapter/sse-delivery.js';
import { forbidStrayErrors } from './adapter/stray-errors.js';
import { wsCases } from './adapter/ws.js';
import { wsEndCases } from './adapter/ws-ends.js';
import { wsLimitCases } from './adapter/ws-limits.js';

export { cacheOptionsFor } from './adapter/cached-route.js';
export type {
  AdapterHarness,
  AdapterSupport,
  InjectedAnswer,
  SuiteAnswer,
  SuiteApp,
  SuiteRequest,
  SuiteRoute,
  SuiteServing,
  SuiteStream,
} from './adapter/harness.js';
export { limitOptionsFor } from './adapter/limited-route.js';

/**
 * What holds for every framework adapter, over real sockets: for the file `conformance.test.ts` of its package.
 *
 * Each case builds an application of its own through the harness, and no case may leave an unhandled rejection behind.
 */
export function adapterSuite(harness: AdapterHarness): void {
  const { redis, supports } = harness;
  describe(harness.name, () => {
    forbidStrayErrors();
    const start = starter(harness);
    exchangeCases(start, supports);
    contextCases(start);
    limitCases(start);
    if (redis !== undefined) attemptCases(start, redis);
    overloadCases(start);
    sseCases(start);
    deliveryCases(start, redis);
    if (supports.http2) http2Cases(start);
    wsCases(start, redis);
    wsEndCases(start);
    wsLimitCases(start);
    accessCases(start, redis);
    healthCases(start);
    metricsCases(start);
    errorCases(start);
    hostileCases(start);
    if (supports.cachedRoutes) responseCacheCases(start, redis);
    shutdownCases(start, harness);
  });
}
