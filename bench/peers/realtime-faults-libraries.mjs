/** One instance of an app with each library: how it publishes, and the port on which it serves. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';

const host = '127.0.0.1';
/** To find out who comes takes this long on the channel `slow`. */
export const slowMs = 300;

async function listening(server) {
  server.listen(0, host);
  await once(server, 'listening');
  return server.address().port;
}

async function bodyOf(request) {
  let text = '';
  for await (const part of request) text += part;
  return JSON.parse(text);
}

export const libraries = {
  async '@pando/core'({ redisUrl }) {
    const { createPando } = await import('@pando/core');
    const { Door, NodeExchange } = await import('@pando/core/http');
    const pando = await createPando({ name: 'faults', redis: redisUrl, lifecycle: { signals: false } });
    const door = new Door(pando, undefined);
    const server = createServer((request, response) => {
      const channel = new URL(request.url, 'http://app').searchParams.get('channel');
      const visit = door.visit(request, () => new NodeExchange(request, response));
      void door.run(visit, async () => {
        if (channel === 'slow') await delay(slowMs);
        await door.sse(visit, { channels: [channel] });
      });
    });
    const publish = (channel, event) => pando.realtime.publish(channel, event);
    // Who has sent it has its position, and knows it by that.
    return { port: await listening(server), publish, publishExcept: publish };
  },

  async '@boringnode/transmit'({ redisUrl }) {
    const { Transmit } = await import('@boringnode/transmit');
    const { redis } = await import('@boringnode/bus/transports/redis');
    const { hostname, port } = new URL(redisUrl);
    const transport = redis({ host: hostname, port: Number(port) });
    const transmit = new Transmit({}, transport());
    transmit.authorize('slow', () => delay(slowMs, true));
    const server = createServer(async (request, response) => {
      const { pathname, searchParams } = new URL(request.url, 'http://app');
      if (pathname === '/__transmit/events') {
        transmit.createStream({ uid: searchParams.get('uid'), context: {}, request, response });
        return;
      }
      const isSubscribed = await transmit.subscribe({ ...(await bodyOf(request)), context: {} });
      response.writeHead(isSubscribed ? 204 : 400).end();
    });
    return {
      port: await listening(server),
      publish: (channel, event) => transmit.broadcast(channel, event),
      publishExcept: (channel, event, sender) => transmit.broadcastExcept(channel, event, sender),
    };
  },

  async '@socket.io/redis-streams-adapter'({ redisUrl }) {
    const { Server } = await import('socket.io');
    const { createAdapter } = await import('@socket.io/redis-streams-adapter');
    const { Redis } = await import('ioredis');
    const server = createServer();
    const io = new Server(server, {
      adapter: createAdapter(new Redis(redisUrl)),
      connectionStateRecovery: { skipMiddlewares: false },
    });
    io.use(async (socket, next) => {
      if (socket.handshake.auth.channel === 'slow') await delay(slowMs);
      next();
    });
    io.on('connection', (socket) => {
      if (!socket.recovered) socket.join(socket.handshake.auth.channel);
    });
    return {
      port: await listening(server),
      publish: (channel, event) => io.to(channel).emit('message', event),
      publishExcept: (channel, event, sender) => io.to(channel).except(sender).emit('message', event),
    };
  },
};
