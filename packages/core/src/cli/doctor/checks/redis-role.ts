import { type Check, fine, problem } from '../check.js';
import type { RedisServer } from '../redis-server.js';

/** Whether the server takes writes. */
export const redisRole: Check<RedisServer> = {
  name: 'redis.role',
  why: 'Every room writes: a replica refuses invalidations, messages and counts.',
  examine({ info }) {
    const host = info.get('master_host');
    const master = host === undefined ? 'another one' : `${host}:${info.get('master_port')}`;
    if (info.get('loading') === '1')
      return [problem('it still loads its data', 'Wait until it has; nothing is served before.')];
    // Any node tells the others of a cluster, and writes find theirs.
    if (info.get('role') === 'slave' && info.get('cluster_enabled') === '1')
      return [fine(`a replica of ${master}, in the cluster`)];
    if (info.get('role') === 'slave')
      return [problem(`a replica of ${master}`, `Point redis at ${master}, or name the sentinels.`)];
    return [fine('takes writes')];
  },
};
