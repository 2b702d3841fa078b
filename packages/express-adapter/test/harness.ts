import { createServer } from 'node:http';
import {
  type AdapterHarness,
  cacheOptionsFor,
  limitOptionsFor,
  type SuiteAnswer,
  type SuiteRequest,
} from '@pando/core/testing/suites';
import { pandoExpress } from '@pando/express-adapter';
import compression from 'compression';
import type express from 'express';
import type { ErrorRequestHandler, Request, Response, Router } from 'express';

/** Listens for the adapter suite with an application of Express, built as its users build theirs. */
export function listenWith(framework: typeof express): AdapterHarness['listen'] {
  return async (spec, port) => {
    const { context, priority, limit, cacheResponse, sse, listen, clientAddress } = pandoExpress(
      spec.pando,
      spec.http,
    );
    const app = framework();
    if (spec.trustProxy) app.set('trust proxy', true);
    app.use((_req, res, next) => {
      res.set(spec.before);
      next();
    });
    if (spec.compress) app.use(compression());
    app.use(context());
    app.use((req, res, next) => {
      res.on('close', () => spec.accessLog?.(req.originalUrl));
      next();
    });
    app.use(framework.json());

    const routers = new Map<string, Router>();
    const routerAt = (mount: string | undefined): Router => {
      if (mount === undefined) return app as unknown as Router;
      const router = routers.get(mount) ?? framework.Router();
      if (!routers.has(mount)) app.use(mount, router);
      routers.set(mount, router);
      return router;
    };
    for (const { method, mount, path, handler, limit: limited, load, cache } of spec.routes) {
      const verb = method.toLowerCase() as 'get' | 'post' | 'put';
      const before = [
        ...(load ? [priority(load.priority ?? 'normal', { group: load.group })] : []),
        ...(limited ? [limit(limited.policy, limitOptionsFor(limited, requestOf))] : []),
        ...(cache ? [cacheResponse(cacheOptionsFor(cache, requestOf))] : []),
      ];
      routerAt(mount)[verb](path, ...before, (req, res, next) => {
        const answer = async (): Promise<void> =>
          send(res, await handler(requestOf(req), clientAddress(req)));
        answer().catch(next); // Express 4 would drop what an async handler throws
      });
    }
    for (const { mount, path, plan } of spec.streams) {
      routerAt(mount).get(
        path,
        sse((req: Request) => plan(requestOf(req))),
      );
    }
    if (spec.onError !== undefined) {
      const { onError } = spec;
      const answerError: ErrorRequestHandler = (error, _req, res, next) =>
        res.headersSent ? next(error) : send(res, onError(error));
      app.use(answerError);
    }

    const options = { port, host: '127.0.0.1', ws: spec.ws, closeTimeoutMs: spec.closeTimeoutMs };
    if (spec.onUpgrade === undefined) return listen(app, options);
    const server = createServer(app);
    server.on('upgrade', spec.onUpgrade);
    return listen(server, options);
  };
}

function requestOf(req: Request): SuiteRequest {
  const { method, originalUrl: url, headers, params, body } = req;
  return { method, url, headers, params: params as Record<string, string>, body };
}

function send(res: Response, { status = 200, headers = {}, body = '' }: SuiteAnswer): void {
  res.status(status).set(headers).end(body);
}
