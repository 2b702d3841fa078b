/**
 * One process of an app that caches what it loads, with the cache and the loader that it is told to use.
 *
 * What is loaded are numbers that only grow. They lie in Redis beside the cache, or, where replicas matter, in Postgres.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { serve } from '../harness/child.mjs';
import { libraries } from './cache-libraries.mjs';

/** Keys whose loads have read their value, and wait until they are let go. */
const held = new Map();
let redis;
let cache;
let app;

const advance = 'update registers set version = version + 1 where key = $1';
const look = 'select version from registers where key = $1';

const get = (key) =>
  key.includes('tagged:') && cache.getOfTag ? cache.getOfTag(key, tagOf(key)) : cache.get(key, tagOf(key));
const tagOf = (key) => `tag:${key}`;

async function load(key) {
  if (key.startsWith('row:')) return (await cache.query(look, [key])).rows[0].version;
  const [version] = await Promise.all([redis.get(`register:${key}`), redis.incr(`loads:${key}`)]);
  const gate = held.get(key);
  gate?.hasRead();
  await (gate === undefined ? delay(app.loadMs * (0.2 + Math.random())) : gate.open);
  return Number(version);
}

/** A database whose replicas are chosen by who reads, as most apps have it. */
async function pools({ primary, replica }) {
  const { default: pg } = await import('pg');
  const [writes, reads] = [primary, replica].map((connectionString) => new pg.Pool({ connectionString }));
  return {
    query: (text, values) => reads.query(text, values),
    async write(key, text, values) {
      await writes.query(text, values);
      await cache.invalidate(key);
    },
  };
}

serve({
  async open(asked) {
    app = asked;
    redis = new Redis(app.redisUrl);
    const database = app.database && (await pools(app.database));
    cache = { ...database, ...(await libraries[app.library]({ ...app, load })) };
    return { hasTags: cache.invalidateTag !== undefined };
  },

  /** From now on loads of these keys wait after they have read. */
  async hold({ keys }) {
    for (const key of keys) {
      const gate = {};
      gate.read = new Promise((resolve) => {
        gate.hasRead = resolve;
      });
      gate.open = new Promise((resolve) => {
        gate.goOn = resolve;
      });
      held.set(key, gate);
    }
  },

  /** Resolves when loads of all these keys have read. */
  async haveRead({ keys }) {
    await Promise.all(keys.map((key) => held.get(key).read));
  },

  async letGo() {
    for (const { goOn } of held.values()) goOn();
    held.clear();
  },

  async get({ keys }) {
    return Promise.all(keys.map(get));
  },

  async invalidate({ keys }) {
    await Promise.all(keys.map((key) => cache.invalidate(key)));
  },

  async invalidateTags({ keys }) {
    await Promise.all(keys.map((key) => cache.invalidateTag(tagOf(key))));
  },

  /** Writes rows, and says so to the cache after that. */
  async write({ keys }) {
    await Promise.all(keys.map((key) => cache.write(key, advance, [key])));
  },

  /** Reads at random, and counts what is older than somebody was promised who has written it. */
  async readAtRandom({ keys, durationMs }) {
    const endsAt = performance.now() + durationMs;
    const counts = { reads: 0, stale: 0 };
    const reader = async () => {
      while (performance.now() < endsAt) {
        const key = keys[Math.floor(Math.random() * keys.length)];
        const promised = Number(await redis.get(`promised:${key}`));
        const version = await get(key);
        counts.reads += 1;
        if (version < promised) counts.stale += 1;
        await delay(Math.random() * 4);
      }
    };
    await Promise.all([1, 2, 3, 4].map(reader));
    return counts;
  },
});
