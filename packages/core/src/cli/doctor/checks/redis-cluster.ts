import { type Check, fine, note, problem, unknown } from '../check.js';
import type { RedisServer } from '../redis-server.js';

/** Whether a cluster that misses a part serves the others. */
export const redisCluster: Check<RedisServer> = {
  name: 'redis.cluster',
  why: 'With full coverage required one missing master stops every channel and every limit, not only its own.',
  examine({ info, settings }) {
    if (info.get('cluster_enabled') !== '1') return [];
    const state = info.get('cluster_state');
    if (state !== undefined && state !== 'ok') {
      const served = Number(info.get('cluster_slots_ok') ?? 0);
      return [
        problem(
          `cluster_state:${state}; ${served} of 16384 slots are served`,
          'Bring the missing masters back, or promote their replicas: CLUSTER NODES names them.',
        ),
      ];
    }
    const coverage = settings.get('cluster-require-full-coverage');
    const todo = 'Set cluster-require-full-coverage to no, on all nodes.';
    if (coverage === undefined) return [unknown('the server does not say whether it needs all slots', todo)];
    return [coverage === 'yes' ? note('one missing part stops all of it', todo) : fine('parts serve alone')];
  },
};
