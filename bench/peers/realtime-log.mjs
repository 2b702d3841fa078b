/** What a publish costs Redis: the history it keeps, and the announcement. Messages of 200 bytes, 64 channels at once. */
import { randomUUID } from 'node:crypto';
import { perSecond, redisMicros } from '../harness/measures.mjs';
import { RedisTime } from '../harness/redis-time.mjs';

const atOnce = { workers: 64, batch: 1 };
const size = 1_000;
const ttlMs = 300_000;
const event = 'x'.repeat(200);
const packet = 10;

export const comparisons = [
  {
    what: 'a publish, kept and announced by one script; the peer does it with a counter and an epoch, as other servers do',
    ours: 'pandoPublishes',
    theirs: 'countedPublishes',
    peer: 'ioredis',
    load: atOnce,
    rows: {
      // 9 µs where the peer takes 10.
      'realtime.publish.redis-cpu.vs-counted': { ...redisMicros('message'), target: 1.1 },
      'realtime.publish.vs-counted': perSecond('messages'),
    },
  },
  {
    what: 'the same; the peer sends XADD and PUBLISH, which are not one step, and name no predecessor',
    ours: 'pandoPublishes',
    theirs: 'plainPublishes',
    peer: 'ioredis',
    load: atOnce,
    rows: { 'realtime.publish.redis-cpu.vs-unscripted': redisMicros('message') },
  },
  {
    what: 'the same for ten messages of one turn, counted in tens; the peer sends each as it comes',
    ours: 'pandoPackets',
    theirs: 'countedTens',
    peer: 'ioredis',
    load: atOnce,
    rows: { 'realtime.publish-packed.redis-cpu.vs-counted': { ...redisMicros('ten messages'), target: 4 } },
  },
  {
    what: 'a publish with an id of its own, which is remembered; the peer remembers what it answered in a hash for each id',
    ours: 'pandoNamed',
    theirs: 'countedNamed',
    peer: 'ioredis',
    load: atOnce,
    rows: { 'realtime.publish-with-id.redis-cpu.vs-counted': { ...redisMicros('message'), target: 1.1 } },
  },
  {
    what: 'a publish to a channel without history; the peer sends PUBLISH',
    ours: 'pandoAnnouncements',
    theirs: 'barePublishes',
    peer: 'ioredis',
    load: atOnce,
    rows: { 'realtime.announce.redis-cpu.vs-publish': redisMicros('message') },
  },
];

export async function open(servers) {
  const { url } = await servers.redis();
  return { redisUrl: url };
}

async function openRoom(redisUrl) {
  const { createPando } = await import('@pando/core');
  const { Redis } = await import('ioredis');
  const pando = await createPando({
    name: 'bench',
    redis: { client: new Redis(redisUrl), commandTimeoutMs: 10_000 },
    realtime: { history: { size, ttlMs }, channels: { 'live:*': { history: false } } },
    lifecycle: { signals: false },
  });
  return pando.realtime;
}

const channels = (prefix) => {
  const names = Array.from({ length: 64 }, (_, index) => `${prefix}:${index}`);
  let next = 0;
  return () => names[next++ % names.length];
};

export async function pandoPublishes({ redisUrl }) {
  const realtime = await openRoom(redisUrl);
  const next = channels('kept');
  return new RedisTime(redisUrl).beside({ run: () => realtime.publish(next(), event) });
}

export async function pandoNamed({ redisUrl }) {
  const realtime = await openRoom(redisUrl);
  const next = channels('named');
  return new RedisTime(redisUrl).beside({
    run: () => realtime.publish(next(), event, { id: randomUUID() }),
  });
}

export async function pandoPackets({ redisUrl }) {
  const realtime = await openRoom(redisUrl);
  const next = channels('kept');
  const run = () => {
    const channel = next();
    return Promise.all(Array.from({ length: packet }, () => realtime.publish(channel, event)));
  };
  return new RedisTime(redisUrl).beside({ run });
}

