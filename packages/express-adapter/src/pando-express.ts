import { createServer, type ServerResponse } from 'node:http';
import {
  addressSeenBy,
  Door,
  Doorway,
  type DoorwayOptions,
  type FrameworkView,
  type HttpOptions,
  type HttpServer,
  type Kit,
  type LimitOptions,
  type ListenAddress,
  type NodeExchange,
  problemOf,
  type ResponseCacheOptions,
  type RouteLoad,
  type Serving,
  type SsePlan,
  type SseRefusal,
  tapAnswer,
  type Visit,
} from '@pando/core/http';
import { RouteLabels } from './route-label.js';
import { ShapedRequest, ShapedResponse } from './shaped-messages.js';
import type { ExpressApp, ExpressErrorHandler, ExpressHandler, ExpressRequest, Next } from './types.js';

/** Where to listen, and what to accept besides requests. */
export interface ListenOptions<Identity = unknown> extends ListenAddress, DoorwayOptions<Identity> {}

/** What {@link pandoExpress} gives. */
export interface PandoExpress {
  /**
   * Opens the context of each request: put it before the routes.
   *
   * Everything below it knows what the client has seen, answers with what it has seen since, and is counted. It also
   * answers health checks and metrics, and refuses what `pando.overload` does not admit.
   */
  context(): ExpressHandler;
  /**
   * Says how much requests matter when the instance has too much to do: see `pando.overload`. Put it before `context()` for
   * what matters more than others; what comes after `context()` can only matter less, or belong to another group.
   *
   * A refusal reaches the application's error handlers as `OverloadedError`, with `status` 503 and `headers`.
   *
   * @throws `PandoOptionsError`, `UnknownGroupError` at once.
   */
  priority(priority: NonNullable<RouteLoad['priority']>, options?: Pick<RouteLoad, 'group'>): ExpressHandler;
  /**
   * Lets only so many requests pass. A refusal reaches the application's error handlers as `LimitExceededError`, with
   * `status` 429 and `headers`. Whom it counts, for how much and as which tier may be asked of each request: put it behind
   * what finds out who sends it.
   *
   * @throws `UnknownPolicyError` or `PandoOptionsError` at once.
   */
  limit<Request extends ExpressRequest = ExpressRequest>(
    policy: string,
    options?: LimitOptions<Request>,
  ): ExpressHandler<Request>;
  /**
   * Answers with a stream of server-sent events.
   *
   * `plan` says which channels it follows, after it has made sure that the client may; or the status to refuse with.
   */
  sse<Request extends ExpressRequest = ExpressRequest>(
    plan: (request: Request) => SsePlan | SseRefusal | Promise<SsePlan | SseRefusal>,
  ): ExpressHandler<Request>;
  /**
   * Answers out of `pando.cache`, and stores there what the handlers after it answer: across all instances, until it
   * expires or one of its tags is invalidated. A client that has written is never answered with what was stored before.
   *
   * The handlers run once in this process for all who ask for the same at the same time. What the cache has is not asked of
   * middleware after it: put limits and authentication before. Answers with cookies, streams, and statuses other than
   * those chosen pass through; so do requests with credentials, unless `identity` says whose answer it is.
   *
   * @throws `PandoOptionsError` at once.
   */
  cacheResponse<Request extends ExpressRequest = ExpressRequest>(
    options?: ResponseCacheOptions<Request>,
  ): ExpressHandler<Request>;
  /** The address of the client, as `clients` says or, without it, Express's own `trust proxy`: what limits go by. */
  clientAddress(request: ExpressRequest): string;
  /** Answers errors of Pando as problem documents (RFC 9457). {@link PandoExpress.listen} puts it last by itself. */
  problems(): ExpressErrorHandler;
  /**
   * Begins to listen, and makes the kit's shutdown end the server, too.
   *
   * Takes the application, or a server of your own. Given the application, it makes requests and responses with places for
   * all that Express sets on them, which saves time and memory. Errors of Pando that no error handler has answered become problem
   * documents from here on: call it when all routes are there.
   *
   * @throws `ListenError`, in one line that says what to do.
   */
  listen<Identity = unknown>(
    app: ExpressApp | HttpServer,
    options: ListenOptions<Identity>,
  ): Promise<Serving>;
}

/**
 * Pando for Express 4 and 5: middleware over one kit.
 *
 * @throws `PandoOptionsError`
 *
 * @example
 * ```ts
 * import express from 'express';
 *
 * const app = express();
 * const { context, limit, sse, listen } = pandoExpress(pando);
 * app.use(context());
 * app.put('/posts/:id', limit('write'), updatePost);
 * app.get('/events', sse(() => ({ channels: ['posts'] })));
 * await listen(app, { port: 3000 });
 * ```
 */
