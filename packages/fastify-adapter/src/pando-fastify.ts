import { PandoOptionsError } from '@pando/core';
import {
  addressSeenBy,
  Door,
  Doorway,
  type FrameworkServer,
  type FrameworkView,
  type HeaderValues,
  type ListenAddress,
  type Visit,
} from '@pando/core/http';
import type {
  FastifyInstance,
  FastifyPluginAsync,
  FastifyReply,
  FastifyRequest,
  onRequestHookHandler,
  RouteOptions,
} from 'fastify';
import fastifyPlugin from 'fastify-plugin';
import { addCachedRoutes } from './cached-routes.js';
import { addProblemBodies } from './problem-bodies.js';
import { refusalsOf } from './refusals.js';
import type { PandoFastify, PandoFastifyOptions, RouteLimit } from './types.js';

const plugin: FastifyPluginAsync<PandoFastifyOptions> = async (app, options) => {
  if (app.hasDecorator('pando')) throw registeredTwice();
  // The last three are Fastify's own.
  const {
    pando,
    ws,
    closeTimeoutMs,
    prefix: _p,
    logLevel: _l,
    logSerializers: _s,
    ...http
  } = options as PandoFastifyOptions & Record<'prefix' | 'logLevel' | 'logSerializers', unknown>;
  const door = new Door(pando, http, ['ws', 'closeTimeoutMs']);
  /** Known from the first request on, at the latest when a balancer has asked for readiness. */
  let prototype: object | undefined;
  const doorway = new Doorway(
    door,
    app.server,
    { ws, closeTimeoutMs },
    {
      ...frameworkServer(app),
      addressOf: (request) => prototype && addressSeenBy(prototype, request),
    },
  );

  /** What routes say that were registered after this plugin. */
  const settled = new WeakSet<object>();
  const refuse = refusalsOf(app);

  const visitOf = (
    request: FastifyRequest,
    reply: FastifyReply,
    route?: FastifyRequest['routeOptions'],
  ): Visit =>
    door.visitOf(request.raw) ??
    door.begin(request.raw, door.exchange(request.raw, reply.raw, new FastifyView(request, reply, route)));

  app.addHook('onRequest', (request, reply, done) => {
    const route = request.routeOptions; // which Fastify puts together anew for each who asks
    const settings = route.config?.pando;
    if (settings !== undefined && !settled.has(settings)) return done(registeredTooEarly(request));
    prototype ??= Object.getPrototypeOf(request) as object;
    if (door.probes.find(request.method, request.originalUrl) !== undefined) return done();
    const visit = visitOf(request, reply, route);
    const refusal = door.refusal(visit, settings);
    if (refusal === undefined) door.enter(visit, done);
    else refuse(request, reply, refusal, done);
  });
  // A hook of the application may have gone on in a callback of another context: of a pool, say.
  app.addHook('preValidation', (request, _reply, done) => door.resume(request.raw, done));

  app.addHook('onRoute', (route) => {
    const settings = route.config?.pando;
    if (settings === undefined) return;
    door.checkRoute(settings);
    settled.add(settings);
    const { limit } = settings;
    if (limit !== undefined) addLimit(route, typeof limit === 'string' ? { policy: limit } : limit);
  });

  function addLimit(route: RouteOptions, options: RouteLimit): void {
    const limited = door.limitedRoute(options.policy, options, ['policy']);
    const pass: onRequestHookHandler = (request, reply, done) =>
      door.limit(visitOf(request, reply), limited, request, (refusal) => {
        if (refusal === undefined) done();
        else refuse(request, reply, refusal as Error, done);
      });
    // An address is known before anything else; who somebody is, the application's own hooks have to find out first.
    if (limited.asks) route.preHandler = [...[route.preHandler ?? []].flat(), pass];
    else route.onRequest = [pass, ...[route.onRequest ?? []].flat()];
  }

  addCachedRoutes(app, door, visitOf); // after limits: its place is behind theirs
  addProblemBodies(app);
  addProbes(app, door);

  app.addHook('onListen', async () => doorway.enlist());
  // Fastify waits for open connections without end: streams and sockets have to be told.
  app.addHook('preClose', () => doorway.close());

  const decoration: PandoFastify = {
    sse: (plan) => async (request, reply) => {
      const visit = visitOf(request, reply);
      await door.run(visit, async () => door.sse(visit, await plan(request)));
      return reply;
    },
    clientAddress: (request) => door.clientAddress(request.raw, request.ip),
    listen: (address) => doorway.listen(address),
  };
  app.decorate('pando', decoration);
};

