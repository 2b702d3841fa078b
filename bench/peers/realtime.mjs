/** Realtime: one publisher, many listeners on one server, which is all that most peers do. The listeners are a process of their own. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import { cpuMicros, perSecond } from '../harness/measures.mjs';
import { publishing, publishingSteadily } from './fan-out.mjs';

export { bareSockets, bareSocketsSteadily, bareStreams } from './bare-fan-out.mjs';

const listeners = 1_000;
/** A message is published when the one before it has reached everyone: one message a flush. */
const singly = { workers: 1, batch: 1, each: listeners };
/** Twenty are published in one turn when the twenty before them have reached everyone. */
const bursts = { workers: 1, batch: 20, each: listeners };
/** A thousand a second, whether or not the last has arrived. */
const steadily = { workers: 1, batch: 10, each: listeners };

const { unit, better, of: spent } = cpuMicros('delivery');
const deliveries = perSecond('deliveries');

/** The same loads for each transport; CPU is the server's, without the listeners'. */
const fanOut = ({ what, id, targets, ...contenders }) => [
  {
    ...contenders,
    what: `${what}, one after another`,
    load: singly,
    rows: { [id('')]: deliveries, [id('.cpu')]: { unit, better, of: spent, target: targets.singly } },
  },
  {
    ...contenders,
    what: `${what}, in bursts of twenty`,
    load: bursts,
    rows: {
      [id('.burst')]: { ...deliveries, target: targets.bursts },
      [id('.burst.cpu')]: { unit, better, of: spent, target: targets.bursts },
    },
  },
];

export const comparisons = [
  ...fanOut({
    what: `200 bytes to ${listeners} event streams`,
    id: (part) => `realtime.fanout.sse${part}.vs-better-sse`,
    ours: 'pandoStreams',
    theirs: 'betterSseStreams',
    peer: 'better-sse',
    targets: { singly: 2, bursts: 8 },
  }),
  ...fanOut({
    what: `200 bytes to ${listeners} event streams; the peer writes the same bytes, joined, to bare sockets`,
    id: (part) => `realtime.fanout.sse${part}.vs-bare`,
    ours: 'pandoStreams',
    theirs: 'bareStreams',
    peer: 'node:net',
    targets: { bursts: 0.7 },
  }),
  ...fanOut({
    what: `200 bytes to ${listeners} WebSockets; the peer is a loop of \`send\` over one encoded message`,
    id: (part) => `realtime.fanout.ws${part}.vs-ws-send`,
    ours: 'pandoSockets',
    theirs: 'wsSockets',
    peer: 'ws',
    targets: { singly: 1, bursts: 5 },
  }),
  ...fanOut({
    what: `200 bytes to ${listeners} WebSockets; the peer writes the same bytes, joined, to bare sockets`,
    id: (part) => `realtime.fanout.ws${part}.vs-bare`,
    ours: 'pandoSockets',
    theirs: 'bareSockets',
    peer: 'node:net',
    targets: { bursts: 0.7 },
  }),
  ...fanOut({
    what: `200 bytes to ${listeners} WebSockets, through Redis; the peer is a room with redis-adapter`,
    id: (part) => `realtime.fanout.ws-redis${part}.vs-socket.io`,
    ours: 'pandoSocketsOnRedis',
    theirs: 'socketIoSockets',
    peer: 'socket.io',
    targets: { bursts: 8 },
  }),
  {
    what: `200 bytes to ${listeners} WebSockets, 1,000 times a second, through Redis; the peer writes to bare sockets at once`,
    ours: 'pandoSocketsOnRedisSteadily',
    theirs: 'bareSocketsSteadily',
    peer: 'node:net',
    load: steadily,
    rows: {
      'realtime.steady.ws-redis.vs-bare': { ...deliveries, target: 0.8 },
      'realtime.steady.ws-redis.cpu.vs-bare': { unit, better, of: spent },
      'realtime.steady.ws-redis.median.vs-bare': {
        unit: 'ms to all',
        better: 'less',
        of: ({ figures }) => figures.medianMs,
      },
      'realtime.steady.ws-redis.p99.vs-bare': {
        unit: 'ms to all',
        better: 'less',
        of: ({ figures }) => figures.slowMs,
      },
    },
  },
];

