import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { HttpOptions, HttpServer, SsePlan, SseRefusal, WsRoute } from '../../../http/index.js';
import type { Pando } from '../../../pando.js';

/** A request as the suite's handlers see it, whatever the framework. */
export interface SuiteRequest {
  readonly method: string;
  /** As the client sent it. */
  readonly url: string;
  readonly headers: IncomingMessage['headers'];
  readonly params: Readonly<Record<string, string>>;
  /** The parsed JSON body, if there was one. */
  readonly body: unknown;
}

/** An answer of the suite's handlers. */
export interface SuiteAnswer {
  readonly status?: number | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  readonly body?: string | undefined;
}

/** One route. What its handler throws goes where the framework sends errors of handlers. */
export interface SuiteRoute {
  readonly method: 'GET' | 'POST' | 'PUT';
  /** With `:name` parameters; below `mount`. */
  readonly path: string;
  /** The prefix under which a router (Express) or a plugin scope (Fastify) is mounted, for instance `/tenants/:tenant`. */
  readonly mount?: string | undefined;
  readonly handler: (request: SuiteRequest) => SuiteAnswer | Promise<SuiteAnswer>;
  readonly limit?:
    | { readonly policy: string; readonly key?: ((request: SuiteRequest) => string | undefined) | undefined }
    | undefined;
}

/** One route that answers with a stream. */
export interface SuiteStream {
  readonly path: string;
  readonly mount?: string | undefined;
  readonly plan: (request: SuiteRequest) => SsePlan | SseRefusal | Promise<SsePlan | SseRefusal>;
}

/** The application that a case needs, for the harness to build in its framework's own way. */
export interface SuiteApp {
  readonly pando: Pando;
  readonly http: HttpOptions;
  readonly routes: readonly SuiteRoute[];
  readonly streams: readonly SuiteStream[];
  /** Headers that middleware, or an `onRequest` hook, sets on every answer before the adapter is asked. */
  readonly before: Readonly<Record<string, string>>;
  /** The application's own error handler; undefined: none is installed. */
  readonly onError: ((error: unknown) => SuiteAnswer) | undefined;
  /** Whether the framework believes `X-Forwarded-For`. */
  readonly trustProxy: boolean;
  /** Whether answers are compressed by the framework's usual middleware, where it has one that wraps responses. */
  readonly compress: boolean;
  readonly ws: WsRoute | readonly WsRoute[] | undefined;
  /** Another listener of upgrades, added before the adapter's. */
  readonly onUpgrade: ((request: IncomingMessage, socket: Duplex) => void) | undefined;
  readonly closeTimeoutMs: number | undefined;
}

/** What `listen` of the adapter returned. */
export interface SuiteServing {
  readonly port: number;
  readonly server: HttpServer;
  close(): Promise<void>;
}

/** How the suite gets at one framework. */
export interface AdapterHarness {
  /** Shown in the names of the cases. */
  readonly name: string;
  /** Builds the application on the adapter under test and listens on 127.0.0.1, on the given port or a free one. */
  listen(app: SuiteApp, port: number): Promise<SuiteServing>;
}
