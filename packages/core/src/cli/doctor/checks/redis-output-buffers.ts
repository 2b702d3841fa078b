import { type Check, fine, problem, unknown } from '../check.js';
import type { RedisServer } from '../redis-server.js';
import { bytes } from '../words.js';

/** A message of the default size to a hundred channels at once fits. */
const leastBytes = 8 * 1024 * 1024;

/** Whether a burst of announcements may cut the connection on which an instance hears the others. */
export const redisOutputBuffers: Check<RedisServer> = {
  name: 'redis.output-buffers',
  why: 'Redis cuts a subscriber whose buffer is full. Instances notice and read again what they missed, but in a burst that makes everything late, again and again.',
  examine({ settings }) {
    const limits = settings.get('client-output-buffer-limit');
    const [, hard = '', soft = '', seconds = ''] = /\bpubsub (\d+) (\d+) (\d+)/.exec(limits ?? '') ?? [];
    if (hard === '')
      return [
        unknown(
          'the server does not say its limits',
          'Look at client-output-buffer-limit pubsub where it is set: 32mb 8mb 60 or more.',
        ),
      ];
    const [hardBytes, softBytes] = [Number(hard), Number(soft)];
    const told = (size: number) => (size === 0 ? 'no limit' : bytes(size));
    const found = `pubsub: ${told(hardBytes)} at once, ${told(softBytes)} for ${seconds} s`;
    const isSmall = (size: number) => size > 0 && size < leastBytes;
    if (isSmall(hardBytes) || isSmall(softBytes))
      return [
        problem(found, 'Set client-output-buffer-limit to "pubsub 32mb 8mb 60", as it comes, or more.'),
      ];
    return [fine(found)];
  },
};
