import { describe } from 'vitest';
import { starter } from './adapter/app.js';
import { contextCases } from './adapter/context.js';
import type { AdapterHarness } from './adapter/harness.js';
import { limitCases } from './adapter/limits.js';
import { probeCases } from './adapter/probes.js';
import { shutdownCases } from './adapter/shutdown.js';
import { sseCases } from './adapter/sse.js';
import { wsCases } from './adapter/ws.js';

export type { AdapterHarness, SuiteAnswer, SuiteApp, SuiteRequest, SuiteServing } from './adapter/harness.js';

/** What holds for every framework adapter, over real sockets. */
export function adapterSuite(harness: AdapterHarness): void {
  describe(harness.name, () => {
    const start = starter(harness);
    contextCases(start);
    limitCases(start);
    sseCases(start);
    wsCases(start);
    probeCases(start);
    shutdownCases(start, harness);
  });
}
