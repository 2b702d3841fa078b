export { addressSeenBy } from './address-view.js';
export type { AnswerRecorder, Revision } from './answer-recorder.js';
export { tapAnswer, tapHead } from './answer-tap.js';
export { type ClientsOptions, clientsDefaults } from './clients.js';
export { Door } from './door.js';
export {
  Doorway,
  type DoorwayOptions,
  type FrameworkServer,
  type ListenAddress,
  type Serving,
} from './doorway.js';
export {
  BannedError,
  ClientGoneError,
  CloseTimeoutError,
  DeadlineExpiredError,
  DrainingError,
  HttpError,
  type HttpErrorInit,
  LimitAnswerError,
  LimitExceededError,
  LimitUnavailableError,
  ListenError,
  limitError,
  MetricsUnavailableError,
  OverloadedError,
  PortForbiddenError,
  PortInUseError,
  RequestsCutError,
  StreamLimitError,
  StreamRefusedError,
} from './errors.js';
export type { AnswerHeaders, Exchange, ExchangeOutcome, HeaderValues } from './exchange.js';
export type { ForwardingHeader } from './forwarded.js';
export type { RouteLoad } from './handlers/admission.js';
export type { ResponseCache } from './handlers/response-cache.js';
export type { SseRefusal } from './handlers/sse.js';
export {
  type ArrivingRequest,
  type CookieOptions,
  type HealthEndpointOptions,
  type HttpOptions,
  httpDefaults,
  type KeptTokenOptions,
  type MetricsPath,
  type ProbeKind,
} from './http-options.js';
export type { Kit } from './kit.js';
export type { LimitHeaders } from './limit-headers.js';
export type { LimitKey, LimitOptions } from './limit-options.js';
export type { LimitedRoute } from './limited-route.js';
export { type FrameworkView, NodeExchange } from './node-exchange.js';
export type { AllowedOrigins } from './origin.js';
export type { PathParams } from './path-template.js';
export { type Problem, problemOf } from './problem.js';
export { type ResponseCacheOptions, responseCacheDefaults } from './response-cache-options.js';
export type { HttpServer } from './server-guard.js';
export type { SlowClientOptions } from './slow-clients.js';
export type { SsePlan } from './sse-plan.js';
export type { CachedAnswer } from './stored-answer.js';
export { type Visit, visitKey } from './visit.js';
export type { WsClient, WsLimits } from './ws-limits.js';
export type { WsMessage, WsOverrun, WsRoute } from './ws-route.js';
