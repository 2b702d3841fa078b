import { STATUS_CODES } from 'node:http';
import { problemOf } from '@pando/core/http';
import type { FastifyInstance, FastifyRequest } from 'fastify';

/** An error whose answer nobody has shaped. */
interface Failure {
  readonly error: Error & { readonly code?: string };
  readonly problem: NonNullable<ReturnType<typeof problemOf>>;
}

/**
 * Turns the default body of Fastify for errors of Pando into a problem document (RFC 9457).
 *
 * A body of the application's own error handler is left as it is; the one that Fastify makes of an error is known to the
 * letter.
 */
export function addProblemBodies(app: FastifyInstance): void {
  const failures = new WeakMap<FastifyRequest, Failure>();

  app.addHook('onError', (request, _reply, error, done) => {
    const problem = problemOf(error);
    if (problem !== undefined) failures.set(request, { error, problem });
    done();
  });

  app.addHook('onSend', (request, reply, payload, done) => {
    const failure = failures.get(request);
    if (failure === undefined || payload !== defaultBody(failure.error, reply.statusCode))
      return done(null, payload);
    const { headers, body } = failure.problem;
    reply.headers(headers).header('content-length', Buffer.byteLength(body));
    done(null, body);
  });
}

function defaultBody({ code, message }: Failure['error'], statusCode: number): string {
  return JSON.stringify({ statusCode, code, error: STATUS_CODES[statusCode], message });
}
