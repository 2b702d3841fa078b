import type { RedisServer } from '../infra/redis.js';

/**
 * How often the logs of channels were read so far, whatever each read took: it asks once for what the channel's events have written, as
 * an instance that renews its lease, and notes that first, asks for the others.
 */
export async function logReads(redis: RedisServer): Promise<number> {
  return (await redis.calls('zrange')) - (await redis.calls('zadd'));
}
