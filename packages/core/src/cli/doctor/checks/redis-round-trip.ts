import { redisDefaults } from '../../../redis/options.js';
import { type Check, fine, note, problem } from '../check.js';
import type { RedisServer } from '../redis-server.js';

/** Above it each step that waits for Redis shows in an answer. */
const slowMs = 10;

/** Whether commands come back in time. */
export const redisRoundTrip: Check<RedisServer> = {
  name: 'redis.round-trip',
  why: 'A command without an answer within redis.commandTimeoutMs counts as Redis being away.',
  examine({ roundTripMs }) {
    const found = `${roundTripMs.toFixed(1)} ms from here`;
    const { commandTimeoutMs } = redisDefaults;
    const todo = 'Run the app near its Redis; look at SLOWLOG GET for what keeps it busy.';
    if (roundTripMs >= commandTimeoutMs)
      return [problem(`${found}; the default of redis.commandTimeoutMs is ${commandTimeoutMs}`, todo)];
    return [roundTripMs > slowMs ? note(found, todo) : fine(found)];
  },
};
