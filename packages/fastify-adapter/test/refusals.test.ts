import { createPando } from '@pando/core';
import { pandoFastify } from '@pando/fastify-adapter';
import Fastify, { type FastifyError, type FastifyInstance } from 'fastify';
import { expect, it } from 'vitest';

type ErrorHandler = FastifyInstance['errorHandler'];

/** Asks twice where one request is let in; tells the second answer, and the errors that hooks of the application have seen. */
async function refused(addRoutes: (app: FastifyInstance) => void) {
  const settings = { limits: { policies: { one: '1/min' } }, lifecycle: { signals: false } } as const;
  await using pando = await createPando(settings);
  const app = Fastify();
  await app.register(pandoFastify, { pando });
  const errors: string[] = [];
  app.addHook('onError', async (_request, _reply, { code }) => void errors.push(code));
  app.addHook('onSend', async (_request, reply) => void reply.header('x-sent', 'yes'));
  addRoutes(app);
  await app.inject('/limited');
  const { statusCode, headers, body } = await app.inject('/limited');
  await app.close();
  return { statusCode, headers, body, errors };
}

/** Answers in a form of its own. */
const shape: ErrorHandler = (error, _request, reply) =>
  reply.code((error as FastifyError).statusCode ?? 500).send({ own: (error as Error).name });

const limited = { config: { pando: { limit: 'one' } } } as const;

it('are answered without an error where nobody handles errors, through the hooks of answers', async () => {
  const { statusCode, headers, body, errors } = await refused((app) => {
    app.get('/limited', limited, async () => '');
  });
  expect([statusCode, headers['content-type'], headers['x-sent']]).toEqual([
    429,
    'application/problem+json',
    'yes',
  ]);
  expect(Number(headers['content-length'])).toBe(Buffer.byteLength(body));
  expect(JSON.parse(body)).toMatchObject({ code: 'PANDO_HTTP_LIMIT_EXCEEDED' });
  expect(errors).toEqual([]);
});

it.each<[string, (app: FastifyInstance) => void]>([
  [
    'of the application',
    (app) => {
      app.get('/limited', limited, async () => '');
      app.setErrorHandler(shape);
    },
  ],
  [
    'of a scope',
    (app) => {
      app.register(async (scope) => {
        scope.setErrorHandler(function defaultErrorHandler(...given) {
          shape.apply(this, given);
        });
        scope.get('/limited', limited, async () => '');
      });
    },
  ],
  [
    'of the route',
    (app) => {
      app.get('/limited', { ...limited, errorHandler: shape }, async () => '');
    },
  ],
])('are errors to a handler %s', async (_whose, addRoutes) => {
  const { statusCode, body, errors } = await refused(addRoutes);
  expect([statusCode, JSON.parse(body)]).toEqual([429, { own: 'LimitExceededError' }]);
  expect(errors).toEqual(['PANDO_HTTP_LIMIT_EXCEEDED']);
});
