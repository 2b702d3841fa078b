/** Realtime: one publisher, many listeners on one server, which is all that the peers do. The listeners are a process of their own. */
import { createServer } from 'node:http';
import { cpuMicros, perSecond } from '../harness/measures.mjs';
import { Listeners } from './listeners.mjs';

const listenerCount = 500;
/** A message is published when one of the four before it has reached everyone. */
const singly = { workers: 4, batch: 1, each: listenerCount };
/** Ten messages in one turn, two such bursts on their way at once. */
const bursts = { workers: 2, batch: 10, each: listenerCount };

/** The same two loads for each transport; CPU is the server's, without the listeners'. */
const fanOut = ({ what, id, ...contenders }) => [
  {
    ...contenders,
    what: `${what}, four on their way at once`,
    load: singly,
    rows: { [id('')]: perSecond('deliveries'), [id('.cpu')]: cpuMicros('delivery') },
  },
  {
    ...contenders,
    what: `${what}, in bursts of ten`,
    load: bursts,
    rows: { [id('.burst')]: perSecond('deliveries'), [id('.burst.cpu')]: cpuMicros('delivery') },
  },
];

export const comparisons = [
  ...fanOut({
    what: `200 bytes to ${listenerCount} event streams`,
    id: (part) => `realtime.fanout.sse${part}.vs-better-sse`,
    ours: 'pandoStreams',
    theirs: 'betterSseStreams',
    peer: 'better-sse',
  }),
  ...fanOut({
    what: `200 bytes to ${listenerCount} WebSockets; the peer is a loop of \`send\` over one encoded message`,
    id: (part) => `realtime.fanout.ws${part}.vs-ws-send`,
    ours: 'pandoSockets',
    theirs: 'wsSockets',
    peer: 'ws',
  }),
];

export async function open() {
  return {};
}

/** The bar at the end is how the listeners count messages: nothing else that they are sent has one. */
const text = `${'x'.repeat(160)}|`;
const eventOf = (id) => ({ type: 'post.updated', id, text });

/** A contender that publishes on a server that listeners have come to, and waits until all of them have everything. */
async function publishing({ server, path, isWebSocket = false, publish }) {
  const listeners = await Listeners.connect({ server, path, isWebSocket, count: listenerCount });
  let published = 0;
  return {
    async run(count) {
      const sent = Array.from({ length: count }, () => publish(eventOf(++published)));
      await Promise.all([...sent, listeners.received(published)]);
    },
  };
}

async function openPando() {
  const { createPando } = await import('@pando/core');
  // No pings, as with the peers: the listeners only count.
  const quiet = { heartbeatMs: 3_600_000, pingMs: 3_600_000 };
  return createPando({ name: 'bench', realtime: quiet, lifecycle: { signals: false } });
}

export async function pandoStreams() {
  const { Door, NodeExchange } = await import('@pando/core/http');
  const pando = await openPando();
  const door = new Door(pando, undefined);
  const server = createServer((request, response) => {
    const visit = door.visit(request, () => new NodeExchange(request, response));
    void door.run(visit, () => door.sse(visit, { channels: ['feed'] }));
  });
  return publishing({ server, path: '/events', publish: (event) => pando.realtime.publish('feed', event) });
}

export async function betterSseStreams() {
  const { createChannel, createSession } = await import('better-sse');
  const channel = createChannel();
  const server = createServer(async (request, response) => {
    channel.register(await createSession(request, response, { keepAlive: null }));
  });
  return publishing({ server, path: '/events', publish: (event) => channel.broadcast(event) });
}

export async function pandoSockets() {
  const { Door, Doorway } = await import('@pando/core/http');
  const pando = await openPando();
  const server = createServer();
  new Doorway(new Door(pando, undefined), server, { ws: { path: '/ws', channels: () => ['feed'] } });
  const publish = (event) => pando.realtime.publish('feed', event);
  return publishing({ server, path: '/ws', isWebSocket: true, publish });
}

export async function wsSockets() {
  const { WebSocketServer } = await import('ws');
  const server = createServer();
  const { clients } = new WebSocketServer({ server, path: '/ws', perMessageDeflate: false });
  const publish = (event) => {
    const bytes = Buffer.from(JSON.stringify(event)); // once: a string would be encoded for each client
    for (const client of clients) client.send(bytes, { binary: false });
  };
  return publishing({ server, path: '/ws', isWebSocket: true, publish });
}
