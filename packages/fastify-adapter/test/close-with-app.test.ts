import { createPando, type Pando } from '@pando/core';
import { pandoFastify } from '@pando/fastify-adapter';
import Fastify, { type FastifyInstance } from 'fastify';
import { expect, it } from 'vitest';

/** An application that closes the kit with itself, as it closes all else, and has answered a request. */
async function application(): Promise<{ readonly app: FastifyInstance; readonly pando: Pando }> {
  const pando = await createPando({ lifecycle: { signals: false, readinessDelayMs: 0 } });
  const app = Fastify();
  await app.register(pandoFastify, { pando });
  app.addHook('onClose', () => pando.close());
  app.get('/', async () => 'here');
  const { url } = await app.pando.listen({ port: 0, host: '127.0.0.1' });
  expect(await (await fetch(url)).text()).toBe('here');
  return { app, pando };
}

it('an application that closes the kit with itself does not make the shutdown wait for itself', async () => {
  const { pando } = await application();
  expect(await pando.lifecycle.shutdown('test')).toMatchObject({ clean: true, hung: [] });
  await pando.close();
});

it('an application that is closed first has closed the kit when it is', async () => {
  const { app, pando } = await application();
  await app.close();
  expect(pando.lifecycle.state).toBe('closed');
});
