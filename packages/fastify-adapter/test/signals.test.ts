import { createPando } from '@pando/core';
import { pandoFastify } from '@pando/fastify-adapter';
import Fastify, { type FastifyInstance } from 'fastify';
import { expect, it } from 'vitest';

const heard = (): readonly number[] => ['SIGTERM', 'SIGINT'].map((signal) => process.listenerCount(signal));
const address = { port: 0, host: '127.0.0.1' };

it('listen owns the signals, unless they are left to the application', async () => {
  const before = heard();
  const pando = await createPando({ lifecycle: { readinessDelayMs: 0, exit: false } });
  const owned = before.map((count) => count + 1);
  expect(heard()).toEqual(owned);
  const application = async (): Promise<FastifyInstance> => {
    const app = Fastify();
    await app.register(pandoFastify, { pando });
    return app;
  };

  await (await (await application()).pando.listen(address)).close();
  expect(heard()).toEqual(owned);

  const serving = await (await application()).pando.listen({ ...address, signals: false });
  expect(heard()).toEqual(before);
  expect((await fetch(serving.url)).status).toBe(404);
  await pando.close(); // which is what the application does on a signal, and ends the server
  await expect(fetch(serving.url)).rejects.toThrow();
});
