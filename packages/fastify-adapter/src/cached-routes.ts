import { type AnswerRecorder, type Door, tapHead, type Visit } from '@pando/core/http';
import type { FastifyInstance, FastifyReply, FastifyRequest, RouteOptions } from 'fastify';

/**
 * Answers routes that say `config.pando.cache` out of the cache.
 *
 * What is stored is what the handler gives to the first of the `onSend` hooks, and what is answered goes through all of them: hooks that
 * compress, sign or set cookies do their work on every answer.
 */
export function addCachedRoutes(
  app: FastifyInstance,
  door: Door,
  visitOf: (request: FastifyRequest, reply: FastifyReply) => Visit,
): void {
  const recorders = new WeakMap<FastifyRequest, AnswerRecorder>();

  app.addHook('onRoute', (route: RouteOptions) => {
    const options = route.config?.pando?.cache;
    if (options === undefined) return;
    const responses = door.responses(options);
    const lookUp = (request: FastifyRequest, reply: FastifyReply, done: (error?: Error) => void): void => {
      const visit = visitOf(request, reply);
      const answer = async (): Promise<void> => {
        const cached = await responses.serve(visit, request, (recorder) => {
          if (recorder !== undefined) {
            recorders.set(request, recorder);
            tapHead(reply.raw, recorder);
          }
          done();
        });
        if (cached !== undefined) reply.code(cached.status).headers(cached.headers).send(cached.body);
      };
      door.run(visit, answer).catch(done);
    };
    // Last: who may have the answer, and how often, is decided before.
    route.preHandler = [...[route.preHandler ?? []].flat(), lookUp];
  });

  app.addHook('onSend', (request, reply, payload, done) => {
    const recorder = recorders.get(request);
    if (recorder?.isOpen !== true) return done(null, payload);
    const held = recorder.hold(reply.statusCode);
    if (held !== undefined) {
      void held.then((instead) => {
        if (instead === undefined) return done(null, payload);
        for (const name of Object.keys(reply.getHeaders())) reply.removeHeader(name);
        const headers = { ...recorder.before, ...instead.headers };
        for (const [name, value] of Object.entries(headers)) reply.header(name, value);
        reply.code(instead.status);
        done(null, instead.body ?? null);
      });
      return;
    }
    const body = bytesOf(payload);
    if (body === undefined) {
      recorder.refuse('stream');
      return done(null, payload);
    }
    const revision = recorder.begin(reply.statusCode, reply.getHeaders(), body);
    recorder.add(body);
    recorder.end();
    if (revision === undefined) return done(null, payload);
    for (const name of revision.removed) reply.removeHeader(name);
    reply.code(revision.status).headers(revision.headers);
    done(null, revision.status === 304 ? null : payload);
  });
}

/** The bytes of a payload; undefined for a stream. */
function bytesOf(payload: unknown): Buffer | undefined {
  if (payload === undefined || payload === null) return Buffer.alloc(0);
  if (typeof payload === 'string') return Buffer.from(payload);
  return payload instanceof Uint8Array
    ? Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength)
    : undefined;
}