/**
 * Pando for Fastify 5: one plugin over one kit.
 *
 * Requests get a context, tokens and metrics; health checks and metrics get routes; routes get limits by
 * `config.pando.limit`. Its hooks hold for the whole application: register it first. Errors of Pando go through the
 * application's error handler; without one they are answered as problem documents (RFC 9457).
 *
 * @throws `PandoOptionsError` when the application gets ready.
 *
 * @example
 * ```ts
 * import fastify from 'fastify';
 *
 * const app = fastify();
 * await app.register(pandoFastify, { pando });
 * app.put('/posts/:id', { config: { pando: { limit: 'write' } } }, updatePost);
 * app.get('/events', app.pando.sse(() => ({ channels: ['posts'] })));
 * await app.pando.listen({ port: 3000 });
 * ```
 */
export const pandoFastify: FastifyPluginAsync<PandoFastifyOptions> = fastifyPlugin(plugin, {
  fastify: '5.x',
  name: '@pando/fastify-adapter',
});

function registeredTwice(): PandoOptionsError {
  return new PandoOptionsError({
    code: 'PANDO_HTTP_OPTIONS',
    message:
      'pandoFastify is registered already, or something else has decorated the application with "pando". ' +
      'Register it once, at the root: its hooks and app.pando reach every scope below.',
  });
}

/** Hooks reach such a route, but its limits were never put before it. */
function registeredTooEarly({ method, routeOptions: { url } }: FastifyRequest): PandoOptionsError {
  return new PandoOptionsError({
    code: 'PANDO_HTTP_OPTIONS',
    message:
      `The route ${method} ${url} has config.pando, but is older than the plugin, so what it says does not hold. ` +
      'Write "await app.register(pandoFastify, { pando })" before the routes.',
  });
}

/** What others read who limit or trace by route: probes come often, and must be answered. */
const unobserved: object = { rateLimit: false, otel: false };

function addProbes(app: FastifyInstance, door: Door): void {
  for (const path of door.probes.paths) {
    app.route({
      method: 'GET',
      url: path,
      exposeHeadRoute: true,
      logLevel: 'warn',
      config: unobserved,
      async handler(request, reply) {
        const probe = door.probes.find(request.method, path);
        const exchange = door.exchange(request.raw, reply.raw, new FastifyView(request, reply));
        if (probe !== undefined) await door.probes.answer(exchange, probe);
        return reply;
      },
    });
  }
}

function frameworkServer(app: FastifyInstance): FrameworkServer {
  return {
    async bind({ port, host }: ListenAddress) {
      if (host !== undefined) return app.listen({ port, host });
      // As node:http does when it gets no host: every address, with IPv6 where the machine has it.
      return app.listen({ port, host: '::' }).catch((cause: NodeJS.ErrnoException) => {
        if (cause.code !== 'EAFNOSUPPORT' && cause.code !== 'EADDRNOTAVAIL') throw cause;
        return app.listen({ port, host: '0.0.0.0' });
      });
    },
    release: () => app.close(),
  };
}

/** What Fastify knows of a request. */
class FastifyView implements FrameworkView {
  readonly #request: FastifyRequest;
  readonly #reply: FastifyReply;
  readonly #route: FastifyRequest['routeOptions'] | undefined;

  constructor(request: FastifyRequest, reply: FastifyReply, route?: FastifyRequest['routeOptions']) {
    this.#request = request;
    this.#reply = reply;
    this.#route = route;
  }

  get url(): string {
    return this.#request.originalUrl;
  }

  get ip(): string {
    return this.#request.ip;
  }

  get secure(): boolean {
    return this.#request.protocol === 'https';
  }

  get host(): string {
    return this.#request.hostname;
  }

  answerHeaders(): HeaderValues {
    return this.#reply.getHeaders();
  }

  route(): string | undefined {
    return (this.#route ?? this.#request.routeOptions).url;
  }

  /** Fastify keeps the headers of hooks and plugins (CORS, cookies) to itself until it answers: hand them on. */
  detach(): void {
    this.#reply.hijack();
    for (const [name, value] of Object.entries(this.#reply.getHeaders())) {
      if (value !== undefined) this.#reply.raw.setHeader(name, value);
    }
  }
}
