import { createPando, type Pando, type PandoOptions } from '@pando/core';
import { freePort, waitFor } from '@pando/core/testing';
import { expect, it, onTestFinished } from 'vitest';
import { startRedis } from '../infra/redis.js';

async function startKit(options: PandoOptions): Promise<Pando> {
  const pando = await createPando({ name: 'kit', ...options });
  onTestFinished(() => pando.close());
  return pando;
}

const token = {
  db: [{ shard: 'main', system: 's', timeline: 1, lsn: 7n }],
  cache: [],
  pending: [],
  opaque: [],
};

it('instances agree on the secret of their tokens, and keep it when Redis loses its data', async () => {
  const server = await startRedis();
  onTestFinished(() => server.close());
  const [one, two] = await Promise.all([startKit({ redis: server.url }), startKit({ redis: server.url })]);
  const text = one.tokens.encode(token);
  expect(two.tokens.decode(text)).toEqual({ kind: 'token', token });

  await server.restart({ keepData: false });
  await waitFor(async () => (await server.command('GET', 'pando:{kit}:secret')) !== null, {
    message: 'somebody who knew the secret has put it back',
  });
  const three = await startKit({ redis: server.url });
  for (const kit of [one, two, three]) expect(kit.tokens.decode(text)).toEqual({ kind: 'token', token });
});

it('a kit starts without Redis when it is given its secret, and joins the fleet once Redis is there', async () => {
  const port = await freePort();
  const redis = { host: '127.0.0.1', port, startTimeoutMs: 100 };
  const pando = await startKit({ redis, secret: 'a secret that all instances have' });
  await expect(pando.cache.getOrLoad('key', () => 'loaded')).resolves.toBe('loaded');
  await expect(pando.realtime.publish('news', 1)).rejects.toMatchObject({ retryable: true, status: 503 });

  const server = await startRedis({ port });
  onTestFinished(() => server.close());
  await waitFor(
    () =>
      pando.realtime.publish('news', 2).then(
        () => true,
        () => false,
      ),
    { message: 'publishing works' },
  );
});

it('a kit without Redis and without a secret says in one line what to do', async () => {
  const redis = { host: '127.0.0.1', port: await freePort(), startTimeoutMs: 100 };
  const failure: unknown = await createPando({ redis }).catch((error: unknown) => error);
  expect(failure).toMatchObject({ code: 'PANDO_SECRET_UNAVAILABLE', retryable: true });
  const { message } = failure as Error;
  expect(message).toContain(
    'Start Redis there, correct the "redis" option, or give every instance the same "secret"',
  );
  expect(message).toContain(`127.0.0.1:${redis.port}`);
  expect(message).not.toContain('\n');
});
