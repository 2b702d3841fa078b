import { type Check, fine, problem, unknown } from '../check.js';
import type { RedisServer } from '../redis-server.js';
import { isAtLeast } from '../words.js';

/** Whether the server has the commands that Pando uses. */
export const redisVersion: Check<RedisServer> = {
  name: 'redis.version',
  why: 'Scripts use commands of Redis 6.2; channels in a cluster use the sharded pub/sub of Redis 7.',
  examine({ info }) {
    const version = info.get('redis_version');
    if (version === undefined) return [unknown('the server does not say its version', 'Look at what it is.')];
    const product = info.has('valkey_version') ? `Valkey ${info.get('valkey_version')}` : `Redis ${version}`;
    const isCluster = info.get('cluster_enabled') === '1';
    const least = isCluster ? ([7, 0] as const) : ([6, 2] as const);
    if (isAtLeast(version, least)) return [fine(isCluster ? `${product}, a cluster` : product)];
    return [problem(product, `Update it to Redis ${least.join('.')} or later, or to Valkey.`)];
  },
};
