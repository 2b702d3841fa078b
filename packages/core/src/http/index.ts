export { Door, type Visit } from './door.js';
export {
  Doorway,
  type DoorwayOptions,
  type FrameworkServer,
  type ListenAddress,
  type Serving,
} from './doorway.js';
export {
  ClientGoneError,
  CloseTimeoutError,
  DrainingError,
  HttpError,
  type HttpErrorInit,
  LimitExceededError,
  LimitUnavailableError,
  ListenError,
  MetricsUnavailableError,
  PortForbiddenError,
  PortInUseError,
  StreamRefusedError,
} from './errors.js';
export type { AnswerHeaders, Exchange, ExchangeOutcome } from './exchange.js';
export type { LimitSubject } from './handlers/limit.js';
export type { SsePlan, SseRefusal } from './handlers/sse.js';
export {
  type CookieOptions,
  type HealthPaths,
  type HttpOptions,
  httpDefaults,
  type MetricsPath,
  type ProbeKind,
} from './http-options.js';
export type { Kit } from './kit.js';
export { type FrameworkView, NodeExchange } from './node-exchange.js';
export type { AllowedOrigins } from './origin.js';
export type { PathParams } from './path-template.js';
export { type Problem, problemOf } from './problem.js';
export type { HttpServer } from './server-guard.js';
export type { WsMessage, WsRoute } from './ws-route.js';
