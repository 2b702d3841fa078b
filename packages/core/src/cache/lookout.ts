import { randomUUID } from 'node:crypto';
import { sleep } from '../kernel/clock.js';
import type { Kernel } from '../kernel/kernel.js';
import { cacheToken } from '../kernel/token.js';
import type { Backlog } from './backlog.js';
import type { Call } from './call.js';
import type { Flight, Landing } from './flight.js';
import type { Follower } from './follower.js';
import type { ResolvedCacheOptions } from './options.js';
import type { SharedLevel } from './ports.js';
import type { Reader } from './reader.js';
import type { CacheRules } from './rules.js';
import type { Shelf } from './shelf.js';

/** What a lookout stands on. */
export interface LookoutInit {
  readonly kernel: Kernel;
  readonly options: Pick<ResolvedCacheOptions, 'leaseMs' | 'waitMs'>;
  readonly level: SharedLevel;
  readonly reader: Reader;
  readonly follower: Follower;
  readonly backlog: Backlog;
  readonly shelf: Shelf;
  readonly rules: CacheRules;
  readonly random: () => number;
}

/** What keeps other instances from loading the same. */
export interface Lease {
  readonly key: string;
  readonly holder: string;
}

/** First and last pause between two looks for the value that another instance loads. */
const POLL_MS = { min: 5, max: 50 };

/** Looks for what other instances have loaded, or are about to. */
export class Lookout {
  readonly #init: LookoutInit;

  constructor(init: LookoutInit) {
    this.#init = init;
  }

  /** Loads from before the last invalidation and after it are no substitute for each other, so they share no lease. */
  leaseOf({ key, tags }: Call): Lease {
    return { key: `${key}@${this.#init.follower.positions.lastMove(tags)}`, holder: randomUUID() };
  }

  /** Ends a lease. */
  release({ key, holder }: Lease): void {
    void this.#init.level.release(key, holder).catch(() => undefined);
  }

  /**
   * Takes the lease, and looks for the value. In this order: who held the lease before has stored the value before he
   * gave it back. Without a lease it is loaded whatever others do. `isUrgent`: what is still fresh will do.
   */
  async look(
    flight: Flight,
    call: Call,
    lease: Lease | undefined,
    isUrgent: boolean,
  ): Promise<Landing | 'load' | 'wait'> {
    const { level, reader, shelf, options, rules, backlog } = this.#init;
    const { key, tags } = call;
    const [leased, reading] = await Promise.all([
      lease === undefined || level.lease(lease.key, lease.holder, options.leaseMs),
      reader.read(key, []),
    ]);
    const { clock, isMet } = reading;
    if (clock !== undefined && isMet) {
      const found = await shelf.find(key, reading.of(key), clock, tags, call);
      const isNew = found?.use === 'fresh' || (found?.use === 'due' && isUrgent);
      // Among its tags may be one that its reader has not named, and whose invalidation here nobody has confirmed yet.
      if (found !== undefined && isNew && !rules.isUnconfirmed(backlog, found.tags)) {
        const { epoch, sequence } = clock;
        flight.depart({ epoch, asOf: found.asOf, token: cacheToken(clock), knownUpTo: sequence });
        return { value: found.value, tags: found.tags, seen: found.seen, asOf: found.asOf, isStorable: true };
      }
    }
    return leased ? 'load' : 'wait';
  }

  /** Looks again and again for the value that another instance is loading, as long as that has patience with it. */
  async awaitOther(flight: Flight, call: Call, lease: Lease | undefined): Promise<Landing | 'load'> {
    const { options, kernel, random } = this.#init;
    const { signal } = flight;
    const endsAt = kernel.clock.monotonic() + options.waitMs;
    for (let pauseMs = POLL_MS.min; ; pauseMs = Math.min(pauseMs * 2, POLL_MS.max)) {
      if (call.batch !== undefined) await call.batch.pause(call.key, pauseMs, signal);
      else await sleep(kernel.clock, pauseMs * (0.5 + random() / 2), { signal });
      const looked = await this.look(flight, call, lease, true);
      if (looked !== 'wait') return looked;
      if (kernel.clock.monotonic() >= endsAt) return 'load';
    }
  }
}
