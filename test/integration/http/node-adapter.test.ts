import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import {
  type AdapterHarness,
  adapterSuite,
  limitOptionsFor,
  type SuiteAnswer,
  type SuiteApp,
  type SuiteRequest,
} from '@pando/core/testing/suites';
import compression from 'compression';
import { pandoNode } from '../../fixtures/pando-node.js';
import { testRedis } from '../../infra/context.js';

/** One route of the suite's application, ready to be asked. */
interface Route {
  readonly method: string;
  readonly template: string;
  readonly pattern: RegExp;
  readonly load?: ((request: IncomingMessage) => void) | undefined;
  answer(request: IncomingMessage, response: ServerResponse, asked: SuiteRequest): Promise<void>;
}

/** The adapter that docs/how-to/write-an-adapter.md explains. */
const harness: AdapterHarness = {
  name: 'node:http',
  supports: { http2: false, inject: false, cachedRoutes: false },
  redis: testRedis().url,
  async listen(spec, port) {
    const { context, route, listen, ...pando } = pandoNode(spec.pando, {
      ...spec.http,
      trustProxy: spec.trustProxy,
    });
    const routes = routesOf(spec, pando);
    const handle = context(async (request, response) => {
      response.on('close', () => spec.accessLog?.(request.url ?? ''));
      const [path = '/'] = (request.url ?? '/').split('?', 1);
      const found = routes.find(({ method, pattern }) => method === methodOf(request) && pattern.test(path));
      if (found === undefined) return void send(response, { status: 404, body: 'nothing here' });
      const params = found.pattern.exec(path)?.groups ?? {};
      const { method = '', url = '', headers } = request;
      try {
        route(request, found.template);
        found.load?.(request);
        const asked = { method, url, headers, params, body: await bodyOf(request) };
        await found.answer(request, response, asked);
      } catch (error) {
        if (spec.onError === undefined || response.headersSent) throw error;
        send(response, spec.onError(error));
      }
    });
    const server = createServer((request, response) => {
      for (const [name, value] of Object.entries(spec.before)) response.setHeader(name, value);
      if (spec.compress) compression()(request as never, response as never, () => handle(request, response));
      else handle(request, response);
    });
    if (spec.onUpgrade !== undefined) server.on('upgrade', spec.onUpgrade);
    return listen(server, { port, host: '127.0.0.1', ws: spec.ws, closeTimeoutMs: spec.closeTimeoutMs });
  },
};

function routesOf(
  { routes, streams }: SuiteApp,
  {
    limit,
    load,
    sse,
    clientAddress,
  }: Pick<ReturnType<typeof pandoNode>, 'limit' | 'load' | 'sse' | 'clientAddress'>,
): readonly Route[] {
  return [
    ...routes.map(({ method, mount = '', path, handler, limit: limited, load: said }): Route => {
      const requests = new WeakMap<IncomingMessage, SuiteRequest>();
      const requestOf = (request: IncomingMessage) => requests.get(request) as SuiteRequest;
      const pass = limited && limit(limited.policy, limitOptionsFor(limited, requestOf));
      return {
        ...templateOf(mount + path),
        method,
        load: said && load(said),
        async answer(request, response, asked) {
          requests.set(request, asked);
          await pass?.(request);
          send(response, await handler(asked, clientAddress(request)));
        },
      };
    }),
    ...streams.map(
      ({ mount = '', path, plan }): Route => ({
        ...templateOf(mount + path),
        method: 'GET',
        answer: async (request, _response, asked) => sse(request, await plan(asked)),
      }),
    ),
  ];
}

const templateOf = (template: string): Pick<Route, 'template' | 'pattern'> => ({
  template,
  pattern: new RegExp(`^${template.replace(/:(\w+)/g, '(?<$1>[^/]+)')}$`),
});

const methodOf = ({ method }: IncomingMessage): string | undefined => (method === 'HEAD' ? 'GET' : method);

async function bodyOf(request: IncomingMessage): Promise<unknown> {
  let text = '';
  for await (const chunk of request) text += chunk;
  return text === '' ? undefined : JSON.parse(text);
}

function send(response: ServerResponse, { status = 200, headers = {}, body = '' }: SuiteAnswer): void {
  response.writeHead(status, headers).end(body);
}

adapterSuite(harness);
