import type { Pando } from '@pando/core';
import { pandoFastify, type RouteLimit } from '@pando/fastify-adapter';
import Fastify, { type FastifyRequest } from 'fastify';
import { expectTypeOf } from 'vitest';

/*
 * Compiled, never run, with the newest and the oldest types of Fastify 5: the plugin, its decorator and its route config
 * are typed in Fastify's own way, and nothing has to be cast.
 */

interface User {
  readonly id: string;
}

function keyOf(request: FastifyRequest): string {
  expectTypeOf(request).not.toBeAny();
  return request.ip;
}

export async function application(pando: Pando): Promise<void> {
  const app = Fastify();
  const authenticate = async (): Promise<User | undefined> => undefined;
  const authorize = (user: User, channel: string): boolean => channel === `user:${user.id}`;
  await app.register(pandoFastify, { pando, metrics: false, ws: { path: '/ws', authenticate, authorize } });

  app.put('/posts/:id', { config: { pando: { limit: 'write' } } }, async () => 'done');
  app.put(
    '/users',
    { config: { pando: { limit: { policy: 'write', key: (request) => keyOf(request), cost: 2 } } } },
    async () => '',
  );
  const byPlan: RouteLimit = {
    policy: 'api',
    key: ({ headers }) => ({ user: headers['x-user']?.toString() }),
    tier: async (request) => keyOf(request),
  };
  app.get('/plans', { config: { pando: { limit: byPlan } } }, async () => '');
  // @ts-expect-error: a limit names its policy
  const limit: RouteLimit = { key: () => 'x' };
  app.put('/broken', { config: { pando: { limit } } }, async () => '');

  app.get(
    '/all',
    app.pando.sse(() => ({ channels: ['posts'] })),
  );
  app.get<{ Params: { id: string } }>(
    '/posts/:id/events',
    app.pando.sse(({ params }) => {
      expectTypeOf(params).toEqualTypeOf<{ id: string }>();
      return { channels: [params.id] };
    }),
  );
  // @ts-expect-error: a refusal is one of a few statuses
  app.pando.sse(() => 200);
  // @ts-expect-error: so is a plan without channels
  app.pando.sse(() => ({ channel: 'posts' }));
  const cache = { ttlMs: 60_000, tags: ({ url }: FastifyRequest) => [url], identity: 'public' } as const;
  app.get('/posts', { config: { pando: { limit: 'write', cache } } }, async () => '');
  // @ts-expect-error: a time is a number
  app.get('/wrong', { config: { pando: { cache: { ttlMs: '60s' } } } }, async () => '');
  // @ts-expect-error: a limit is a name, or options
  app.put('/wrong', { config: { pando: { limit: 7 } } }, async () => '');
  // @ts-expect-error: no such option
  await app.register(pandoFastify, { pando, helth: false });
  // @ts-expect-error: whose rooms?
  await app.register(pandoFastify, {});

  await app.pando.listen({ port: 3000 });
  // @ts-expect-error: somewhere it has to listen
  await app.pando.listen({});

  const secure = Fastify({ http2: true });
  await secure.register(pandoFastify, { pando });
  await secure.pando.listen({ port: 3000 });
}
