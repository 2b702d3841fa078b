/** Realtime with a Redis between instances: how soon another one has a message, what a connection costs, and how all come back at once. */
import { setTimeout as delay } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { Child } from '../harness/child.mjs';
import { quantile } from '../harness/statistics.mjs';
import { Ears } from './realtime-ears.mjs';
import { instances } from './realtime-instances.mjs';

const instanceProgram = new URL('./realtime-instance-process.mjs', import.meta.url);
const clientsProgram = new URL('./realtime-clients-process.mjs', import.meta.url);

const figure = (name, aim) => ({ unit: 'ms', better: 'less', of: ({ figures }) => figures[name], ...aim });
const everyMs = 10;
const listeners = 50;

export const comparisons = [
  {
    what: `from a publish to each of ${listeners} WebSockets on another instance, ${1_000 / everyMs} times a second`,
    ours: 'pandoNews',
    theirs: 'socketIoNews',
    peer: '@socket.io/redis-adapter',
    load: { workers: 1, batch: 100 },
    rows: {
      'realtime.latency.median.vs-socket.io': figure('median', { most: 3 }),
      'realtime.latency.p99.vs-socket.io': figure('p99', { most: 15 }),
    },
  },
];

export async function open(servers) {
  const { url } = await servers.redis();
  return { redisUrl: url };
}

/** Publishes here and listens there, at a steady pace whether or not the last message has arrived. */
async function news(kind, redisUrl) {
  const here = await instances[kind].open({ redisUrl });
  const other = new Child(instanceProgram, `another instance of ${kind}`);
  const { port } = await other.ask('open', { kind, redisUrl });
  const ears = await Ears.open({ kind, port, count: listeners, channel: 'news' });
  let published = 0;
  let nextAt = 0;
  const publish = () => {
    published += 1;
    ears.expect(published);
    return here.publish('news', { text: `${'x'.repeat(160)}#${published}|` });
  };
  // The first ones show that everybody listens.
  while (!ears.allHaveHeard) {
    await publish();
    await delay(everyMs);
  }
  return {
    begin() {
      ears.forget();
      nextAt = performance.now();
    },
    async run(count) {
      for (let sent = 0; sent < count; sent++) {
        nextAt += everyMs;
        await delay(nextAt - performance.now());
        void publish();
      }
      await ears.haveHeardAll();
    },
    figures: () => ({ median: quantile(ears.times, 0.5), p99: quantile(ears.times, 0.99) }),
  };
}

export const pandoNews = ({ redisUrl }) => news('pandoSockets', redisUrl);
export const socketIoNews = ({ redisUrl }) => news('socketIo', redisUrl);

const sizes = {
  quick: {
    connections: 4_000,
    samples: 1,
    behind: { clients: 5_000, messages: 500, channels: 10 },
    patienceMs: 20_000,
  },
  full: {
    connections: 5_000,
    samples: 3,
    behind: { clients: 5_000, messages: 500, channels: 10 },
    patienceMs: 60_000,
  },
};
const spreadMs = 1_000;
const settledMs = 1_000;
const text = 'A leaf has fallen.|';

const memoryRows = [
  {
    id: 'realtime.memory.ws',
    what: 'memory of the process for each idle WebSocket that follows one channel, in KB; the aim is 10',
    mostKb: 10,
    kinds: { '@pando/core': 'pandoSockets', 'socket.io': 'socketIo', ws: 'wsSockets' },
  },
  {
    id: 'realtime.memory.sse',
    what: 'the same for each event stream, on `node:http`; the aim is 15',
    mostKb: 15,
    kinds: { '@pando/core': 'pandoStreams', 'better-sse': 'betterSse', node: 'bareStreams' },
  },
  {
    id: 'realtime.memory.sse.fastify',
    what: 'the same in Fastify; the aim is 15',
    mostKb: 15,
    kinds: { '@pando/core': 'pandoFastify', 'better-sse': 'betterSseFastify', node: 'bareFastify' },
  },
  {
    id: 'realtime.memory.sse.express',
    what: 'the same in Express; the aim is 18',
    mostKb: 18,
    kinds: { '@pando/core': 'pandoExpress', 'better-sse': 'betterSseExpress', node: 'bareExpress' },
  },
];
const stormIds = {
  recovered: 'realtime.storm.recovered',
  delay: 'realtime.storm.delay',
  reads: 'realtime.storm.reads',
};
const stormColumns = { '@pando/core': 'pandoSockets', 'socket.io': 'socketIoStreams' };
const columnNames = ['@pando/core', 'socket.io', 'ws', 'better-sse', 'node'];

export const tableIds = [...memoryRows.map(({ id }) => id), ...Object.values(stormIds)];

/** What is no matter of rounds: a table of packages. */
export async function show(servers, { isQuick, versionOf, own }) {
  const size = isQuick ? sizes.quick : sizes.full;
  const { url: redisUrl } = await servers.redis();
  const rows = [];
  for (const { id, what, mostKb, kinds } of memoryRows) {
    console.error(`realtime-fleet: ${id} ...`);
    const figures = await memoryOf(kinds, redisUrl, size);
    const outcomes = Object.fromEntries(columnNames.map((name) => [name, figures[name]?.toFixed(1) ?? '–']));
    outcomes['@pando/core'] += verdict(figures['@pando/core'] <= mostKb, `≤ ${mostKb}`);
    rows.push({ id, what, outcomes });
  }
  rows.push(...(await stormRows(redisUrl, size)));
  const columns = columnNames.map((name) => ({
    name,
    version: name === '@pando/core' ? own : versionOf(name),
  }));
  const note = `\
Memory is what the server's process grows by (its resident set after garbage collection), divided by ${size.connections.toLocaleString('en')} connections that
follow one channel${size.samples > 1 ? `; medians of ${size.samples} processes` : ''}. What the kernel holds for a socket is not in it. \`ws\` alone knows no channels;
\`node\` is an answer that never ends, without any library. In the storm, the clients were
on another instance, missed ${size.behind.messages} messages each of ${size.behind.channels} channels, and come to an instance that has just been started. \`socket.io\` has its adapter
for streams there, and whoever has not everything after ${size.patienceMs / 1_000} s is counted as not recovered.`;
  return { columns, rows, note };
}

