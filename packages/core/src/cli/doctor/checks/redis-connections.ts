import { type Check, fine, problem } from '../check.js';
import type { RedisServer } from '../redis-server.js';

/** Whether more instances could connect. */
export const redisConnections: Check<RedisServer> = {
  name: 'redis.connections',
  why: 'Redis refuses whoever comes when maxclients are there: a new instance starts without it.',
  examine({ info }) {
    const used = Number(info.get('connected_clients') ?? 0);
    const max = Number(info.get('maxclients') ?? Number.POSITIVE_INFINITY);
    const found = Number.isFinite(max) ? `${used} of ${max}` : `${used}`;
    if (used > max * 0.9)
      return [problem(found, 'Raise maxclients, and the limit of open files of the server.')];
    return [fine(found)];
  },
};
