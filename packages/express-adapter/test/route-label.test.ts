import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type express from 'express';
import type { Express, NextFunction, Request, Response } from 'express';
import { expect, it } from 'vitest';
import { waitFor } from '../../core/src/testing/wait-for.js';
import { RouteLabels } from '../src/route-label.js';
import type { ExpressRequest } from '../src/types.js';
import { frameworks } from './frameworks.js';

const majors: [string, typeof express][] = [
  ['Express 5', frameworks.express],
  ['Express 4', frameworks.express4],
];

/** The label of each path, as it is known when its answer is over. */
async function labelsOf(app: Express, paths: readonly string[]): Promise<(string | undefined)[]> {
  const labels = new RouteLabels();
  const found = new Map<string, string | undefined>();
  const server = createServer((request, response) => {
    const { url = '' } = request; // routers shorten it while they run
    response.on('close', () => found.set(url, labels.of(app, request as unknown as ExpressRequest)));
    app(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  for (const path of paths) {
    await (await fetch(`http://127.0.0.1:${port}${path}`)).text();
    await waitFor(() => found.has(path));
  }
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  return paths.map((path) => found.get(path));
}

const answer = (_req: Request, res: Response): void => void res.end();
const fail = (_req: Request, _res: Response, next: NextFunction): void => next(new Error('boom'));

it.each(majors)('labels are templates, wherever the route is mounted: %s', async (_name, framework) => {
  const items = framework.Router();
  items.get('/', answer);
  items.get('/:item', answer);
  items.get('/:item/failing', fail);
  const tenants = framework.Router();
  tenants.use('/:tenant/items', items);
  tenants.get('/:tenant', answer);
  const app = framework().set('env', 'test');
  app.get('/', answer);
  app.get('/items/:item', answer);
  app.use('/v1.0/items', items);
  app.use('/tenants', tenants);

  const labels = {
    '/': '/',
    '/items/1': '/items/:item',
    '/v1.0/items': '/v1.0/items',
    '/v1.0/items/2': '/v1.0/items/:item',
    '/V1.0/items/2': '/v1.0/items/:item',
    '/tenants/acme': '/tenants/:tenant',
    '/tenants/acme/items/3?q=4': '/tenants/:tenant/items/:item',
    '/tenants/acme/items/3/failing': '/tenants/:tenant/items/:item/failing',
    '/v1x0/items/2': undefined,
    '/nowhere/9': undefined,
  };
  expect(await labelsOf(app, Object.keys(labels))).toEqual(Object.values(labels));
});

it.each(majors)('lists and patterns are labels of their own: %s', async (_name, framework) => {
  const app = framework();
  app.get(['/a/:id', '/b/:id'], answer);
  app.get(/^\/posts-\d+$/, answer);
  const labels = { '/a/1': '/a/:id,/b/:id', '/b/2': '/a/:id,/b/:id', '/posts-42': '/^\\/posts-\\d+$/' };
  expect(await labelsOf(app, Object.keys(labels))).toEqual(Object.values(labels));
});

it.each(majors)(
  'what cannot be known is said to be mounted, never shown raw: %s',
  async (_name, framework) => {
    const inner = framework();
    inner.get('/users/:id', answer);
    const router = framework.Router();
    router.get('/users/:id', answer);
    const app = framework();
    app.use('/apps/:app', inner);
    app.use(/^\/pattern-\d+/, router);
    const labels = {
      '/apps/42/users/7': '(mounted)/users/:id',
      '/pattern-42/users/7': '(mounted)/users/:id',
    };
    expect(await labelsOf(app, Object.keys(labels))).toEqual(Object.values(labels));
  },
);

it.each(majors)('routes that are added later are found, too: %s', async (_name, framework) => {
  const app = framework();
  app.get('/first', answer);
  expect(await labelsOf(app, ['/first'])).toEqual(['/first']);
  const later = framework.Router();
  later.get('/:id', answer);
  app.use('/later', later);
  expect(await labelsOf(app, ['/later/1'])).toEqual(['/later/:id']);
});

it('of routers that do not list their routes, as those before 2.3, only the last part is told', async () => {
  const router = frameworks.express.Router();
  router.get('/items/:id', answer);
  router.get('/items/:id/failing', fail);
  const app = frameworks.express().set('env', 'test');
  app.get('/items/:id', answer);
  app.use('/api', router);
  Object.defineProperty(app.router, 'listRoutes', { value: undefined });
  const labels = {
    '/items/1': '/items/:id',
    '/api/items/2': '(mounted)/items/:id',
    '/api/items/3/failing': '(mounted)/items/:id/failing',
  };
  expect(await labelsOf(app, Object.keys(labels))).toEqual(Object.values(labels));
});