export async function pandoAnnouncements({ redisUrl }) {
  const realtime = await openRoom(redisUrl);
  const next = channels('live');
  return new RedisTime(redisUrl).beside({ run: () => realtime.publish(next(), event) });
}

/** A history with an offset that counts up, and an epoch in which it counts. */
const counted = `
local epoch = redis.call('HGET', KEYS[2], 'e')
if not epoch then
  epoch = ARGV[4]
  redis.call('HSET', KEYS[2], 'e', epoch)
end
local offset = redis.call('HINCRBY', KEYS[2], 's', 1)
redis.call('EXPIRE', KEYS[2], 86400)
redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[2], offset, 'd', ARGV[1])
redis.call('EXPIRE', KEYS[1], ARGV[3])
redis.call('PUBLISH', KEYS[3], '__' .. offset .. ':' .. epoch .. '__' .. ARGV[1])
return { offset, epoch }
`;

/** The same, once for each id. */
const countedOnce = `
local known = redis.call('HMGET', KEYS[4], 'e', 's')
if known[1] then
  return { tonumber(known[2]), known[1] }
end
${counted.replace('return {', "redis.call('HSET', KEYS[4], 'e', epoch, 's', offset)\nredis.call('EXPIRE', KEYS[4], ARGV[5])\nreturn {")}
`;

async function openCounted(redisUrl) {
  const { Redis } = await import('ioredis');
  return countedPublishesOn(new Redis(redisUrl));
}

/** Publishes on 64 channels, whose keys all begin alike. */
export function countedPublishesOn(redis, place = 'peer') {
  redis.defineCommand('countedPublish', { numberOfKeys: 3, lua: counted });
  const next = channels('peer');
  return () => {
    const channel = next();
    const keys = [`${place}:log:${channel}`, `${place}:meta:${channel}`, `${place}:channel:${channel}`];
    return redis.countedPublish(...keys, JSON.stringify(event), size, ttlMs / 1_000, 'epoch');
  };
}

export async function countedPublishes({ redisUrl }) {
  return new RedisTime(redisUrl).beside({ run: await openCounted(redisUrl) });
}

export async function countedNamed({ redisUrl }) {
  const { Redis } = await import('ioredis');
  const redis = new Redis(redisUrl);
  redis.defineCommand('countedOnce', { numberOfKeys: 4, lua: countedOnce });
  const next = channels('peer-named');
  const run = () => {
    const channel = next();
    const keys = [`peer:log:${channel}`, `peer:meta:${channel}`, `peer:channel:${channel}`];
    const id = `peer:id:${channel}:${randomUUID()}`;
    return redis.countedOnce(...keys, id, JSON.stringify(event), size, ttlMs / 1_000, 'epoch', 600);
  };
  return new RedisTime(redisUrl).beside({ run });
}

export async function countedTens({ redisUrl }) {
  const publish = await openCounted(redisUrl);
  return new RedisTime(redisUrl).beside({
    run: () => Promise.all(Array.from({ length: packet }, publish)),
  });
}

export async function plainPublishes({ redisUrl }) {
  const { Redis } = await import('ioredis');
  const redis = new Redis(redisUrl);
  const next = channels('peer');
  const run = async () => {
    const channel = next();
    await redis.xadd(`peer:plain:${channel}`, 'MAXLEN', '~', size, '*', 'd', JSON.stringify(event));
    await redis.publish(`peer:channel:${channel}`, JSON.stringify(event));
  };
  return new RedisTime(redisUrl).beside({ run });
}

export async function barePublishes({ redisUrl }) {
  const { Redis } = await import('ioredis');
  const redis = new Redis(redisUrl);
  const next = channels('peer');
  const run = () => redis.publish(`peer:channel:${next()}`, JSON.stringify(event));
  return new RedisTime(redisUrl).beside({ run });
}
