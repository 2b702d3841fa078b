/*
 * The cases are registered with vitest, whose runner they need anyway: clean-up per test and asymmetric matchers have
 * no common form among runners, and functions handed over would have to be typed by hand. So vitest is an optional
 * peer of the package, and this a subpath of its own: nothing else of Pando loads a test runner.
 */

export { EventStream, type ReceivedEvent, type Refusal, SocketClient } from './adapter/clients.js';
export { serveOnce } from './adapter/serve-once.js';
export {
  type AdapterHarness,
  type AdapterSupport,
  adapterSuite,
  cacheOptionsFor,
  type InjectedAnswer,
  limitOptionsFor,
  type SuiteAnswer,
  type SuiteApp,
  type SuiteRequest,
  type SuiteRoute,
  type SuiteServing,
  type SuiteStream,
} from './adapter.js';
export { type AttemptSetup, attemptSuite } from './attempts.js';
export { type BanStoreSetup, banStoreSuite } from './bans.js';
export { type SharedLevelSetup, sharedLevelSuite } from './cache.js';
export { type DatabaseDriverSetup, databaseDriverSuite } from './db.js';
export { type JobStoreSetup, jobStoreSuite } from './jobs.js';
export { type LimitStoreSetup, limitStoreSuite } from './limits.js';
export { metricsRegistrySuite } from './metrics.js';
export { presenceStoreSuite } from './presence.js';
export { type BrokerSetup, brokerSuite, brokerSuiteRetention } from './realtime.js';
