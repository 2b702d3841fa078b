import { type Check, fine, problem } from '../check.js';
import type { RedisServer } from '../redis-server.js';

/** Whether this user may do what the rooms do. */
export const redisPermissions: Check<RedisServer> = {
  name: 'redis.permissions',
  why: 'What must happen in one step runs as a script, and instances hear each other on channels.',
  examine({ refusal }) {
    if (refusal === undefined) return [fine('scripts and channels')];
    return [
      problem(
        refusal,
        'Let the user run commands and scripts on the keys, and hear the channels, "pando:*".',
      ),
    ];
  },
};
