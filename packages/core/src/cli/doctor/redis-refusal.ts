import type { Cluster, Redis } from 'ioredis';
import { messageOf } from '../../kernel/errors.js';
import type { Keys } from '../../kernel/keys.js';

/** Why Redis did not do what rooms ask of it. */
export interface Refusal {
  /** Whether this user may not have it; else it cannot be had now. */
  readonly isDenied: boolean;
  readonly message: string;
}

/** Of each group of commands that rooms use one which changes nothing where there is nothing. */
const harmless = `local key = KEYS[1]
  redis.call('EXISTS', key) redis.call('GET', key) redis.call('SET', key, '', 'XX') redis.call('DEL', key)
  redis.call('HGET', key, 'a') redis.call('HDEL', key, 'a') redis.call('PEXPIRE', key, 1) redis.call('PERSIST', key)
  redis.call('ZADD', key, 'XX', 1, 'a') redis.call('ZRANGEBYSCORE', key, 0, 1) redis.call('ZREM', key, 'a')
  redis.call('XADD', key, 'NOMKSTREAM', '*', 'a', '') redis.call('XRANGE', key, '-', '+') redis.call('TIME')`;

const cannotBeKnown = '0'.repeat(40);

/** Tries what rooms do, on a key that does not exist and a channel that nobody hears; undefined when all of it may be done. */
export async function refusalOf(
  home: Redis | Cluster,
  client: Redis,
  keys: Keys,
): Promise<Refusal | undefined> {
  const key = keys.atomic('doctor');
  try {
    await unlessAnswered('NOSCRIPT', home.call('EVALSHA', cannotBeKnown, '1', key));
    await home.call('EVAL', harmless, '1', key);
    await home.call('PUBLISH', key, '');
    if (home === client) {
      await client.subscribe(key);
      await client.unsubscribe();
    } else {
      await home.call('SPUBLISH', key, '');
      await unlessAnswered('MOVED', client.ssubscribe(key)); // permission is asked for before the place
    }
    return undefined;
  } catch (cause) {
    const message = messageOf(cause);
    return { isDenied: /NOPERM|can't run this command|unknown command/i.test(message), message };
  }
}

async function unlessAnswered(kind: string, asked: Promise<unknown>): Promise<void> {
  await asked.catch((cause: unknown) => {
    if (!messageOf(cause).startsWith(kind)) throw cause;
  });
}
