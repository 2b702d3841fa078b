/**
 * What becomes of messages when something happens at the wrong moment: two instances of an app share a Redis.
 *
 * The moments are chosen: that something can happen is what is shown, not how often it does.
 */
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { Child } from '../harness/child.mjs';
import { clientOf } from './realtime-faults-clients.mjs';
import { libraries, slowMs } from './realtime-faults-libraries.mjs';

const program = new URL('./realtime-faults-process.mjs', import.meta.url);

const sizes = {
  quick: { clients: 10, cuts: 20, races: 2_000 },
  full: { clients: 50, cuts: 100, races: 10_000 },
};
/** How long everything that is on its way may take until a message counts as lost. */
const settledMs = 500;
const missed = 20;

/** One library in two processes, and its clients. */
class Stage {
  #clients = [];
  #opened = [];

  constructor({ library, redisUrl, size }) {
    Object.assign(this, { library, redisUrl, size });
  }

  async start() {
    [this.a, this.b] = await Promise.all(['a', 'b'].map((name) => this.instance(name)));
    // Where nothing goes wrong, a message reaches clients of both: otherwise the library would not be used as it should be.
    const clients = await Promise.all([this.a, this.b].map(({ port }) => this.clients('control', port, 1)));
    await this.b.ask('publish', { channel: 'control', count: 1 });
    await delay(settledMs);
    if (!clients.flat().every(({ heard }) => heard.includes(0)))
      throw new Error(`${this.library} does not reach clients of another instance.`);
    this.leave();
  }

  async instance(name) {
    const process = new Child(program, `${this.library} (${name})`);
    this.#opened.push(() => process.close());
    process.port = (await process.ask('open', { library: this.library, redisUrl: this.redisUrl })).port;
    return process;
  }

  /** Clients that hear everything from here on; they have heard the message -1, so that they know where they are. */
  async clients(channel, port, count) {
    const clients = Array.from({ length: count }, () => new clientOf[this.library](channel));
    this.#clients.push(...clients);
    await Promise.all(clients.map((client) => client.connect(port)));
    await delay(settledMs);
    await this.a.ask('publish', { channel, from: -1, count: 1 });
    await delay(settledMs);
    return clients;
  }

