/**
 * One instance of an app whose clients follow the channel that their address names, as each library serves them: `open` gives
 * its port, and `publish`; `request`, `hello` and `comeBack` are what a client of it says.
 */
import { once } from 'node:events';
import { createServer } from 'node:http';

const host = '127.0.0.1';
const hourMs = 3_600_000;

/** A stream of events, or a WebSocket, for one channel. */
export const streamRequest = (channel) => head(`/events?channel=${channel}`, ['Accept: text/event-stream']);
const socketRequest = (path) =>
  head(path, [
    'Connection: Upgrade',
    'Upgrade: websocket',
    'Sec-WebSocket-Version: 13',
    'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
    'Sec-WebSocket-Protocol: pando.v1',
  ]);
const head = (path, headers) =>
  `GET ${path} HTTP/1.1\r\n${[`Host: ${host}`, ...headers].join('\r\n')}\r\n\r\n`;
const channelOf = (request) => new URL(request.url, 'http://app').searchParams.get('channel');

async function listening(server) {
  server.listen(0, host, 4_096);
  await once(server, 'listening');
  return server.address().port;
}

async function openPando(redisUrl) {
  const { createPando } = await import('@pando/core');
  // No pings, as with the peers: clients here do not answer any.
  const realtime = { heartbeatMs: hourMs, pingMs: hourMs };
  return createPando({ name: 'fleet', redis: redisUrl, realtime, lifecycle: { signals: false } });
}

const publishing = (pando) => (channel, event) => pando.realtime.publish(channel, event);

/** How a client of `pando.v1` and one of event streams subscribe, and go on where they were. */
const pandoSocket = {
  request: () => socketRequest('/ws'),
  hello: (channel) => JSON.stringify({ t: 'sub', c: channel }),
  remembers: { position: '"i":"([^"]+)"' },
  comeBack: (channel, { position }) => ({
    request: socketRequest('/ws'),
    hello: JSON.stringify({ t: 'sub', c: channel, since: { [channel]: position } }),
  }),
};
const pandoStream = {
  request: streamRequest,
  remembers: { position: 'id: (\\S+)' },
  comeBack: (channel, { position }) => ({
    request: head(`/events?channel=${channel}`, ['Accept: text/event-stream', `Last-Event-ID: ${position}`]),
  }),
};

/** How a client of socket.io does, which knows its session and its offset. */
const socketIoClient = {
  request: () => socketRequest('/socket.io/?EIO=4&transport=websocket'),
  hello: (channel) => `40${JSON.stringify({ channel })}`,
  remembers: { pid: '"pid":"([^"]+)"', offset: ',"([^"]+)"\\]' },
  comeBack: (channel, { pid, offset }) => ({
    request: socketRequest('/socket.io/?EIO=4&transport=websocket'),
    hello: `40${JSON.stringify({ channel, pid, offset })}`,
  }),
};

async function openSocketIo(adapter, options) {
  const { Server } = await import('socket.io');
  const server = createServer();
  const io = new Server(server, { adapter, pingInterval: hourMs, ...options });
  io.on('connection', (socket) => {
    if (!socket.recovered) socket.join(socket.handshake.auth.channel);
  });
  return {
    port: await listening(server),
    publish: (channel, event) => io.to(channel).emit('message', event),
  };
}

/** What no event stream can do without. */
function bareStream(_request, response) {
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  response.write(': ok\n\n');
}

async function betterSse() {
  const { createChannel, createSession } = await import('better-sse');
  const channels = new Map();
  return async (request, response) => {
    const name = channelOf(request);
    if (!channels.has(name)) channels.set(name, createChannel());
    channels.get(name).register(await createSession(request, response, { keepAlive: null }));
  };
}

