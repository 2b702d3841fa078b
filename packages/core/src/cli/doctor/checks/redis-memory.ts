import { type Check, fine, note, problem, unknown } from '../check.js';
import type { RedisServer } from '../redis-server.js';
import { bytes, count, percent } from '../words.js';

/** How full the server is. */
export const redisMemory: Check<RedisServer> = {
  name: 'redis.memory',
  why: 'A full Redis evicts, or refuses writes: publishing fails, limits fall back to what onUnavailable says.',
  examine({ info }) {
    if (!info.has('used_memory'))
      return [
        unknown('the server does not say how full it is', 'Let this user run INFO, or look at it elsewhere.'),
      ];
    const used = Number(info.get('used_memory'));
    const max = Number(info.get('maxmemory') ?? 0);
    const evicted = Number(info.get('evicted_keys') ?? 0);
    const isRefusing = (info.get('maxmemory_policy') ?? 'noeviction') === 'noeviction';
    if (max === 0) return [fine(`${bytes(used)} in use`)];
    const found = `${bytes(used)} of ${bytes(max)} in use (${percent(used / max)})`;
    const todo = 'Raise maxmemory, or keep less: shorter cache.ttlMs, a smaller realtime.history.';
    if (used > max * 0.95 && isRefusing) return [problem(`${found}, and writes are refused at 100 %`, todo)];
    if (evicted > 0) return [note(`${found}; ${count(evicted, 'key')} evicted since it started`, todo)];
    return [used > max * 0.8 ? note(found, todo) : fine(found)];
  },
};