  /** A port whose connections go to both instances by turns. */
  async balancer() {
    let turn = 0;
    const server = createServer((client) => {
      const { port } = turn++ % 2 === 0 ? this.a : this.b;
      const upstream = connect(port, '127.0.0.1');
      client.pipe(upstream).pipe(client);
      for (const socket of [client, upstream])
        socket.on('error', () => [client, upstream].map((each) => each.destroy()));
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    this.#opened.push(() => server.close());
    return server.address().port;
  }

  leave() {
    for (const client of this.#clients.splice(0)) client.cut();
  }

  close() {
    this.leave();
    for (const close of this.#opened) close();
  }
}

const outOf = (count, total) => `${count.toLocaleString('en')} of ${total.toLocaleString('en')}`;

/** How many of the messages from 0 on each client lacks, and whether those who lack some were told. */
function lost(clients, count) {
  const lacks = clients.map(({ heard }) => count - new Set(heard.filter((n) => n >= 0)).size);
  const sum = lacks.reduce((total, lack) => total + lack, 0);
  const isSilent = clients.some(({ isTold }, index) => lacks[index] > 0 && !isTold);
  return outOf(sum, count * clients.length) + (sum === 0 ? '' : isSilent ? ', in silence' : ', told');
}

const faults = [
  {
    id: 'gap',
    what: `clients are cut, ${missed} messages are published, they come back to the same instance: messages that they lack`,
    async run(stage) {
      const { a, size } = stage;
      const clients = await stage.clients('gap', a.port, size.clients);
      for (const client of clients) client.cut();
      await delay(settledMs);
      await a.ask('publish', { channel: 'gap', count: missed });
      await Promise.all(clients.map((client) => client.connect(a.port)));
      await delay(settledMs);
      return lost(clients, missed);
    },
  },
  {
    id: 'by-turns',
    what: 'a balancer sends requests to both instances by turns: clients that do not hear a message published after they have come',
    async run(stage) {
      const port = await stage.balancer();
      const clients = await stage.clients('turns', port, stage.size.clients);
      await stage.a.ask('publish', { channel: 'turns', count: 1 });
      await delay(settledMs);
      return outOf(clients.filter(({ heard }) => !heard.includes(0)).length, clients.length);
    },
  },
  {
    id: 'but-sender',
    what: 'a message for everybody but its sender: clients on the other instance that do not hear it',
    async run(stage) {
      const { a, b, size } = stage;
      const [sender] = await stage.clients('others', a.port, 1);
      const clients = await stage.clients('others', b.port, size.clients);
      await a.ask('publishExcept', { channel: 'others', n: 0, sender: sender.id });
      await delay(settledMs);
      return outOf(clients.filter(({ heard }) => !heard.includes(0)).length, clients.length);
    },
  },
  {
    id: 'strangers',
    what: '1,000 messages of 1 KB on a channel that nobody of the other instance follows: KB that it gets from Redis',
    async run(stage) {
      const { a, b } = stage;
      await stage.clients('own', a.port, 1);
      const before = await b.ask('redisBytes');
      await a.ask('publish', { channel: 'own', count: 1_000, bytes: 1_000 });
      await delay(settledMs);
      return (((await b.ask('redisBytes')) - before) / 1_000).toFixed(0);
    },
  },
  {
    id: 'slow-client',
    what: 'a client has stopped reading, and 64 MB are published: MB that its instance holds more',
    async run(stage) {
      const { a } = stage;
      const [client] = await stage.clients('flood', a.port, 1);
      const before = await a.ask('memory');
      client.pause();
      await a.ask('publish', { channel: 'flood', count: 4_000, bytes: 16_000 });
      await delay(settledMs);
      if (client.heard.length > 2_000) throw new Error('The client has not stopped reading.');
      return Math.max(0, ((await a.ask('memory')) - before) / 1e6).toFixed(0);
    },
  },
  {
    id: 'slow-answer',
    what: `clients are cut and come back, it takes ${slowMs} ms to find out who they are, and 100 messages are published meanwhile: messages that they lack`,
    async run(stage) {
      const { a, size } = stage;
      const clients = await stage.clients('slow', a.port, size.clients);
      for (const client of clients) client.cut();
      await delay(settledMs);
      const back = clients.map((client) => client.connect(a.port));
      await a.ask('publish', { channel: 'slow', count: 100, inTurn: 1, everyMs: 2 });
      await Promise.all(back);
      await delay(settledMs);
      return lost(clients, 100);
    },
  },
  {
    id: 'under-load',
    what: 'a client is cut and comes back again and again while hundreds of messages are published in a second: messages that it lacks',
    async run(stage) {
      const { a, size } = stage;
      const [client] = await stage.clients('load', a.port, 1);
      const count = size.cuts * 200;
      let isOver = false;
      const published = a.ask('publish', { channel: 'load', count, inTurn: 1, everyMs: 1 }).then(() => {
        isOver = true;
      });
      for (let cut = 0; cut < size.cuts && !isOver; cut++) {
        await delay(50 + 20 * Math.random());
        client.cut();
        await delay(20 * Math.random());
        await client.connect(a.port);
      }
      await published;
      await delay(settledMs);
      return lost([client], count);
    },
  },
  {
    id: 'order',
    what: 'both instances publish at once: messages that a client of the one hears behind some that a client of the other hears later',
    async run(stage) {
      const { a, b, size } = stage;
      const clients = await Promise.all([a, b].map(({ port }) => stage.clients('order', port, 1)));
      const half = size.races / 2;
      const load = { channel: 'order', count: half, inTurn: 1 };
      await Promise.all([a.ask('publish', load), b.ask('publish', { ...load, from: half })]);
      await delay(settledMs);
      const [first, second] = clients.map(([{ heard }]) => heard.filter((n) => n >= 0));
      const place = new Map(first.map((n, index) => [n, index]));
      let latest = -1;
      let late = 0;
      for (const n of second) {
        if (place.get(n) < latest) late += 1;
        latest = Math.max(latest, place.get(n) ?? -1);
      }
      return outOf(late, size.races);
    },
  },
  {
    id: 'killed',
    what: `an instance is killed, ${missed} messages are published, its clients come back to the other one: messages that they lack`,
    async run(stage) {
      const { a, b, size } = stage;
      const clients = await stage.clients('killed', a.port, size.clients);
      a.close();
      for (const client of clients) client.cut();
      await delay(settledMs);
      await b.ask('publish', { channel: 'killed', count: missed });
      await Promise.all(clients.map((client) => client.connect(b.port)));
      await delay(settledMs);
      return lost(clients, missed);
    },
  },
];

export const tableIds = faults.map(({ id }) => `realtime-faults.${id}`);

/** Shows every fault to every library; one row for each. The last one leaves an instance dead. */
export async function show(servers, { isQuick, versionOf, own }) {
  const size = isQuick ? sizes.quick : sizes.full;
  const { url: redisUrl } = await servers.redis();
  const redis = new Redis(redisUrl);
  const columns = Object.keys(libraries).map((name) => ({
    name,
    version: name === '@pando/core' ? own : versionOf(name),
  }));
  const rows = faults.map(({ what }, index) => ({ id: tableIds[index], what, outcomes: {} }));
  try {
    for (const { name: library } of columns) {
      await redis.flushall();
      const stage = new Stage({ library, redisUrl, size });
      try {
        await stage.start();
        for (const [index, fault] of faults.entries()) {
          console.error(`realtime-faults: ${fault.id} (${library}) ...`);
          rows[index].outcomes[library] = await fault.run(stage);
          stage.leave();
        }
      } finally {
        stage.close();
      }
    }
  } finally {
    redis.disconnect();
  }
  const note = `\
${size.clients} clients, ${size.cuts} cuts under load, ${size.races.toLocaleString('en')} messages in the row of the order. \`in silence\`: a client that lacks messages was not told so; \`told\`: each
was, by a reset or by \`recovered\` being false. Each library is used as its documentation says: \`@boringnode/transmit\` (which is what
\`@adonisjs/transmit\` stands on) with its transport for Redis, \`socket.io\` with recovery and
\`skipMiddlewares: false\`, since otherwise nobody asks who it is that comes back. Pando has no call that leaves out the sender: whoever sends knows its own message by the position that it got.`;
  return { columns, rows, note };
}
