import { createHash } from 'node:crypto';
import type { Clock } from '../kernel/clock.js';
import { mergeTokens, type Token } from '../kernel/token.js';
import type { ShelfBounds, TokenShelf } from '../kernel/token-shelf.js';
import keepSource from './lua/keep-1.lua';
import type { RedisFloor, RedisScript } from './ports.js';
import { fieldsOf, tokenOf } from './shelf-fields.js';

/** Keeps tokens in Redis: what one instance wrote, all know. */
export function createRedisShelf(redis: ShelfFloor, clock: Clock): TokenShelf {
  return new RedisShelf(redis, clock);
}

type ShelfFloor = Pick<RedisFloor, 'keys' | 'call' | 'run' | 'events'>;

const keepScript: RedisScript = { name: 'keep', source: keepSource, keyCount: 1 };

/** Between attempts to keep what could not be kept. */
const retryMs = 250;
/** So many users at most wait for Redis to come back; the first to come is the first to be given up. */
const maxLate = 10_000;

/** A token that Redis did not take yet. */
interface Late {
  readonly token: Token;
  readonly endsAt: number;
  readonly bounds: ShelfBounds;
}

class RedisShelf implements TokenShelf {
  readonly #redis: ShelfFloor;
  readonly #clock: Clock;
  readonly #late = new Map<string, Late>();
  #isRetrying = false;
  /** When Redis was last found without the data it had. */
  #lostAt = Number.NEGATIVE_INFINITY;

  constructor(redis: ShelfFloor, clock: Clock) {
    this.#redis = redis;
    this.#clock = clock;
    redis.events.on('up', ({ epoch, previousEpoch }) => {
      if (previousEpoch !== undefined && previousEpoch !== epoch) this.#lostAt = clock.monotonic();
    });
  }

  async read(user: string, { lifeMs, timeoutMs }: ShelfBounds): Promise<Token> {
    const key = this.#keyOf(user);
    const reply = await this.#redis.call(['HGETALL', key], { timeoutMs });
    if (this.#clock.monotonic() < this.#lostAt + lifeMs) {
      throw new Error('Redis has lost its data, and what was kept in it may matter still.');
    }
    const kept = tokenOf(reply as readonly string[]);
    const late = this.#late.get(key);
    return late === undefined ? kept : mergeTokens(kept, late.token);
  }

  async keep(user: string, token: Token, bounds: ShelfBounds): Promise<void> {
    const key = this.#keyOf(user);
    try {
      await this.#keep(key, token, bounds);
    } catch (cause) {
      this.#postpone(key, token, bounds);
      throw cause;
    }
  }

  async #keep(key: string, token: Token, { lifeMs, timeoutMs }: ShelfBounds): Promise<void> {
    await this.#redis.run(keepScript, [key], [lifeMs, ...fieldsOf(token)], { timeoutMs });
  }

  #postpone(key: string, token: Token, bounds: ShelfBounds): void {
    const before = this.#late.get(key);
    this.#late.delete(key);
    this.#late.set(key, {
      token: before === undefined ? token : mergeTokens(before.token, token),
      endsAt: this.#clock.monotonic() + bounds.lifeMs,
      bounds,
    });
    for (const first of this.#late.keys()) {
      if (this.#late.size <= maxLate) break;
      this.#late.delete(first);
    }
    if (this.#isRetrying) return;
    this.#isRetrying = true;
    this.#clock.after(retryMs, () => void this.#retry());
  }

  /** One after the other, up to the first failure: the next would have to wait as long. Ends when all have ended. */
  async #retry(): Promise<void> {
    for (const [key, late] of this.#late) {
      try {
        if (late.endsAt > this.#clock.monotonic()) await this.#keep(key, late.token, late.bounds);
      } catch {
        break;
      }
      if (this.#late.get(key) === late) this.#late.delete(key); // else more was written meanwhile
    }
    this.#isRetrying = this.#late.size > 0;
    if (this.#isRetrying) this.#clock.after(retryMs, () => void this.#retry());
  }

  /** Names of users are user input, and nobody else's business. */
  #keyOf(user: string): string {
    return this.#redis.keys.spread('user', createHash('sha256').update(user).digest('base64url'));
  }
}
