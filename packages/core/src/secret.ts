import { randomBytes } from 'node:crypto';
import { messageOf, PandoError } from './kernel/errors.js';
import type { RedisFloor } from './redis/ports.js';

/**
 * The kit cannot start: without the fleet's secret, which is kept in Redis, an instance could neither read nor write
 * tokens.
 *
 * Start Redis or correct the `redis` option. To start without Redis give every instance the same `secret`.
 */
export class SecretUnavailableError extends PandoError {
  constructor(cause: unknown) {
    super({
      code: 'PANDO_SECRET_UNAVAILABLE',
      message:
        `Cannot start without the secret that signs tokens, which is kept in Redis. ${messageOf(cause)} ` +
        'Start Redis there, correct the "redis" option, or give every instance the same "secret" to start without.',
      cause,
      retryable: true,
      status: 503,
    });
  }
}

const newSecret = (): string => randomBytes(32).toString('base64url');

/**
 * The secret that signs this fleet's tokens: the configured one, else the one in Redis, which the first instance creates.
 *
 * An instance that `knew` the secret puts it back where Redis has lost its data: tokens outlive that.
 * Without Redis it is made for this process, and its tokens end with it.
 */
export async function fleetSecret(
  configured: string | undefined,
  redis: RedisFloor | undefined,
  knew = newSecret(),
): Promise<string> {
  if (configured !== undefined) return configured;
  if (redis === undefined) return knew;
  const key = redis.keys.atomic('secret');
  try {
    // Two commands, not SET with NX and GET together, which Redis learned only in 7.0.
    const [, secret] = await redis.batch([
      ['SET', key, knew, 'NX'],
      ['GET', key],
    ]);
    return String(secret);
  } catch (cause) {
    throw new SecretUnavailableError(cause);
  }
}
