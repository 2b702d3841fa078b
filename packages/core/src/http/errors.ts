import { messageOf, PandoError, type PandoErrorInit } from '../kernel/errors.js';
import type { Decision } from '../limits/index.js';
import type { AdmissionRefusal, OverloadReason } from '../overload/index.js';
import type { AnswerHeaders } from './exchange.js';

/** What an error of the door is made of. */
export interface HttpErrorInit extends PandoErrorInit {
  readonly status: number;
  /** Headers that belong on the answer; Express and Fastify set them by themselves. */
  readonly headers?: AnswerHeaders | undefined;
}

/** An error that is an answer: it goes through the application's own error handling, with `status`, `code` and `headers`. */
export class HttpError extends PandoError {
  readonly headers: AnswerHeaders;

  constructor(init: HttpErrorInit) {
    // It tells of a request, not of the program: of what a refusal costs, a stack trace would be a tenth.
    const { stackTraceLimit } = Error;
    Reflect.set(Error, 'stackTraceLimit', 0);
    super(init);
    Reflect.set(Error, 'stackTraceLimit', stackTraceLimit);
    this.headers = init.headers ?? {};
  }
}

/** A limit that keeps a request from passing; see the two below. */
abstract class LimitError extends HttpError {
  readonly decision: Decision;
  /** When the client is told to come back: up to a tenth later than it could, so that not all come at once. */
  readonly retryAfterMs: number;

  constructor(
    decision: Decision,
    init: { readonly code: string; readonly status: number; readonly what: string },
  ) {
    const share = Math.random();
    const seconds = Math.max(1, Math.ceil(decision.retryAfterMs / 1_000));
    const jittered = seconds + Math.floor(share * (Math.floor(seconds / 10) + 1));
    super({
      // Each by name: to take the rest of an object apart from one of its parts makes an error ten times as dear.
      code: init.code,
      status: init.status,
      message: `${init.what} Try again in ${jittered} s.`,
      retryable: true,
      headers: { 'retry-after': String(jittered), 'cache-control': 'no-store' },
    });
    this.decision = decision;
    this.retryAfterMs = Math.ceil(decision.retryAfterMs * (1 + share / 10));
  }
}

/**
 * A limit refused the request. `decision` says which one and when there is room again.
 *
 * Clients: wait for `Retry-After`. You: raise the policy if the traffic is legitimate, or give its callers a `key` of
 * their own.
 */
export class LimitExceededError extends LimitError {
  /** The window that refused, as the `RateLimit` header calls it. */
  readonly quota: string;

  constructor(decision: Decision, quota: string = decision.policy) {
    super(decision, {
      code: 'PANDO_HTTP_LIMIT_EXCEEDED',
      what: `The limit "${quota}" of ${decision.limit} is used up.`,
      status: 429,
    });
    this.quota = quota;
  }
}

/**
 * A limit could not be checked because Redis is away, or because the route's `key`, `cost` or `tier` failed, and its policy
 * says `onUnavailable: 'closed'`.
 *
 * Bring Redis back, or let the policy count in each process meanwhile with `'local'`.
 */
export class LimitUnavailableError extends LimitError {
  constructor(decision: Decision) {
    super(decision, {
      code: 'PANDO_HTTP_LIMIT_UNAVAILABLE',
      what: `The limit "${decision.policy}" cannot be checked at the moment.`,
      status: 503,
    });
  }
}

/**
 * The client is banned, by its key or by its address: see `limits.ban()`. It is not told until when.
 *
 * Nothing to do, unless it was you: `limits.bans()` tells who is banned, and `limits.unban()` lifts it.
 */
export class BannedError extends HttpError {
  constructor() {
    super({
      code: 'PANDO_HTTP_BANNED',
      message: 'You are not served here at the moment.',
      status: 403,
      headers: { 'cache-control': 'no-store' },
    });
  }
}

/**
 * A route's function for `key`, `cost` or `tier` has answered with what is none. Only logged: the request was counted, under its
 * address, for 1, as the first tier.
 *
 * Correct the function: whoever can make it answer so is limited less exactly than you meant.
 */
