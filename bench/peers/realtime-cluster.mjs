/**
 * What publishes cost a Redis cluster of three masters: messages of 200 bytes, 64 channels at once. How many it takes in a second
 * shows on machines alone that have more cores than it has servers; when its busiest server has no time left shows on any.
 */
import { redisMicros } from '../harness/measures.mjs';
import { RedisTime } from '../harness/redis-time.mjs';
import { countedPublishesOn } from './realtime-log.mjs';

const size = 1_000;
const ttlMs = 300_000;
const event = 'x'.repeat(200);

export const comparisons = [
  {
    what: 'a publish in a cluster of three masters, and what the busiest of them spends; the peer does it with a counter and an epoch, all channels in one slot, and every node hears of it',
    ours: 'pandoPublishes',
    theirs: 'oneSlotPublishes',
    peer: 'ioredis',
    load: { workers: 64, batch: 1 },
    rows: { 'realtime.cluster.publish.redis-cpu': redisMicros('message') },
  },
];

export async function open(servers) {
  return await servers.redisCluster();
}

const nodesOf = (urls) =>
  urls.map((url) => ({ host: new URL(url).hostname, port: Number(new URL(url).port) }));

function channels() {
  const names = Array.from({ length: 64 }, (_, index) => `room:${index}`);
  let next = 0;
  return () => names[next++ % names.length];
}

export async function pandoPublishes({ urls }) {
  const { createPando } = await import('@pando/core');
  const pando = await createPando({
    name: 'bench',
    redis: { nodes: nodesOf(urls), commandTimeoutMs: 10_000 },
    realtime: { history: { size, ttlMs } },
    lifecycle: { signals: false },
  });
  const next = channels();
  return new RedisTime(...urls).beside({ run: () => pando.realtime.publish(next(), event) });
}

export async function oneSlotPublishes({ urls }) {
  const { Cluster } = await import('ioredis');
  return new RedisTime(...urls).beside({ run: countedPublishesOn(new Cluster(nodesOf(urls)), '{peer}') });
}
