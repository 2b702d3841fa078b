import { type Check, fine, note, unknown } from '../check.js';
import type { RedisServer } from '../redis-server.js';
import { count } from '../words.js';

/** Whether a master that was cut off goes on alone. */
export const redisReplicas: Check<RedisServer> = {
  name: 'redis.replicas',
  why: 'A master that lost its replicas and goes on alone takes writes that are gone when another one is promoted.',
  examine({ info, settings }) {
    if (info.get('role') === 'slave') return [];
    const least = settings.get('min-replicas-to-write');
    if (!info.has('connected_slaves'))
      return [
        unknown(
          'the server does not say whether it has any',
          'Let this user run INFO, or look at it elsewhere.',
        ),
      ];
    const replicas = Number(info.get('connected_slaves'));
    if (replicas === 0) return [fine('none: what is lost with the server is said, not mistaken')];
    if (least === undefined)
      return [
        unknown(
          'the server does not say how many replicas a write needs',
          'Look at min-replicas-to-write where it is set: 1.',
        ),
      ];
    if (least === '0')
      return [
        note(
          `${count(replicas, 'replica')}, and a master without any goes on`,
          'Set min-replicas-to-write to 1.',
        ),
      ];
    return [fine(`${count(replicas, 'replica')}, of which a write needs ${least}`)];
  },
};
