import type { Serving } from '@pando/core/http';
import { pandoExpress } from '@pando/express-adapter';
import express, { type ErrorRequestHandler, type Request, type RequestHandler, type Response } from 'express';
import type { User } from '../auth/user.js';
import type { Blog } from '../blog.js';
import { notificationPaths, notificationPlan } from '../notifications/notification-stream.js';
import { clientsOf } from './clients.js';
import { priorityOf } from './priority.js';
import { noSuchRoute, problemAnswer, unsupportedBody } from './problem.js';
import { maxBodyBytes, render } from './render.js';
import { type Answer, type ApiRequest, cachingOf, dispatch, limitOf } from './route.js';

declare module 'express-serve-static-core' {
  interface Request {
    /** Who is asking, on routes that want to know. */
    user?: User | undefined;
  }
}

/** Serves the blog with Express. */
export async function serve({ pando, config, logger, sessions, routes, sockets }: Blog): Promise<Serving> {
  const { context, limit, cacheResponse, sse, listen, clientAddress } = pandoExpress(pando, {
    ...clientsOf(config),
    priority: priorityOf,
    balancerIdleMs: 60_000,
  });
  const app = express().disable('x-powered-by').disable('etag');
  app.set('trust proxy', config.proxies); // for the scheme

  app.use(context());
  app.use(refuseOtherBodies, express.json({ limit: maxBodyBytes }));

  const identify: RequestHandler = async (req, _res, next) => {
    req.user = await sessions.userOf(req.headers);
    next();
  };

  for (const route of routes) {
    const before: RequestHandler[] = [];
    if (route.auth !== undefined) before.push(identify);
    const { policy, ...limited } = limitOf<Request>(route) ?? {};
    if (policy !== undefined) before.push(limit(policy, limited));
    if (route.cached !== undefined) before.push(cacheResponse(cachingOf<Request>(route)));
    app[route.method](route.path, ...before, async (req, res) =>
      send(res, await dispatch(route, requestOf(req, clientAddress(req)))),
    );
  }
  app.get(
    notificationPaths,
    identify,
    sse((req: Request) => notificationPlan(req.user, req.query)),
  );

  app.use((req, res) => send(res, noSuchRoute(req.method, req.originalUrl)));
  const answerError: ErrorRequestHandler = (error, _req, res, next) =>
    res.headersSent ? next(error) : send(res, problemAnswer(error, logger));
  app.use(answerError);

  return listen(app, { port: config.port, host: config.host, ws: sockets });
}

/** A body that is not JSON would be left unread, and the request taken for one without a body. */
const refuseOtherBodies: RequestHandler = (req, _res, next) => {
  const hasBody = req.headers['transfer-encoding'] !== undefined || Number(req.headers['content-length']) > 0;
  next(hasBody && !req.is('application/json') ? unsupportedBody() : undefined);
};

function requestOf(request: Request, address: string): ApiRequest<User | undefined> {
  const { params, query, body, headers, secure, user } = request;
  return { params: params as Record<string, string>, query, body, headers, secure, address, user };
}

function send(res: Response, answer: Answer): void {
  const { status, headers, payload } = render(answer);
  res.status(status).set(headers).send(payload);
}
