import type { Pando } from '@pando/core';
import { pandoExpress } from '@pando/express-adapter';
import express, { type Request } from 'express';
import { expectTypeOf } from 'vitest';

/*
 * Compiled, never run, with the types of Express 5 and of Express 4: the middleware fits applications typed by them, and
 * nothing has to be cast.
 */

interface User {
  readonly id: string;
}

export async function application(pando: Pando): Promise<void> {
  const adapter = pandoExpress(pando, { cookie: { maxAgeMs: 60_000 } });
  const { context, limit, cacheResponse, sse, problems, listen } = adapter;
  const app = express();
  app.use(context());
  app.use('/api', context());

  // Handlers after ours keep the types of their own route.
  app.put('/posts/:id', limit('write'), (req, res) => {
    expectTypeOf(req.params.id).toEqualTypeOf<string>();
    expectTypeOf(res.locals).not.toBeNever();
    res.json(req.params.id);
  });
  app.put('/api', limit('api', { key: (req) => ({ user: req.ip }), tier: async () => 'premium' }));
  app.put('/posts', limit('write', { key: (req) => req.ip, cost: 2 }), (_req, res) => void res.end());
  app.put(
    '/users',
    limit('write', { key: (req: Request) => req.get('x-user'), cost: (req) => Number(req.query.n) }),
  );

  app.get('/posts', cacheResponse(), (_req, res) => void res.end());
  app.get(
    '/posts/:id',
    cacheResponse({ tags: ({ params }: Request<{ id: string }>) => [params.id], identity: 'public' }),
    (req, res) => {
      expectTypeOf(req.params).toEqualTypeOf<{ id: string }>();
      res.json(req.params.id);
    },
  );
  app.get('/mine', cacheResponse({ identity: async (req: Request) => req.get('x-user') }));
  // @ts-expect-error: no such option
  cacheResponse({ ttl: 60_000 });
  // @ts-expect-error: an identity is not given by name
  cacheResponse({ identity: 'ann' });

  app.get(
    '/all',
    sse(() => ({ channels: ['posts'] })),
  );
  app.get(
    '/posts/:id/events',
    sse((req: Request) => ({ channels: [`post:${req.params.id}`], format: 'envelope' })),
  );
  app.get(
    '/mine/:id',
    sse(async (req: Request<{ id: string }>) => (req.get('cookie') ? { channels: [req.params.id] } : 401)),
  );
  // @ts-expect-error: a refusal is one of a few statuses
  sse(() => 200);
  // @ts-expect-error: so is a plan without channels
  sse(() => ({ channel: 'posts' }));
  sse((req) => {
    expectTypeOf(req).not.toBeAny();
    expectTypeOf(req.ip).toEqualTypeOf<string | undefined>();
    return { channels: ['posts'] };
  });
  // @ts-expect-error: a policy has a name
  limit();
  // @ts-expect-error: keys are text
  limit('write', { key: () => 7 });
  // @ts-expect-error: no such option
  limit('write', { costs: 2 });
  // @ts-expect-error: no such option
  pandoExpress(pando, { helth: false });
  // @ts-expect-error: somewhere it has to listen
  await listen(app, {});
  app.use(problems());

  const authenticate = async (): Promise<User | undefined> => undefined;
  const authorize = (user: User, channel: string): boolean => channel === `user:${user.id}`;
  await listen(app, { port: 3000, ws: { path: '/ws', authenticate, authorize } });
  // What `authenticate` gives is what the others get.
  await listen(app, {
    port: 3000,
    ws: {
      path: '/rooms/:room',
      authenticate: async (request): Promise<User | undefined> =>
        request.headers.cookie ? { id: '1' } : undefined,
      authorize(user, channel, action) {
        expectTypeOf(user).toEqualTypeOf<User>();
        return action === 'subscribe' && channel === user.id;
      },
      channels: ({ params, identity }) => [`${params.room}`, identity.id],
    },
  });
  await listen(app, {
    port: 3000,
    ws: [
      { path: '/ws', authenticate, authorize },
      { path: '/open', protocol: 'raw' },
    ],
  });
}
