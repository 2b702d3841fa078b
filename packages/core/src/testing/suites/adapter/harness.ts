import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type {
  HttpOptions,
  HttpServer,
  LimitOptions,
  ResponseCacheOptions,
  RouteLoad,
  SsePlan,
  SseRefusal,
  WsRoute,
} from '../../../http/index.js';
import type { Pando } from '../../../pando.js';

/** A request as the suite's handlers see it, whatever the framework. */
export interface SuiteRequest {
  readonly method: string;
  /** As the client sent it, mount prefixes included. */
  readonly url: string;
  readonly headers: IncomingMessage['headers'];
  readonly params: Readonly<Record<string, string>>;
  /** The parsed JSON body, if there was one. */
  readonly body: unknown;
}

/** An answer of the suite's handlers. */
export interface SuiteAnswer {
  /** @defaultValue `200` */
  readonly status?: number | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  readonly body?: string | undefined;
}

/** A policy, and what the route says of whom it limits. */
export interface SuiteLimit extends LimitOptions<SuiteRequest> {
  readonly policy: string;
}

/** One route. What its handler throws goes where the framework sends errors of handlers. */
export interface SuiteRoute {
  readonly method: 'GET' | 'POST' | 'PUT';
  /** With `:name` parameters; below `mount`. */
  readonly path: string;
  /** The prefix under which a router (Express) or a plugin scope (Fastify) is mounted, for instance `/tenants/:tenant`. */
  readonly mount?: string | undefined;
  /** `address` is the client's, as the adapter's own `clientAddress` tells it. */
  readonly handler: (request: SuiteRequest, address: string) => SuiteAnswer | Promise<SuiteAnswer>;
  /** The adapter's limit on this route; the adapter's own options get those of {@link LimitOptions}. */
  readonly limit?: SuiteLimit | undefined;
  /** How much the route matters, said in the framework's own way: once it is known that this route answers. */
  readonly load?: RouteLoad | undefined;
  /** How the adapter caches this route's answers, behind the limit; asked only where {@link AdapterSupport.cachedRoutes} says so. */
  readonly cache?: ResponseCacheOptions<SuiteRequest> | undefined;
}

/** One route that answers GET with the adapter's stream of server-sent events. */
export interface SuiteStream {
  readonly path: string;
  readonly mount?: string | undefined;
  readonly plan: (request: SuiteRequest) => SsePlan | SseRefusal | Promise<SsePlan | SseRefusal>;
}

/**
 * The application that a case needs, for the harness to build as users of its framework would.
 *
 * In this order: the headers of `before`, compression, the adapter, the access log, a parser of JSON bodies, the routes
 * and streams, the error handler.
 */
export interface SuiteApp {
  /** The kit to hand to the adapter. The suite closes it. */
  readonly pando: Pando;
  /** The adapter's options besides the kit. */
  readonly http: HttpOptions;
  readonly routes: readonly SuiteRoute[];
  readonly streams: readonly SuiteStream[];
  /** Headers that middleware, or a hook, sets on every answer before the adapter is asked, in the framework's own way. */
  readonly before: Readonly<Record<string, string | string[]>>;
  /** The application's own error handler; undefined: none is installed. */
  readonly onError: ((error: unknown) => SuiteAnswer) | undefined;
  /** Told the URL of each request that is over, answered or given up, by the means that access logs of the framework use. */
  readonly accessLog: ((url: string) => void) | undefined;
  /** Whether the framework believes `X-Forwarded-For` and `X-Forwarded-Proto`. */
  readonly trustProxy: boolean;
  /** Whether answers are compressed by what users of the framework install for that. */
  readonly compress: boolean;
  /** Whether the server speaks HTTP/2 in clear text. Asked only where {@link AdapterSupport.http2} says so. */
  readonly http2: boolean;
  /** The adapter's WebSocket routes. */
  readonly ws: WsRoute | readonly WsRoute[] | undefined;
  /** Another listener of `'upgrade'`, to be added to the server before the adapter's. */
  readonly onUpgrade: ((request: IncomingMessage, socket: Duplex) => void) | undefined;
  /** The adapter's `closeTimeoutMs`. */
  readonly closeTimeoutMs: number | undefined;
}

