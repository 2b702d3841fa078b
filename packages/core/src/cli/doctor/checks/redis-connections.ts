import { type Check, fine, problem, unknown } from '../check.js';
import type { RedisServer } from '../redis-server.js';

/** Whether more instances could connect. */
export const redisConnections: Check<RedisServer> = {
  name: 'redis.connections',
  why: 'Redis refuses whoever comes when maxclients are there: a new instance starts without it.',
  examine({ info, settings }) {
    if (!info.has('connected_clients'))
      return [
        unknown(
          'the server does not say how many there are',
          'Let this user run INFO, or look at it elsewhere.',
        ),
      ];
    const used = Number(info.get('connected_clients'));
    const max = Number(info.get('maxclients') ?? settings.get('maxclients') ?? Number.POSITIVE_INFINITY);
    const found = Number.isFinite(max) ? `${used} of ${max}` : `${used}`;
    if (used > max * 0.9)
      return [problem(found, 'Raise maxclients, and the limit of open files of the server.')];
    return [fine(found)];
  },
};