export function pandoExpress(pando: Kit, options?: HttpOptions): PandoExpress {
  const door = new Door(pando, options);
  const labels = new RouteLabels();
  const exchangeOf = (request: ExpressRequest, response: ServerResponse): NodeExchange =>
    door.exchange(request, response, new ExpressView(request, labels));
  // Where no context() came before, the visit begins here.
  const visitOf = (request: ExpressRequest, response: ServerResponse): Visit =>
    door.visitOf(request) ?? door.begin(request, exchangeOf(request, response));

  const isProbe = ({ method, url }: ExpressRequest) =>
    door.probes.find(method ?? '', url ?? '') !== undefined;
  /** Goes on in the context of the visit, where the instance may take it upon itself. */
  const enter = (visit: Visit, load: RouteLoad, next: Next): void => {
    const refusal = door.refusal(visit, load);
    if (refusal === undefined) door.enter(visit, next);
    else next(refusal);
  };

  const problems = (): ExpressErrorHandler => (error, request, response, next) => {
    const problem = response.headersSent ? undefined : problemOf(error);
    if (problem === undefined) return next(error);
    // Express logs what its own handler answers: what is answered here must not go unnoticed either.
    if (problem.status >= 500) pando.kernel.logger.error({ err: error }, 'A request failed.');
    const { exchange } = door.visitOf(request) ?? { exchange: exchangeOf(request, response) };
    exchange.reply(problem.status, problem.headers, problem.body);
  };

  return {
    problems,

    clientAddress: (request) => door.clientAddress(request, request.ip),

    context: () => (request, response, next) => {
      const probe = door.probes.find(request.method ?? '', request.url ?? '');
      if (probe === undefined) return enter(visitOf(request, response), {}, next);
      door.probes.answer(exchangeOf(request, response), probe).catch(next);
    },

    priority(priority, options = {}) {
      const load = { priority, ...options };
      door.checkRoute(load);
      return (request, response, next) =>
        isProbe(request) ? next() : enter(visitOf(request, response), load, next);
    },

    limit(policy, options) {
      const route = door.limitedRoute(policy, options);
      return (request, response, next) => {
        const visit = visitOf(request, response);
        door.enter(visit, () => door.limit(visit, route, request, next));
      };
    },

    sse: (plan) => (request, response, next) => {
      const visit = visitOf(request, response);
      const open = async () => door.sse(visit, await plan(request));
      door.enter(visit, () => void open().catch(next));
    },

    cacheResponse<Request extends ExpressRequest>(options?: ResponseCacheOptions<Request>) {
      const responses = door.responses(options);
      return (request: Request, response: ServerResponse, next: Next) => {
        const visit = visitOf(request, response);
        const answer = async (): Promise<void> => {
          const cached = await responses.serve(visit, request, (recorder) => {
            if (recorder !== undefined) tapAnswer(response, recorder);
            next();
          });
          if (cached !== undefined) visit.exchange.reply(cached.status, cached.headers, cached.body);
        };
        door.enter(visit, () => void answer().catch(next));
      };
    },

    async listen(app, options = {} as ListenOptions<never>) {
      const server =
        typeof app === 'function'
          ? createServer({ IncomingMessage: ShapedRequest, ServerResponse: ShapedResponse }, app)
          : app;
      const prototype = (app as { readonly request?: object }).request; // of an application; a server has none
      const doorway = new Doorway(door, server, options as ListenOptions, {
        addressOf: (request) => prototype && addressSeenBy(prototype, request),
      });
      if (typeof app === 'function') app.use(problems());
      try {
        return await doorway.listen({ port: options.port, host: options.host, signals: options.signals });
      } catch (cause) {
        doorway[Symbol.dispose]();
        throw cause;
      }
    },
  };
}

/** What Express knows of a request. */
class ExpressView implements FrameworkView {
  readonly #request: ExpressRequest;
  /** The application at the root: inside a mounted one, `request.app` is that. */
  readonly #app: unknown;
  readonly #labels: RouteLabels;

  constructor(request: ExpressRequest, labels: RouteLabels) {
    this.#request = request;
    this.#app = request.app;
    this.#labels = labels;
  }

  get url(): string {
    return this.#request.originalUrl;
  }

  get ip(): string | undefined {
    return this.#request.ip;
  }

  get secure(): boolean {
    return this.#request.secure;
  }

  get host(): string | undefined {
    return this.#request.hostname;
  }

  route(): string | undefined {
    return this.#labels.of(this.#app, this.#request);
  }
}