export class LimitAnswerError extends PandoError {
  constructor(policy: string, what: 'key' | 'cost' | 'tier', given: unknown) {
    super({
      code: 'PANDO_HTTP_LIMIT_ANSWER',
      message: `The function for the ${what} of a call under the limit policy "${policy}" answered with ${String(given)}.`,
    });
  }
}

/** The answer to a decision that is a refusal: 429, or 503 where nobody could be asked, or 403 where somebody is banned. */
export function limitError(decision: Decision): HttpError {
  if (decision.source === 'ban') return new BannedError();
  return decision.source === 'closed'
    ? new LimitUnavailableError(decision)
    : new LimitExceededError(decision);
}

/**
 * The instance shuts down and takes no new long-lived connection.
 *
 * Connect again: another instance will answer. If there is none, look why the instance is being stopped.
 */
export class DrainingError extends HttpError {
  constructor() {
    super({
      code: 'PANDO_HTTP_DRAINING',
      message:
        'This instance is shutting down and opens no new streams. Connect again: another instance will answer.',
      status: 503,
      retryable: true,
      headers: { 'retry-after': jitteredSeconds(1, 5), 'cache-control': 'no-store' },
    });
  }
}

/**
 * The instance has as much to do as it can: the request was refused before it began. `reason` says of what there is too much.
 *
 * Clients: wait for `Retry-After`; another instance may have room. You: look at `pando_overload_requests_total`, and add
 * instances or what they wait for.
 */
export class OverloadedError extends HttpError {
  readonly reason: OverloadReason;

  constructor({ reason, retryAfterMs }: AdmissionRefusal) {
    super({
      code: 'PANDO_HTTP_OVERLOADED',
      message: 'This instance has as much to do as it can. Try again later: another instance may have room.',
      status: 503,
      retryable: true,
      headers: { 'retry-after': String(Math.ceil(retryAfterMs / 1_000)), 'cache-control': 'no-store' },
    });
    this.reason = reason;
  }
}

/**
 * The deadline that the client had set was over before its request began.
 *
 * Clients: ask anew, with more time. You: if it happens often, requests wait too long on their way here.
 */
export class DeadlineExpiredError extends HttpError {
  constructor() {
    super({
      code: 'PANDO_HTTP_DEADLINE_EXPIRED',
      message: 'The deadline of the request was over before it began. Ask again, with more time.',
      status: 503,
      headers: { 'cache-control': 'no-store' },
    });
  }
}

/**
 * The instance takes no more long-lived connections, or none of this client's: `cause` says which limit is reached.
 *
 * Clients: wait for `Retry-After`. You: look at `cause`, and at `pando_realtime_connections_refused_total`.
 */
export class StreamLimitError extends HttpError {
  constructor(cause: PandoError) {
    const isOwn = cause.status === 429;
    super({
      code: 'PANDO_HTTP_STREAM_LIMIT',
      message: isOwn
        ? 'You have too many connections open already. Close some, or try again later.'
        : 'This instance takes no more connections. Connect again: another instance may answer.',
      cause,
      status: isOwn ? 429 : 503,
      retryable: true,
      // Another instance may have room at once; one's own connections end when they end.
      headers: {
        'retry-after': isOwn ? jitteredSeconds(10, 30) : jitteredSeconds(1, 5),
        'cache-control': 'no-store',
      },
    });
  }
}

/** Whole seconds, another number each time: those who were refused together should not come back together. */
function jitteredSeconds(min: number, max: number): string {
  return String(min + Math.floor(Math.random() * (max - min + 1)));
}

/**
 * The application refused a stream or a socket: its plan or `authenticate` said so, the page's origin may not connect,
 * or the decision took too long.
 *
 * Sign in, or correct the request. For pages of another origin set `origins` on the route.
 */
export class StreamRefusedError extends HttpError {
  constructor(status: number, why: string) {
    super({ code: 'PANDO_HTTP_STREAM_REFUSED', message: why, status });
  }
}

