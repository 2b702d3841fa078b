import type { RedisServerOptions } from './redis-server.js';
import { RedisServer } from './redis-server.js';

export { moveSlot, RedisCluster, startRedisCluster } from './redis-cluster.js';
export { startSentinel } from './redis-sentinel.js';
export type { RedisServerOptions } from './redis-server.js';
export { RedisServer } from './redis-server.js';

/** Starts one Redis server on a free port, empty; ready in some 50 ms. */
export async function startRedis(options: RedisServerOptions = {}): Promise<RedisServer> {
  return RedisServer.start(options);
}
