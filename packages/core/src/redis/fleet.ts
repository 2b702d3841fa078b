import type { Signalled } from '../kernel/abort.js';
import type { Clock } from '../kernel/clock.js';
import type { FleetMember, FleetRoster } from '../kernel/fleet.js';
import leaseSource from './lua/lease-2.lua';
import membersSource from './lua/members-2.lua';
import type { RedisArgument, RedisCallOptions, RedisCommand, RedisScript } from './ports.js';

const leaseScript: RedisScript = { name: 'lease', source: leaseSource, keyCount: 2 };
const membersScript: RedisScript = { name: 'members', source: membersSource, keyCount: 2 };

/** What the fleet needs of the connection. */
interface Runner {
  isUp(): boolean;
  call(command: RedisCommand): Promise<unknown>;
  run(
    script: RedisScript,
    keys: readonly string[],
    args: readonly RedisArgument[],
    options?: RedisCallOptions,
  ): Promise<unknown>;
}

interface LeasedFleetInit {
  readonly self: string;
  readonly keys: readonly [leases: string, descriptions: string];
  readonly leaseMs: number;
  readonly clock: Clock;
}

/**
 * Membership by leases in one sorted set, renewed thrice in their length. While Redis is away, the last answer stands.
 *
 * Whoever could not renew its own lease in time cannot tell who has gone from who was cut off like itself: it goes on
 * counting those it knew for as long as it takes them to come back. Shares of a limit would grow for everyone else.
 */
export class LeasedFleet implements FleetRoster {
  readonly self: string;
  readonly #redis: Runner;
  /** Who holds a lease until when, and what each says of itself. */
  readonly #keys: readonly [leases: string, descriptions: string];
  readonly #leaseMs: number;
  readonly #clock: Clock;
  readonly #timer: Disposable;
  #instances: readonly string[];
  #describe: () => object | undefined = () => undefined;
  #renewedAt = Number.NEGATIVE_INFINITY;
  /** Until then absence proves nothing. */
  #doubtUntil = Number.NEGATIVE_INFINITY;
  #left = false;

  constructor(redis: Runner, { self, keys, leaseMs, clock }: LeasedFleetInit) {
    this.self = self;
    this.#redis = redis;
    this.#keys = keys;
    this.#leaseMs = leaseMs;
    this.#clock = clock;
    this.#instances = [self];
    this.#timer = clock.every(leaseMs / 3, () => this.renew());
  }

  instances(): readonly string[] {
    return this.#instances;
  }

  describe(describe: () => object): void {
    this.#describe = describe;
    this.renew();
  }

  async members(options?: Signalled): Promise<readonly FleetMember[]> {
    const reply = (await this.#redis.run(membersScript, this.#keys, [], options)) as readonly string[];
    return reply.flatMap((id, at) =>
      at % 2 === 0 ? { id, description: readDescription(reply[at + 1]) } : [],
    );
  }

  /** Renews the lease now, in the background; a failure is made good by the next renewal. */
  renew(): void {
    if (this.#left || !this.#redis.isUp()) return;
    const described = this.#describe();
    const description = described === undefined ? '' : JSON.stringify(described);
    this.#redis.run(leaseScript, this.#keys, [this.self, this.#leaseMs, description]).then(
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
    if (!this.#redis.isUp()) return;
    const [leases, descriptions] = this.#keys;
    const leaving = [
      this.#redis.call(['ZREM', leases, this.self]),
      this.#redis.call(['HDEL', descriptions, this.self]),
    ];
    await Promise.allSettled(leaving);
  }
}

/** What an instance has said of itself; undefined where that cannot be read. */
function readDescription(text = ''): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
