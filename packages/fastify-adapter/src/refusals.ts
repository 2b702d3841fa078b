import { problemOf } from '@pando/core/http';
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';

/** Answers a request that may not go on; `done` is its hook's. */
export type Refuse = (
  request: FastifyRequest,
  reply: FastifyReply,
  refusal: Error,
  done: (error: Error) => void,
) => void;

/**
 * Answers refusals as problem documents (RFC 9457) themselves where the application has no error handler of its own, and as
 * errors where it has.
 *
 * What an application is asked most when it is attacked or has too much to do has to cost little: the way of an error through
 * Fastify takes several times as long as the request would have.
 */
export function refusalsOf(app: FastifyInstance): Refuse {
  // The same function in all applications of one copy of Fastify; with another copy, refusals go the way of errors.
  const standard = fastify().errorHandler;
  let hasOwnHandlers = false;
  app.addHook('onRoute', (route) => {
    hasOwnHandlers ||= route.errorHandler !== undefined;
  });

  return (request, reply, refusal, done) => {
    const isOurs = !hasOwnHandlers && request.server.errorHandler === standard;
    const problem = isOurs ? problemOf(refusal) : undefined;
    if (problem === undefined) done(refusal);
    else reply.code(problem.status).headers(problem.headers).send(Buffer.from(problem.body)); // of a text, Fastify would name the charset, which JSON has none of
  };
}
