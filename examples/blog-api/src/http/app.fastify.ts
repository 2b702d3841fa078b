import type { Serving } from '@pando/core/http';
import { pandoFastify } from '@pando/fastify-adapter';
import { type FastifyReply, type FastifyRequest, fastify } from 'fastify';
import type { User } from '../auth/user.js';
import type { Blog } from '../blog.js';
import { notificationPaths, notificationPlan } from '../notifications/notification-stream.js';
import { clientsOf } from './clients.js';
import { priorityOf } from './priority.js';
import { noSuchRoute, problemAnswer } from './problem.js';
import { maxBodyBytes, render } from './render.js';
import { type Answer, type ApiRequest, cachingOf, dispatch, limitOf } from './route.js';

declare module 'fastify' {
  interface FastifyRequest {
    /** Who is asking, on routes that want to know. */
    user: User | undefined;
  }
}

/** Serves the blog with Fastify. */
export async function serve({ pando, config, logger, sessions, routes, sockets }: Blog): Promise<Serving> {
  const app = fastify({
    bodyLimit: maxBodyBytes,
    trustProxy: [...config.proxies], // for the scheme
    frameworkErrors: (error, _request, reply) => void send(reply, problemAnswer(error, logger)),
  });
  app.removeContentTypeParser('text/plain'); // bodies are JSON
  await app.register(pandoFastify, {
    pando,
    ws: sockets,
    ...clientsOf(config),
    priority: priorityOf,
    balancerIdleMs: 60_000,
  });
  app.decorateRequest('user');

  app.setErrorHandler((error, _request, reply) => send(reply, problemAnswer(error, logger)));
  app.setNotFoundHandler((request, reply) => send(reply, noSuchRoute(request.method, request.originalUrl)));

  const identify = async (request: FastifyRequest) => {
    request.user = await sessions.userOf(request.headers);
  };

  for (const route of routes) {
    app.route({
      method: route.method.toUpperCase(),
      url: route.path,
      onRequest: route.auth === undefined ? [] : [identify],
      config: {
        pando: {
          limit: limitOf<FastifyRequest>(route),
          cache: cachingOf<FastifyRequest>(route),
        },
      },
      handler: async (request, reply) =>
        send(reply, await dispatch(route, requestOf(request, app.pando.clientAddress(request)))),
    });
  }
  for (const path of notificationPaths) {
    const stream = app.pando.sse((request) =>
      notificationPlan(request.user, request.query as ApiRequest<undefined>['query']),
    );
    app.get(path, { onRequest: [identify] }, stream);
  }

  return app.pando.listen({ port: config.port, host: config.host });
}

function requestOf(request: FastifyRequest, address: string): ApiRequest<User | undefined> {
  const { body, headers, user } = request;
  const { params, query } = request as Pick<ApiRequest<undefined>, 'params' | 'query'>;
  return { params, query, body, headers, secure: request.protocol === 'https', address, user };
}

function send(reply: FastifyReply, answer: Answer): FastifyReply {
  const { status, headers, payload } = render(answer);
  return reply.code(status).headers(headers).send(payload);
}
