import { type Check, fine, note, problem, unknown } from '../check.js';
import type { RedisServer } from '../redis-server.js';
import { bytes } from '../words.js';

/** Whether the server throws away what promises stand on when its memory is full. */
export const redisEviction: Check<RedisServer> = {
  name: 'redis.eviction',
  why: 'With an allkeys policy a full Redis drops state that has no expiry: the secret, what the cache knows of invalidations. Counters of limits begin anew, caches start empty, tokens are refused.',
  examine({ info, settings }) {
    const policy = info.get('maxmemory_policy') ?? settings.get('maxmemory-policy');
    const maxBytes = Number(info.get('maxmemory') ?? settings.get('maxmemory') ?? Number.NaN);
    if (policy === undefined)
      return [unknown('the server does not say its policy', 'Look at maxmemory-policy where it is set.')];
    if (maxBytes === 0) return [fine(`nothing is evicted: no maxmemory (${policy})`)];
    const found = Number.isNaN(maxBytes) ? policy : `${policy} at ${bytes(maxBytes)}`;
    if (policy.startsWith('allkeys'))
      return [problem(found, 'Set maxmemory-policy to volatile-lru, or give Pando a Redis of its own.')];
    if (policy === 'volatile-ttl' || policy === 'volatile-random')
      return [
        note(found, 'Prefer volatile-lru: it evicts idle cached values before counters that are in use.'),
      ];
    return [fine(found)];
  },
};
