import {
  type AdapterHarness,
  adapterSuite,
  type SuiteAnswer,
  type SuiteRequest,
} from '@pando/core/testing/suites';
import { pandoFastify } from '@pando/fastify-adapter';
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';

/** An application of Fastify, built as its users build theirs. */
const harness: AdapterHarness = {
  name: 'Fastify 5',
  async listen({ pando, http, ws, closeTimeoutMs, ...spec }, port) {
    const app = Fastify({ trustProxy: spec.trustProxy });
    app.addHook('onRequest', async (_request, reply) => {
      reply.headers(spec.before);
    });
    if (spec.onUpgrade !== undefined) app.server.on('upgrade', spec.onUpgrade);
    await app.register(pandoFastify, { pando, ...http, ws, closeTimeoutMs });
    const { onError } = spec;
    if (onError !== undefined) app.setErrorHandler((error, _request, reply) => send(reply, onError(error)));

    const scopeAt = (mount: string | undefined, add: (scope: FastifyInstance) => void): void => {
      if (mount === undefined) add(app);
      else app.register(async (scope) => add(scope), { prefix: mount });
    };
    for (const { method, mount, path, handler, limit } of spec.routes) {
      const key = limit?.key;
      const config = limit && {
        pando: {
          limit: key
            ? { policy: limit.policy, key: (request: FastifyRequest) => key(requestOf(request)) }
            : limit.policy,
        },
      };
      scopeAt(mount, (scope) => {
        scope.route({
          method,
          url: path,
          ...(config && { config }),
          handler: async (request, reply) => send(reply, await handler(requestOf(request))),
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
    return app.pando.listen({ port, host: '127.0.0.1' });
  },
};

function requestOf(request: FastifyRequest): SuiteRequest {
  const { method, originalUrl: url, headers, params, body } = request;
  return { method, url, headers, params: params as Record<string, string>, body };
}

function send(reply: FastifyReply, { status = 200, headers = {}, body = '' }: SuiteAnswer): FastifyReply {
  return reply.code(status).headers(headers).send(body);
}

adapterSuite(harness);
