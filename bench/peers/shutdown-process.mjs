/** One instance of an app with the library that ends it: requests, a stream of events, a WebSocket. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import { serve } from '../harness/child.mjs';

/** What each of the peers may take; their defaults are less. */
const patienceMs = 10_000;
const slowMs = 1_500;

const routes = {
  '/': (response) => response.end('ok'),
  '/slow': (response) => setTimeout(() => response.end('whole'), slowMs),
  '/events'(response) {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.write(':\n\n');
  },
};

async function listen(server) {
  const { WebSocketServer } = await import('ws');
  new WebSocketServer({ server, path: '/ws' });
  if (!server.listening) await once(server.listen(0, '127.0.0.1'), 'listening');
  return server.address().port;
}

const bare = () => createServer(({ url }, response) => routes[url](response));

const libraries = {
  async '@pando/core'() {
    const { createPando } = await import('@pando/core');
    const { pandoExpress } = await import('@pando/express-adapter');
    const { default: express } = await import('express');
    const { context, sse, listen } = pandoExpress(await createPando());
    const app = express();
    app.use(context());
    for (const path of ['/', '/slow']) app.get(path, (_request, response) => routes[path](response));
    app.get(
      '/events',
      sse(() => ({ channels: ['news'] })),
    );
    const ws = { path: '/ws', authorize: () => true };
    return (await listen(app, { port: 0, host: '127.0.0.1', ws })).port;
  },

  async 'server.close()'() {
    const server = bare();
    process.on('SIGTERM', () => server.close(() => process.exit(0)));
    return listen(server);
  },

  async '@godaddy/terminus'() {
    const { createTerminus } = await import('@godaddy/terminus');
    const server = bare();
    createTerminus(server, { signal: 'SIGTERM', timeout: patienceMs });
    return listen(server);
  },

  async 'http-terminator'() {
    const { createHttpTerminator } = await import('http-terminator');
    const server = bare();
    const terminator = createHttpTerminator({ server, gracefulTerminationTimeout: patienceMs });
    process.on('SIGTERM', () => terminator.terminate().then(() => process.exit(0)));
    return listen(server);
  },

  async 'close-with-grace'() {
    const { default: closeWithGrace } = await import('close-with-grace');
    const { fastify } = await import('fastify');
    const app = fastify();
    for (const [path, answer] of Object.entries(routes)) {
      app.get(path, (_request, reply) => {
        reply.hijack();
        answer(reply.raw);
      });
    }
    closeWithGrace({ delay: patienceMs, logger: false }, () => app.close());
    await app.listen({ port: 0, host: '127.0.0.1' });
    return listen(app.server);
  },
};

serve({ open: async ({ library }) => ({ port: await libraries[library](), pid: process.pid }) });
