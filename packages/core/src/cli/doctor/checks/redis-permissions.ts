import { type Check, fine, problem, unknown } from '../check.js';
import type { RedisServer } from '../redis-server.js';

/** Whether this user may do what the rooms do. */
export const redisPermissions: Check<RedisServer> = {
  name: 'redis.permissions',
  why: 'What must happen in one step runs as a script, and instances hear each other on channels.',
  examine({ refusal }) {
    if (refusal === undefined) return [fine('scripts, keys and channels')];
    const { isDenied, message } = refusal;
    if (/READONLY|LOADING/.test(message)) return []; // what it is tells that already
    if (!isDenied)
      return [unknown(message, 'Look again when it answers: nothing was refused, and nothing done.')];
    return [
      problem(
        message,
        'Let the user run commands and scripts on the keys, and hear the channels, "pando:*".',
      ),
    ];
  },
};