export const instances = {
  pandoSockets: {
    ...pandoSocket,
    async open({ redisUrl }) {
      const { Door, Doorway } = await import('@pando/core/http');
      const pando = await openPando(redisUrl);
      const server = createServer();
      new Doorway(new Door(pando, undefined), server, { ws: { path: '/ws', authorize: () => true } });
      return { port: await listening(server), publish: publishing(pando) };
    },
  },

  pandoStreams: {
    ...pandoStream,
    async open({ redisUrl }) {
      const { Door, NodeExchange } = await import('@pando/core/http');
      const pando = await openPando(redisUrl);
      const door = new Door(pando, undefined);
      const server = createServer((request, response) => {
        const visit = door.visit(request, () => new NodeExchange(request, response));
        void door.run(visit, () => door.sse(visit, { channels: [channelOf(request)] }));
      });
      return { port: await listening(server), publish: publishing(pando) };
    },
  },

  pandoFastify: {
    ...pandoStream,
    async open({ redisUrl }) {
      const { fastify } = await import('fastify');
      const { pandoFastify } = await import('@pando/fastify-adapter');
      const pando = await openPando(redisUrl);
      const app = fastify();
      await app.register(pandoFastify, { pando });
      const plan = (request) => ({ channels: [request.query.channel] });
      app.get('/events', app.pando.sse(plan));
      const { port } = await app.pando.listen({ port: 0, host });
      return { port, publish: publishing(pando) };
    },
  },

  pandoExpress: {
    ...pandoStream,
    async open({ redisUrl }) {
      const { default: express } = await import('express');
      const { pandoExpress } = await import('@pando/express-adapter');
      const pando = await openPando(redisUrl);
      const { context, sse, listen } = pandoExpress(pando);
      const app = express();
      app.use(context());
      const plan = (request) => ({ channels: [request.query.channel] });
      app.get('/events', sse(plan));
      const { port } = await listen(app, { port: 0, host });
      return { port, publish: publishing(pando) };
    },
  },

  wsSockets: {
    request: () => socketRequest('/ws'),
    async open() {
      const { WebSocketServer } = await import('ws');
      const server = createServer();
      new WebSocketServer({ server, path: '/ws', perMessageDeflate: false });
      return { port: await listening(server) };
    },
  },

  /** Its adapter for pub/sub: no history. */
  socketIo: {
    ...socketIoClient,
    async open({ redisUrl }) {
      const { createAdapter } = await import('@socket.io/redis-adapter');
      const { Redis } = await import('ioredis');
      const adapter = createAdapter(new Redis(redisUrl), new Redis(redisUrl));
      return openSocketIo(adapter, { transports: ['websocket'] });
    },
  },

  /** Its adapter for streams, with which clients may go on where they were. */
  socketIoStreams: {
    ...socketIoClient,
    async open({ redisUrl }) {
      const { createAdapter } = await import('@socket.io/redis-streams-adapter');
      const { Redis } = await import('ioredis');
      const adapter = createAdapter(new Redis(redisUrl));
      return openSocketIo(adapter, { transports: ['websocket'], connectionStateRecovery: {} });
    },
  },

  bareStreams: {
    request: streamRequest,
    async open() {
      return { port: await listening(createServer(bareStream)) };
    },
  },

  bareFastify: {
    request: streamRequest,
    async open() {
      const { fastify } = await import('fastify');
      const app = fastify();
      app.get('/events', (request, reply) => {
        reply.hijack();
        bareStream(request.raw, reply.raw);
      });
      await app.listen({ port: 0, host });
      return { port: app.server.address().port };
    },
  },

  bareExpress: {
    request: streamRequest,
    async open() {
      const { default: express } = await import('express');
      return { port: await listening(createServer(express().get('/events', bareStream))) };
    },
  },

  betterSse: {
    request: streamRequest,
    async open() {
      return { port: await listening(createServer(await betterSse())) };
    },
  },

  betterSseFastify: {
    request: streamRequest,
    async open() {
      const { fastify } = await import('fastify');
      const serve = await betterSse();
      const app = fastify();
      app.get('/events', async (request, reply) => {
        reply.hijack();
        await serve(request.raw, reply.raw);
      });
      await app.listen({ port: 0, host });
      return { port: app.server.address().port };
    },
  },

  betterSseExpress: {
    request: streamRequest,
    async open() {
      const { default: express } = await import('express');
      const app = express();
      app.get('/events', await betterSse());
      return { port: await listening(createServer(app)) };
    },
  },
};