/** An answer to a request that was never on a wire. */
export interface InjectedAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly body: string;
}

/** What `listen` of the adapter returned. */
export interface SuiteServing {
  readonly port: number;
  readonly server: HttpServer;
  /** Ends the server by the adapter's own `close()`. */
  close(): Promise<void>;
  /** Asks the application without a socket. There where {@link AdapterSupport.inject} says so. */
  inject?(url: string, headers?: Readonly<Record<string, string>>): Promise<InjectedAnswer>;
}

/** What not every framework can do; its cases run where it can. Everything else an adapter has to pass. */
export interface AdapterSupport {
  /** Serves HTTP/2. */
  readonly http2: boolean;
  /** Answers injected requests. */
  readonly inject: boolean;
  /** Caches answers of routes. */
  readonly cachedRoutes: boolean;
}

/**
 * How the suite gets at one framework.
 *
 * @example
 * ```ts
 * import fastifyCompress from '@fastify/compress';
 * import { pandoFastify } from '@pando/fastify-adapter';
 * import Fastify, { type FastifyReply, type FastifyRequest } from 'fastify';
 * import { type AdapterHarness, adapterSuite, cacheOptionsFor, limitOptionsFor } from '@pando/core/testing/suites';
 *
 * const harness: AdapterHarness = {
 *   name: 'Fastify 5',
 *   supports: { http2: false, inject: false, cachedRoutes: true },
 *   redis: process.env.REDIS_URL,
 *   async listen({ pando, http, ws, closeTimeoutMs, ...spec }, port) {
 *     const app = Fastify({ trustProxy: spec.trustProxy });
 *     app.addHook('onRequest', async (_request, reply) => void reply.headers(spec.before));
 *     app.addHook('onResponse', async (request) => spec.accessLog?.(request.originalUrl));
 *     if (spec.onUpgrade) app.server.on('upgrade', spec.onUpgrade);
 *     if (spec.compress) await app.register(fastifyCompress);
 *     await app.register(pandoFastify, { pando, ...http, ws, closeTimeoutMs });
 *     const { onError } = spec;
 *     if (onError) app.setErrorHandler((error, _request, reply) => send(reply, onError(error)));
 *     for (const { method, mount: prefix = '', path, handler, limit, load, cache } of spec.routes) {
 *       const limited = limit && { policy: limit.policy, ...limitOptionsFor(limit, requestOf) };
 *       const cached = cache && cacheOptionsFor(cache, requestOf);
 *       const config = { pando: { ...load, limit: limited, cache: cached } };
 *       const answer = async (request: FastifyRequest, reply: FastifyReply) =>
 *         send(reply, await handler(requestOf(request), app.pando.clientAddress(request)));
 *       app.register(async (scope) => scope.route({ method, url: path, config, handler: answer }), { prefix });
 *     }
 *     for (const { mount: prefix = '', path, plan } of spec.streams) {
 *       const stream = app.pando.sse((request: FastifyRequest) => plan(requestOf(request)));
 *       app.register(async (scope) => scope.get(path, stream), { prefix });
 *     }
 *     return app.pando.listen({ port, host: '127.0.0.1' });
 *   },
 * };
 *
 * adapterSuite(harness);
 * ```
 */
export interface AdapterHarness {
  /** Heads the names of the cases. */
  readonly name: string;
  readonly supports: AdapterSupport;
  /** A Redis on which two instances of a case meet. Without one the cases of two instances are left out. */
  readonly redis?: string | undefined;
  /**
   * The arguments with which `node` runs a program that calls `serveOnce` with this harness: shows that the process ends
   * by itself. Without one that case is left out.
   */
  readonly program?: (() => readonly string[] | Promise<readonly string[]>) | undefined;
  /**
   * Builds the application on the adapter under test, and listens on 127.0.0.1 through the adapter's `listen`, on the
   * given port; 0 means a free one. Rejects with what the adapter throws, having left nothing open.
   */
  listen(app: SuiteApp, port: number): Promise<SuiteServing>;
}
