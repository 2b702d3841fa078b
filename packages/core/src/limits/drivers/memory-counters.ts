import type { Clock } from '../../kernel/clock.js';
import { fnv1a } from '../fnv.js';
import type { LimitAsk, LimitVerdict } from '../ports.js';
import { Round } from '../round.js';
import { type CounterState, settle } from '../settle.js';

/** How many counters those share who find no place of their own. */
const overflowCounters = 64;
/** Counters that a new one looks at, to see whether they may be forgotten. */
const looksPerKey = 4;

interface Counter {
  readonly state: CounterState;
  /** Monotonic instant from which on it tells nothing. */
  readonly endsAt: number;
}

/**
 * The counters of one policy in this process, of a bounded number of keys.
 *
 * A key that finds no place shares a counter with others: no live counter is evicted for it, for then whoever makes up
 * keys could reset the count of everybody else. There is no timer: new keys clear away what has ended.
 */
export class MemoryCounters {
  readonly #clock: Clock;
  readonly #maxKeys: number;
  readonly #counters = new Map<string, Counter>();
  readonly #round = new Round(this.#counters);

  constructor(clock: Clock, maxKeys: number) {
    this.#clock = clock;
    this.#maxKeys = maxKeys;
  }

  /** Counters that are kept. */
  get size(): number {
    return this.#counters.size;
  }

  answer(ask: LimitAsk): LimitVerdict {
    const now = this.#clock.monotonic();
    let key = ask.key;
    let present = this.#counters.get(key);
    if (present === undefined && !this.#hasRoom(now)) {
      key = `\0overflow:${fnv1a(key) % overflowCounters}`;
      present = this.#counters.get(key);
    }
    const { verdict, state, keepMs } = settle(present?.state, ask, Math.round(now * 1_000));
    if (state !== undefined) {
      if (keepMs > 0) this.#counters.set(key, { state, endsAt: now + keepMs });
      else this.#counters.delete(key);
    }
    return verdict;
  }

  /** Looks through the counters in turns, a few for each new key; the counters that many share are on top of the bound. */
  #hasRoom(now: number): boolean {
    for (let look = 0; look < looksPerKey; look++) {
      const [key, counter] = this.#round.next() ?? [];
      if (key !== undefined && counter !== undefined && counter.endsAt <= now) this.#counters.delete(key);
    }
    return this.#counters.size < this.#maxKeys;
  }
}