export async function open(servers) {
  const { url } = await servers.redis();
  return { listeners, redisUrl: url };
}

async function openPando(url) {
  const { createPando } = await import('@pando/core');
  // No pings, as with the peers: the listeners only count.
  // At full speed Redis may wait for its turn on the machine.
  const redis = url && { url, commandTimeoutMs: 10_000 };
  const realtime = { heartbeatMs: 3_600_000, pingMs: 3_600_000, stallMs: 3_600_000 };
  const pando = await createPando({ name: 'bench', redis, realtime, lifecycle: { signals: false } });
  await pando.realtime.subscribe('feed', () => undefined); // whoever comes now gets what is published from now on
  return pando;
}

async function streamsOf(pando) {
  const { Door, NodeExchange } = await import('@pando/core/http');
  const door = new Door(pando, undefined);
  const server = createServer((request, response) => {
    const visit = door.visit(request, () => new NodeExchange(request, response));
    void door.run(visit, () => door.sse(visit, { channels: ['feed'] }));
  });
  return { server, path: '/events', publish: (event) => pando.realtime.publish('feed', event) };
}

async function socketsOf(pando) {
  const { Door, Doorway } = await import('@pando/core/http');
  const server = createServer();
  new Doorway(new Door(pando, undefined), server, { ws: { path: '/ws', channels: () => ['feed'] } });
  const publish = (event) => pando.realtime.publish('feed', event);
  return { server, path: '/ws', isWebSocket: true, publish };
}

export const pandoStreams = async ({ listeners: count }) =>
  publishing({ ...(await streamsOf(await openPando())), count });

export const pandoSockets = async ({ listeners: count }) =>
  publishing({ ...(await socketsOf(await openPando())), count });

export const pandoSocketsOnRedis = async ({ listeners: count, redisUrl }) =>
  publishing({ ...(await socketsOf(await openPando(redisUrl))), count });

export const pandoSocketsOnRedisSteadily = async ({ listeners: count, redisUrl }) =>
  publishingSteadily({ ...(await socketsOf(await openPando(redisUrl))), count, everyMs: 1 });

export async function betterSseStreams({ listeners: count }) {
  const { createChannel, createSession } = await import('better-sse');
  const channel = createChannel();
  const server = createServer(async (request, response) => {
    channel.register(await createSession(request, response, { keepAlive: null }));
  });
  return publishing({ server, path: '/events', count, publish: (event) => channel.broadcast(event) });
}

export async function wsSockets({ listeners: count }) {
  const { WebSocketServer } = await import('ws');
  const server = createServer();
  const { clients } = new WebSocketServer({ server, path: '/ws', perMessageDeflate: false });
  const publish = (event) => {
    const bytes = Buffer.from(JSON.stringify(event)); // once: a string would be encoded for each client
    for (const client of clients) client.send(bytes, { binary: false });
  };
  return publishing({ server, path: '/ws', isWebSocket: true, count, publish });
}

export async function socketIoSockets({ listeners: count, redisUrl }) {
  const [{ Server }, { createAdapter }, { Redis }] = await Promise.all([
    import('socket.io'),
    import('@socket.io/redis-adapter'),
    import('ioredis'),
  ]);
  const client = new Redis(redisUrl);
  const subscriber = client.duplicate();
  await Promise.all([once(client, 'ready'), once(subscriber, 'ready')]);
  const server = createServer();
  const adapter = createAdapter(client, subscriber);
  const io = new Server(server, { adapter, transports: ['websocket'], pingInterval: 3_600_000 });
  const path = '/socket.io/?EIO=4&transport=websocket';
  const joined = new Promise((resolve) => {
    let joining = 0;
    io.on('connection', async (socket) => {
      await socket.join('feed');
      joining += 1;
      if (joining === count) resolve();
    });
  });
  const publish = (event) => void io.to('feed').emit('event', event);
  const contender = await publishing({ server, path, isWebSocket: true, hello: '40', count, publish });
  await joined;
  return contender;
}
