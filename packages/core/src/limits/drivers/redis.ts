import { RateLimiterRedis } from 'rate-limiter-flexible';
import type { Signalled } from '../../kernel/abort.js';
import type { RedisFloor, RedisScript } from '../../redis/ports.js';
import type { LimitStore, LimitWindow, PolicyCounters } from '../ports.js';
import { type CountedWindow, LimiterCounters } from './limiter-counters.js';
import spendSource from './lua/spend-1.lua';

/** What a store in Redis stands on. */
export interface RedisStoreInit {
  readonly redis: RedisFloor;
  /** Whether the store starts and closes the floor. */
  readonly isOwner: boolean;
  /** How long one call may wait for Redis. */
  readonly timeoutMs: number;
}

/** Creates a store in which all instances count together. */
export function createRedisStore(init: RedisStoreInit): LimitStore {
  return new RedisStore(init);
}

const spendScript: RedisScript = { name: 'spend', source: spendSource, keyCount: 1 };

/**
 * The floor, as rate-limiter-flexible wants a client: so its calls have a deadline, find the script on every node, and
 * never wait for a connection.
 */
class FloorClient {
  readonly #redis: RedisFloor;
  readonly #timeoutMs: number;

  constructor(redis: RedisFloor, timeoutMs: number) {
    this.#redis = redis;
    this.#timeoutMs = timeoutMs;
  }

  get status(): string {
    return this.#redis.isUp ? 'ready' : 'end';
  }

  /** The library's own script counts refused calls, knows whole seconds only, and gives credit for the next window. */
  rlflxIncr([key, ...args]: readonly [key: string, ...args: string[]]): Promise<unknown> {
    return this.#redis.run(spendScript, [key], args, { timeoutMs: this.#timeoutMs });
  }
}

class RedisStore implements LimitStore {
  readonly source = 'redis';
  readonly #redis: RedisFloor;
  readonly #isOwner: boolean;
  readonly #client: FloorClient;

  constructor({ redis, isOwner, timeoutMs }: RedisStoreInit) {
    this.#redis = redis;
    this.#isOwner = isOwner;
    this.#client = new FloorClient(redis, timeoutMs);
  }

  get isUp(): boolean {
    return this.#redis.isUp;
  }

  get instances(): number {
    return Math.max(1, this.#redis.fleet.instances().length);
  }

  async start(options?: Signalled): Promise<void> {
    if (this.#isOwner) await this.#redis.start(options);
  }

  counters(policy: string, windows: readonly LimitWindow[]): PolicyCounters {
    return new LimiterCounters(windows.map((window) => this.#counted(policy, window)));
  }

  async close(): Promise<void> {
    if (this.#isOwner) await this.#redis.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #counted(policy: string, window: LimitWindow): CountedWindow {
    const limiter = new RateLimiterRedis({
      storeClient: this.#client,
      rejectIfRedisNotReady: true,
      keyPrefix: this.#redis.keys.spread('limits', policy, String(window.windowMs)),
      points: window.limit,
      duration: window.windowMs, // the library hands it to the script as it is: our script takes milliseconds
    });
    return {
      window,
      limiter,
      keyOf: (key) => key,
      countsRefused: false,
      async giveBack(key, cost, { leftMs }) {
        if (leftMs > 0) await limiter.reward(key, cost, { customDuration: leftMs });
      },
    };
  }
}
