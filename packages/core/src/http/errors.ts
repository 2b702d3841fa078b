import { PandoError, type PandoErrorInit } from '../kernel/errors.js';
import type { Decision } from '../limits/index.js';
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
    super(init);
    this.headers = init.headers ?? {};
  }
}

/** A limit refused the request (429), or could not be asked and refuses then (503). */
export class LimitExceededError extends HttpError {
  readonly decision: Decision;

  constructor(decision: Decision) {
    const retryAfterSeconds = Math.max(1, Math.ceil(decision.retryAfterMs / 1_000));
    const unknown = decision.source === 'closed';
    super({
      code: unknown ? 'PANDO_HTTP_LIMIT_UNAVAILABLE' : 'PANDO_HTTP_LIMIT_EXCEEDED',
      message: unknown
        ? `The limit "${decision.policy}" cannot be checked at the moment. Try again in ${retryAfterSeconds} s.`
        : `The limit "${decision.policy}" of ${decision.limit} is used up. Try again in ${retryAfterSeconds} s.`,
      status: unknown ? 503 : 429,
      retryable: true,
      headers: { 'retry-after': String(retryAfterSeconds), 'cache-control': 'no-store' },
    });
    this.decision = decision;
  }
}

/** The instance shuts down and takes no new long-lived connection. */
export class DrainingError extends HttpError {
  constructor() {
    super({
      code: 'PANDO_HTTP_DRAINING',
      message:
        'This instance is shutting down and opens no new streams. Connect again: another instance will answer.',
      status: 503,
      retryable: true,
      headers: { 'retry-after': '1', 'cache-control': 'no-store' },
    });
  }
}

/** The application refused a long-lived connection. */
export class StreamRefusedError extends HttpError {
  constructor(status: number, why: string) {
    super({ code: 'PANDO_HTTP_STREAM_REFUSED', message: why, status });
  }
}

/** The reason in {@link Exchange.signal} once the client has gone. */
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

/** A server did not end within its deadline, and was cut. */
export class CloseTimeoutError extends PandoError {
  constructor(timeoutMs: number) {
    super({
      code: 'PANDO_HTTP_CLOSE_TIMEOUT',
      message: `Requests or connections were still open ${timeoutMs} ms after close() and were cut. Heed the request's signal in slow handlers, or raise closeTimeoutMs.`,
    });
  }
}

/** The server could not listen. */
export class ListenError extends PandoError {}

/** Says in one line why a server cannot listen, and what to do. */
export function listenError(
  cause: NodeJS.ErrnoException,
  port: number,
  host: string | undefined,
): ListenError {
  const where = host === undefined ? `port ${port}` : `port ${port} of ${host}`;
  switch (cause.code) {
    case 'EADDRINUSE':
      return new ListenError({
        code: 'PANDO_HTTP_PORT_IN_USE',
        message: `Cannot listen: ${where} is in use. End the process that holds it (lsof -i :${port}), or choose another port.`,
        cause,
      });
    case 'EACCES':
      return new ListenError({
        code: 'PANDO_HTTP_PORT_FORBIDDEN',
        message: `Cannot listen: this user may not open ${where}. Choose a port above 1023, or grant CAP_NET_BIND_SERVICE.`,
        cause,
      });
    default:
      return new ListenError({
        code: 'PANDO_HTTP_LISTEN',
        message: `Cannot listen on ${where}: ${cause.message}. Check the host and port given to listen().`,
        cause,
      });
  }
}
