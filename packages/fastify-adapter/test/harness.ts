import fastifyCompress from '@fastify/compress';
import {
  type AdapterHarness,
  cacheOptionsFor,
  limitOptionsFor,
  type SuiteAnswer,
  type SuiteRequest,
} from '@pando/core/testing/suites';
import { pandoFastify } from '@pando/fastify-adapter';
import type { FastifyInstance, FastifyReply, FastifyRequest, fastify } from 'fastify';

/** Listens for the adapter suite with an application of Fastify, built as its users build theirs. */
export function listenWith(framework: typeof fastify): AdapterHarness['listen'] {
  return async ({ pando, http, ws, closeTimeoutMs, ...spec }, port) => {
    const app = framework({
      http2: spec.http2 as false, // the types of both differ in nothing that is used here
      trustProxy: spec.trustProxy,
      // The access log of Fastify: one line for each answer that is over.
      logger: {
        level: spec.accessLog ? 'info' : 'silent',
        serializers: { res: ({ request }) => ({ url: request?.originalUrl }) },
        stream: {
          write(line: string) {
            const { msg, res } = JSON.parse(line) as { msg: string; res?: { url: string } };
            if (msg === 'request completed' && res !== undefined) spec.accessLog?.(res.url);
          },
        },
      },
    });
    app.addHook('onRequest', async (_request, reply) => {
      reply.headers(spec.before);
    });
    // Requests that their client gave up have a hook of their own.
    app.addHook('onRequestAbort', async ({ originalUrl }) => spec.accessLog?.(originalUrl));
    if (spec.onUpgrade !== undefined) app.server.on('upgrade', spec.onUpgrade);
    if (spec.compress) await app.register(fastifyCompress);
    await app.register(pandoFastify, { pando, ...http, ws, closeTimeoutMs });
    const { onError } = spec;
    if (onError !== undefined) app.setErrorHandler((error, _request, reply) => send(reply, onError(error)));

    const scopeAt = (mount: string | undefined, add: (scope: FastifyInstance) => void): void => {
      if (mount === undefined) add(app);
      else app.register(async (scope) => add(scope), { prefix: mount });
    };
    for (const { method, mount, path, handler, limit, load, cache } of spec.routes) {
      const config = {
        pando: {
          ...load,
          limit: limit && { policy: limit.policy, ...limitOptionsFor(limit, requestOf) },
          cache: cache && cacheOptionsFor(cache, requestOf),
        },
      };
      scopeAt(mount, (scope) => {
        scope.route({
          method,
          url: path,
          config,
          handler: async (request, reply) =>
            send(reply, await handler(requestOf(request), app.pando.clientAddress(request))),
        });
      });
    }
    for (const { mount, path, plan } of spec.streams) {
      scopeAt(mount, (scope) => {
        scope.get(
          path,
          scope.pando.sse((request) => plan(requestOf(request))),
        );
      });
    }
    const serving = await app.pando.listen({ port, host: '127.0.0.1' });
    return {
      ...serving,
      async inject(url, headers = {}) {
        const { statusCode: status, headers: answered, body } = await app.inject({ url, headers });
        return { status, headers: answered, body };
      },
    };
  };
}

function requestOf(request: FastifyRequest): SuiteRequest {
  const { method, originalUrl: url, headers, params, body } = request;
  return { method, url, headers, params: params as Record<string, string>, body };
}

function send(reply: FastifyReply, { status = 200, headers = {}, body = '' }: SuiteAnswer): FastifyReply {
  return reply.code(status).headers(headers).send(body);
}