const verdict = (isMet, aim) => ` (${isMet ? 'met' : 'missed'}: ${aim})`;

/** By turns, so that what disturbs disturbs all. */
async function memoryOf(kinds, redisUrl, { connections, samples }) {
  const figures = Object.fromEntries(Object.keys(kinds).map((name) => [name, []]));
  for (let sample = 0; sample < samples; sample++) {
    for (const [name, kind] of Object.entries(kinds))
      figures[name].push(await perConnection(kind, redisUrl, connections));
  }
  return Object.fromEntries(Object.entries(figures).map(([name, series]) => [name, quantile(series, 0.5)]));
}

async function perConnection(kind, redisUrl, count) {
  const server = new Child(instanceProgram, kind);
  const clients = new Child(clientsProgram, `clients of ${kind}`);
  try {
    const { port } = await server.ask('open', { kind, redisUrl });
    const channels = ['feed'];
    await clients.ask('open', { kind, port, channels, count: 2_000 }); // what is compiled, and grows once, is not theirs
    const before = await server.ask('memory');
    await clients.ask('open', { kind, port, channels, count });
    const after = await server.ask('memory');
    return (after.rss - before.rss) / count / 1_024;
  } finally {
    server.close();
    clients.close();
  }
}

async function stormRows(redisUrl, size) {
  const outcomes = {};
  for (const [name, kind] of Object.entries(stormColumns)) {
    console.error(`realtime-fleet: storm (${name}) ...`);
    outcomes[name] = await storm(kind, redisUrl, size);
  }
  const { clients, messages, channels } = size.behind;
  const total = clients.toLocaleString('en');
  const row = (id, what, cellOf, isMet, aim) => ({
    id,
    what,
    outcomes: Object.fromEntries(
      columnNames.map((name) => {
        if (outcomes[name] === undefined) return [name, '–'];
        return [
          name,
          cellOf(outcomes[name]) + (name === '@pando/core' ? verdict(isMet(outcomes[name]), aim) : ''),
        ];
      }),
    ),
  });
  return [
    row(
      stormIds.recovered,
      `${total} clients that have missed ${messages} messages come back within ${spreadMs / 1_000} s: how many have exactly those`,
      ({ complete, tookMs }) => `${complete.toLocaleString('en')} in ${(tookMs / 1_000).toFixed(1)} s`,
      ({ complete }) => complete === clients,
      'all',
    ),
    row(
      stormIds.delay,
      'the same: event loop delay of the instance, the slowest in a hundred, in ms',
      ({ delayMs }) => delayMs.toFixed(0),
      ({ delayMs }) => delayMs < 200,
      '< 200',
    ),
    row(
      stormIds.reads,
      `the same: reads of history in Redis, for ${channels} channels`,
      ({ reads }) => reads.toLocaleString('en'),
      ({ reads }) => reads <= 10 * channels,
      `≤ ${10 * channels}`,
    ),
  ];
}

/** A read of ours may take several steps, and asks once what the channel has seen; a renewed lease asks the same way. */
async function readsOf(kind, redis) {
  const stats = await redis.info('commandstats');
  const calls = (name) => Number(new RegExp(`cmdstat_${name}:calls=(\\d+)`).exec(stats)?.[1] ?? 0);
  return kind.startsWith('pando') ? calls('zrange') - calls('zadd') : calls('xrange');
}

async function storm(kind, redisUrl, { behind, patienceMs }) {
  const redis = new Redis(redisUrl);
  const former = new Child(instanceProgram, kind);
  const cold = new Child(instanceProgram, `a new instance of ${kind}`);
  const clients = new Child(clientsProgram, `clients of ${kind}`);
  const channels = Array.from({ length: behind.channels }, (_, index) => `storm:${index}`);
  try {
    await redis.flushall();
    const { port } = await former.ask('open', { kind, redisUrl });
    await clients.ask('open', { kind, port, channels, count: behind.clients });
    // The last of these is where they go on; whoever was not subscribed yet has not heard the first.
    do await former.ask('publish', { channels, count: 1, text });
    while ((await clients.ask('listening', { durationMs: settledMs })) < behind.clients);
    await delay(settledMs);
    await clients.ask('leave');
    await delay(settledMs); // sessions are put away when connections have ended
    await former.ask('publish', { channels, count: behind.messages, text });
    const { port: coldPort } = await cold.ask('open', { kind, redisUrl });
    await redis.config('RESETSTAT');
    await cold.ask('watch');
    const coming = { port: coldPort, spreadMs, messages: behind.messages, durationMs: patienceMs };
    const came = await clients.ask('comeBack', coming);
    const { delayMs } = await cold.ask('watched');
    return { ...came, delayMs, reads: await readsOf(kind, redis) };
  } finally {
    for (const process of [former, cold, clients]) process.close();
    redis.disconnect();
  }
}
