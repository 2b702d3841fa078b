/**
 * What caches do in races: two processes of an app share a Redis, and something happens at the wrong moment.
 *
 * The moments are chosen: that a race can happen is what is shown, not how often it does. Only the load at random says that.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { Redis } from 'ioredis';
import pg from 'pg';
import { Child } from '../harness/child.mjs';
import { libraries } from './cache-libraries.mjs';

const program = new URL('./cache-races-process.mjs', import.meta.url);

const sizes = {
  quick: { trials: 5, rounds: 3, randomMs: 4_000 },
  full: { trials: 20, rounds: 10, randomMs: 20_000 },
};
/** How long whoever was told that something is invalid waits until he expects it to be so everywhere. */
const graceMs = 100;
/** How long everything that is on its way may take until a value counts as there to stay. */
const settledMs = 500;
const lagMs = 300;
const callers = 500;

/** One library in two processes, and the servers around them. */
class Stage {
  constructor({ a, b, hasTags, redis, replicas, size }) {
    Object.assign(this, { a, b, hasTags, redis, replicas, size });
  }

  get both() {
    return [this.a, this.b];
  }

  /** So many keys that nobody has used, with one version each. */
  async keys(kind, count = this.size.trials) {
    const keys = Array.from({ length: count }, (_, index) => `${kind}:${index}`);
    await this.set(keys, 1);
    return keys;
  }

  /** Writes a version of each. */
  async set(keys, version) {
    await this.redis.mset(keys.flatMap((key) => [`register:${key}`, version]));
  }

  /** How many of the keys are still served in an older version by one of the processes. */
  async stale(keys, version, processes = this.both) {
    const shown = await Promise.all(processes.map((process) => process.ask('get', { keys })));
    return keys.filter((_, index) => shown.some((versions) => versions[index] < version)).length;
  }
}

const outOf = (count, trials) => `${count} of ${trials}`;

/** Loads have read the old version when the other process invalidates it, and end after that. */
async function storedAfterInvalidation(stage, kind, invalidate) {
  const { a, b } = stage;
  const keys = await stage.keys(kind);
  await a.ask('hold', { keys });
  const loading = a.ask('get', { keys });
  await a.ask('haveRead', { keys });
  await stage.set(keys, 2);
  await b.ask(invalidate, { keys });
  await a.ask('letGo');
  await loading;
  await delay(settledMs);
  return outOf(await stage.stale(keys, 2), keys.length);
}

