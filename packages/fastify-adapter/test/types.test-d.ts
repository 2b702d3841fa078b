import type { Pando } from '@pando/core';
import { type LimitOptions, pandoFastify } from '@pando/fastify-adapter';
import Fastify from 'fastify';

/*
 * Compiled, never run: the plugin, its decorator and its route config are typed in Fastify's own way.
 */

interface User {
  readonly id: string;
}

export async function application(pando: Pando): Promise<void> {
  const app = Fastify();
  const authenticate = async (): Promise<User | undefined> => undefined;
  const authorize = (user: User, channel: string): boolean => channel === `user:${user.id}`;
  await app.register(pandoFastify, { pando, metrics: false, ws: { path: '/ws', authenticate, authorize } });

  app.put('/posts/:id', { config: { pando: { limit: 'write' } } }, async () => 'done');
  app.put(
    '/users',
    { config: { pando: { limit: { policy: 'write', key: ({ ip }) => ip, cost: 2 } } } },
    async () => '',
  );
  // @ts-expect-error: a limit names its policy
  const limit: LimitOptions = { key: () => 'x' };
  app.put('/broken', { config: { pando: { limit } } }, async () => '');

  app.get(
    '/all',
    app.pando.sse(() => ({ channels: ['posts'] })),
  );
  app.get<{ Params: { id: string } }>(
    '/posts/:id/events',
    app.pando.sse(({ params }) => ({ channels: [params.id] })),
  );
  // @ts-expect-error: a refusal is one of a few statuses
  app.pando.sse(() => 200);

  await app.pando.listen({ port: 3000 });
}