/**
 * The client went away before it had its whole answer. It is the reason in the request's signal.
 *
 * Nobody waits for the outcome: stop working on it. It needs no log line above debug.
 */
export class ClientGoneError extends PandoError {
  constructor() {
    super({
      code: 'PANDO_HTTP_CLIENT_GONE',
      message:
        'The client went away before it had its whole answer. Nobody waits for the outcome: stop working on it.',
      status: 499,
    });
  }
}

/**
 * A shutdown had no more time for requests that nobody had answered: their connections were cut. It is in the report, and the
 * process exits with 1.
 *
 * Let handlers heed the signal of their context, or give `lifecycle.requestsMs` more.
 */
export class RequestsCutError extends PandoError {
  constructor(requests: readonly string[]) {
    const named = requests.slice(0, 5).join(', ');
    const more = requests.length > 5 ? `, and ${requests.length - 5} more` : '';
    super({
      code: 'PANDO_HTTP_REQUESTS_CUT',
      message: `Not answered within lifecycle.requestsMs, and cut: ${named}${more}. Let handlers heed the signal of their context.`,
    });
  }
}

/**
 * Requests or connections were still open `closeTimeoutMs` after `close()` and were cut. Logged, never thrown.
 *
 * Heed the request's signal in slow handlers, or raise `closeTimeoutMs`.
 */
export class CloseTimeoutError extends PandoError {
  constructor(timeoutMs: number) {
    super({
      code: 'PANDO_HTTP_CLOSE_TIMEOUT',
      message: `Requests or connections were still open ${timeoutMs} ms after close() and were cut. Heed the request's signal in slow handlers, or raise closeTimeoutMs.`,
    });
  }
}

/**
 * The metrics could not be collected, because a collector in the registry threw.
 *
 * Look at `cause`: most likely a collector that the application has registered.
 */
export class MetricsUnavailableError extends PandoError {
  constructor(cause: unknown) {
    super({
      code: 'PANDO_HTTP_METRICS_UNAVAILABLE',
      message: `The metrics could not be collected: ${messageOf(cause)}. Look for a collector of the application that throws.`,
      cause,
      status: 503,
    });
  }
}

/**
 * The server could not listen, for another reason than the two below.
 *
 * Check the host and port given to `listen()`; `cause` is what the system said.
 */
export class ListenError extends PandoError {
  constructor(cause: Error, where: string, init: Partial<PandoErrorInit> = {}) {
    super({
      code: 'PANDO_HTTP_LISTEN',
      message: `Cannot listen on ${where}: ${cause.message}. Check the host and port given to listen().`,
      cause,
      ...init,
    });
  }
}

/**
 * The port is in use.
 *
 * End the process that holds it (`lsof -i :<port>` finds it), choose another port, or pass 0 for a free one.
 */
export class PortInUseError extends ListenError {
  constructor(cause: Error, where: string, port: number) {
    super(cause, where, {
      code: 'PANDO_HTTP_PORT_IN_USE',
      message: `Cannot listen: ${where} is in use. End the process that holds it (lsof -i :${port}), or choose another port.`,
    });
  }
}

/**
 * This user may not open the port.
 *
 * Choose a port above 1023, or grant the process CAP_NET_BIND_SERVICE.
 */
export class PortForbiddenError extends ListenError {
  constructor(cause: Error, where: string) {
    super(cause, where, {
      code: 'PANDO_HTTP_PORT_FORBIDDEN',
      message: `Cannot listen: this user may not open ${where}. Choose a port above 1023, or grant CAP_NET_BIND_SERVICE.`,
    });
  }
}

/** Says in one line why a server cannot listen, and what to do. */
export function listenError(
  cause: NodeJS.ErrnoException,
  port: number,
  host: string | undefined,
): ListenError {
  const where = host === undefined ? `port ${port}` : `port ${port} of ${host}`;
  if (cause.code === 'EADDRINUSE') return new PortInUseError(cause, where, port);
  if (cause.code === 'EACCES') return new PortForbiddenError(cause, where);
  return new ListenError(cause, where);
}
