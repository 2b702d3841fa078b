import { problemOf } from '@pando/core/http';
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';

type ErrorHandler = FastifyInstance['errorHandler'];

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
  const standard = new StandardHandlers();
  let hasOwnHandlers = false;
  app.addHook('onRoute', (route) => {
    hasOwnHandlers ||= route.errorHandler !== undefined;
  });

  return (request, reply, refusal, done) => {
    const isOurs = !hasOwnHandlers && standard.has(request.server.errorHandler);
    const problem = isOurs ? problemOf(refusal) : undefined;
    if (problem === undefined) {
      done(refusal);
      return;
    }
    const { status, headers, body } = problem;
    reply.code(status).headers(headers).send(Buffer.from(body)); // of a string, Fastify would name a charset: JSON has none
  };
}

/** Knows the error handler of who has none. */
class StandardHandlers {
  /** By its text, since the application may have another copy of Fastify; of another version, it may not be known. */
  readonly #text = String(fastify().errorHandler);
  readonly #known = new WeakMap<ErrorHandler, boolean>();

  has(handler: ErrorHandler): boolean {
    let isStandard = this.#known.get(handler);
    if (isStandard === undefined) {
      isStandard = String(handler) === this.#text;
      this.#known.set(handler, isStandard);
    }
    return isStandard;
  }
}
