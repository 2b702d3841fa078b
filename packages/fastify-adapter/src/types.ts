import type {
  DoorwayOptions,
  HttpOptions,
  Kit,
  LimitOptions,
  ListenAddress,
  ResponseCacheOptions,
  RouteLoad,
  Serving,
  SsePlan,
  SseRefusal,
} from '@pando/core/http';
import type { FastifyReply, FastifyRequest } from 'fastify';

/** Options of the plugin. */
export interface PandoFastifyOptions extends HttpOptions, DoorwayOptions {
  /** What `createPando` returned. */
  readonly pando: Kit;
}

/**
 * A limit, whom it counts, for how much and as which tier.
 *
 * Functions are asked after the application's own `onRequest` and `preValidation` hooks, and once the body is there. Without
 * one, the address is counted before all that.
 */
export interface RouteLimit extends LimitOptions<FastifyRequest> {
  /** The name of a policy of `pando.limits`. */
  readonly policy: string;
}

/** What a route says about itself: `{ config: { pando: { limit: 'write' } } }`. */
export interface PandoRouteConfig extends RouteLoad {
  /**
   * Lets only so many requests pass. A refusal reaches the error handler as `LimitExceededError`, with `statusCode` 429.
   * A policy that does not exist is refused when the route is added.
   */
  readonly limit?: string | RouteLimit | undefined;
  /**
   * Answers out of `pando.cache`, and stores there what the handler answers: across all instances, until it expires or one
   * of its tags is invalidated. A client that has written is never answered with what was stored before.
   *
   * The handler runs once in this process for all who ask for the same at the same time. Hooks up to `preHandler` run on
   * every request, limits among them; so do `onSend` hooks, on what was stored. Answers with cookies, streams, and statuses
   * other than those chosen pass through; so do requests with credentials, unless `identity` says whose answer it is.
   * Options that cannot be right are refused when the route is added.
   */
  readonly cache?: ResponseCacheOptions<FastifyRequest> | undefined;
}

/** What the plugin adds to the instance as `app.pando`. */
export interface PandoFastify {
  /**
   * A route handler that answers with a stream of server-sent events.
   *
   * `plan` says which channels it follows, after it has made sure that the client may; or the status to refuse with.
   */
  sse<Request extends FastifyRequest = FastifyRequest>(
    plan: (request: Request) => SsePlan | SseRefusal | Promise<SsePlan | SseRefusal>,
  ): (request: Request, reply: FastifyReply) => Promise<FastifyReply>;
  /** The address of the client, as `clients` says or, without it, Fastify's own `trustProxy`: what limits go by. */
  clientAddress(request: FastifyRequest): string;
  /**
   * Begins to listen, and makes the kit's shutdown end the application, too.
   *
   * `close()` of what it resolves to closes the application as well. @throws `ListenError`, in one line that says what to do.
   */
  listen(address: ListenAddress): Promise<Serving>;
}

declare module 'fastify' {
  interface FastifyInstance {
    readonly pando: PandoFastify;
  }
  interface FastifyContextConfig {
    readonly pando?: PandoRouteConfig | undefined;
  }
}