const races = [
  {
    id: 'stale-set.key',
    what: 'a load has read when its key is invalidated, and stores after that: served later on',
    run: (stage) => storedAfterInvalidation(stage, 'plain', 'invalidate'),
  },
  {
    id: 'stale-set.tag',
    what: 'the same, and a tag of the value is invalidated',
    run: (stage) => (stage.hasTags ? storedAfterInvalidation(stage, 'tagged', 'invalidateTags') : 'no tags'),
  },
  {
    id: 'lost-announcement',
    what: 'a key is invalidated when the other process has just lost its subscription: served there half a second later',
    async run(stage) {
      const { a, b, redis } = stage;
      const keys = await stage.keys('lost');
      for (const process of stage.both) await process.ask('get', { keys });
      await delay(settledMs);
      await stage.set(keys, 2);
      await redis.call('client', 'kill', 'type', 'pubsub');
      await a.ask('invalidate', { keys });
      await delay(settledMs);
      return outOf(await stage.stale(keys, 2, [b]), keys.length);
    },
  },
  {
    id: 'stampede',
    what: `${callers} callers in each of two processes miss one key at the same moment: loads`,
    async run(stage) {
      const counts = [];
      for (let round = 0; round < stage.size.rounds; round++) {
        const [key] = await stage.keys(`stampede${round}`, 1);
        const keys = Array(callers).fill(key);
        await Promise.all(stage.both.map((process) => process.ask('get', { keys })));
        counts.push(Number(await stage.redis.get(`loads:${key}`)));
      }
      return String(counts.toSorted((x, y) => x - y)[counts.length >> 1]);
    },
  },
  {
    id: 'random-load',
    what: `random reads and writes, all subscriptions cut every 300 ms: reads older than what was invalidated ${graceMs} ms before`,
    async run(stage) {
      const { redis, size, both } = stage;
      const keys = await stage.keys('random', 20);
      const durationMs = size.randomMs;
      const reading = both.map((process) => process.ask('readAtRandom', { keys, durationMs }));
      let isOver = false;
      const writing = (async () => {
        for (let version = 2; !isOver; version++) {
          const key = keys[Math.floor(Math.random() * keys.length)];
          await stage.set([key], version);
          await both[version % 2].ask('invalidate', { keys: [key] });
          setTimeout(() => void redis.set(`promised:${key}`, version), graceMs);
          await delay(25);
        }
      })();
      const cutting = (async () => {
        for (; !isOver; await delay(300)) await redis.call('client', 'kill', 'type', 'pubsub');
      })();
      const counts = await Promise.all(reading);
      isOver = true;
      await Promise.all([writing, cutting]);
      const sum = (what) => counts.reduce((total, { [what]: count }) => total + count, 0);
      return `${((100 * sum('stale')) / sum('reads')).toFixed(1)} %`;
    },
  },
  {
    id: 'lagging-replica',
    what: `a row is written, invalidated, and read at once while replicas are ${lagMs} ms behind: served when they are not any more`,
    async run(stage) {
      const { a, b, replicas, size } = stage;
      const keys = Array.from({ length: size.trials }, (_, index) => `row:${index}`);
      await replicas.prepare(keys);
      for (const process of stage.both) await process.ask('get', { keys });
      await replicas.delay(lagMs);
      await a.ask('write', { keys });
      await stage.stale(keys, 2, [b]); // whoever comes first fills the cache
      await replicas.delay(0);
      await delay(lagMs + settledMs);
      return outOf(await stage.stale(keys, 2), keys.length);
    },
  },
];

export const tableIds = races.map(({ id }) => `cache-races.${id}`);

/** Shows every race to every library; one row for each race. */
export async function show(servers, { isQuick, versionOf, own }) {
  const size = isQuick ? sizes.quick : sizes.full;
  const { url: redisUrl } = await servers.redis();
  const postgres = await servers.postgres();
  const redis = new Redis(redisUrl);
  const replicas = {
    async prepare(keys) {
      const client = new pg.Client(postgres.primary);
      await client.connect();
      await client.query('create table if not exists registers (key text primary key, version int not null)');
      await client.query('truncate registers');
      await client.query('insert into registers select unnest($1::text[]), 1', [keys]);
      await client.end();
      await postgres.caughtUp();
    },
    delay: (ms) => postgres.delayReplay(ms),
  };
  const columns = Object.keys(libraries).map((name) => ({
    name,
    version: name === '@pando/core' ? own : versionOf(name),
  }));
  const rows = races.map(({ what }, index) => ({ id: tableIds[index], what, outcomes: {} }));
  await replicas.prepare([]);
  try {
    for (const { name: library } of columns) {
      await redis.flushall();
      const processes = ['a', 'b'].map((name) => new Child(program, `${library} (${name})`));
      try {
        const database = { primary: postgres.primary, replica: postgres.replicas[0] };
        const app = { library, redisUrl, name: 'races', database, loadMs: 50 };
        const [{ hasTags }] = await Promise.all(processes.map((process) => process.ask('open', app)));
        const [a, b] = processes;
        const stage = new Stage({ a, b, hasTags, redis, replicas, size });
        for (const [index, race] of races.entries()) {
          console.error(`cache-races: ${race.id} (${library}) ...`);
          rows[index].outcomes[library] = await race.run(stage);
        }
      } finally {
        for (const process of processes) process.close();
      }
    }
  } finally {
    redis.disconnect();
  }
  const note = `\
${size.trials} trials of each race, whose moment is chosen, and ${size.randomMs / 1_000} s of load at random. What is counted is wrong, in all
rows but \`stampede\`: there it is loads, and 1 is least. Each library is used as its documentation says. \`cacheable\` with tags and
\`async-cache-dedupe\` ask Redis for every hit: no copy of theirs can miss an announcement. \`layered-loader\` has groups for tags. The
peers' loaders read a replica, as most apps' do; ours read where the kit sends them.`;
  return { columns, rows, note };
}
