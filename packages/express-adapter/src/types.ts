import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';

/**
 * What is used of an Express request. Structural: the handler types of Express 4 and 5 exclude each other.
 *
 * Without `params` and `query`: the types of a route's own handlers would be inferred from them. Functions that want
 * those say so: `sse((req: Request) => …)`.
 */
export interface ExpressRequest extends IncomingMessage {
  readonly originalUrl: string;
  readonly baseUrl: string;
  readonly ip?: string | undefined;
  readonly secure: boolean;
  /** Undefined where the client names no host. */
  readonly hostname: string | undefined;
  readonly route?: unknown;
  readonly app: unknown;
}

/** Passes control on; with an error, to the application's error handlers. */
export type Next = (error?: unknown) => void;

/** A request handler for `app.use` and for routes. */
export type ExpressHandler<Request extends ExpressRequest = ExpressRequest> = (
  request: Request,
  response: ServerResponse,
  next: Next,
) => void;

/** An error handler for `app.use`. */
export type ExpressErrorHandler = (
  error: unknown,
  request: ExpressRequest,
  response: ServerResponse,
  next: Next,
) => void;

/** What is used of an Express application. */
export interface ExpressApp extends RequestListener {
  use(handler: ExpressErrorHandler): unknown;
}
