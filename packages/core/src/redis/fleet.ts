import type { Clock } from '../kernel/clock.js';
import type { Fleet } from '../kernel/fleet.js';
import leaseSource from './lua/lease-1.lua';
import type { RedisArgument, RedisCommand, RedisScript } from './ports.js';

const leaseScript: RedisScript = { name: 'lease', source: leaseSource, keyCount: 1 };

/** What the fleet needs of the connection. */
interface Runner {
  isUp(): boolean;
  call(command: RedisCommand): Promise<unknown>;
  run(script: RedisScript, keys: readonly string[], args: readonly RedisArgument[]): Promise<unknown>;
}

/**
 * Membership by leases in one sorted set, renewed thrice in their length. While Redis is away, the last answer stands.
 *
 * Whoever could not renew its own lease in time cannot tell who has gone from who was cut off like itself: it goes on
 * counting those it knew for as long as it takes them to come back. Shares of a limit would grow for everyone else.
 */
export class LeasedFleet implements Fleet {
  readonly self: string;
  readonly #redis: Runner;
  readonly #key: string;
  readonly #leaseMs: number;
  readonly #clock: Clock;
  readonly #timer: Disposable;
  #instances: readonly string[];
  #renewedAt = Number.NEGATIVE_INFINITY;
  /** Until then absence proves nothing. */
  #doubtUntil = Number.NEGATIVE_INFINITY;
  #left = false;

  constructor(
    redis: Runner,
    { self, key, leaseMs, clock }: { self: string; key: string; leaseMs: number; clock: Clock },
  ) {
    this.self = self;
    this.#redis = redis;
    this.#key = key;
    this.#leaseMs = leaseMs;
    this.#clock = clock;
    this.#instances = [self];
    this.#timer = clock.every(leaseMs / 3, () => this.renew());
  }

  instances(): readonly string[] {
    return this.#instances;
  }

  /** Renews the lease now, in the background; a failure is made good by the next renewal. */
  renew(): void {
    if (this.#left || !this.#redis.isUp()) return;
    this.#redis.run(leaseScript, [this.#key], [this.self, this.#leaseMs]).then(
      (reply) => this.#renewed(reply as string[]),
      () => undefined,
    );
  }

  #renewed(listed: readonly string[]): void {
    const now = this.#clock.monotonic();
    if (now - this.#renewedAt > this.#leaseMs) this.#doubtUntil = now + this.#leaseMs;
    this.#renewedAt = now;
    const absent = now < this.#doubtUntil ? this.#instances : [];
    this.#instances = [...new Set([...absent, ...listed, this.self])].sort();
  }

  /** Ends the lease, if Redis can be told. Idempotent; never rejects. */
  async leave(): Promise<void> {
    this.#timer[Symbol.dispose]();
    if (this.#left) return;
    this.#left = true;
    if (this.#redis.isUp()) await this.#redis.call(['ZREM', this.#key, this.self]).catch(() => undefined);
  }
}
