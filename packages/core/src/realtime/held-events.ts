import { deadline } from '../kernel/abort.js';
import type { Clock } from '../kernel/clock.js';
import type { LaggardSource } from '../kernel/laggards.js';
import type { CounterCell } from '../kernel/meter.js';
import type { Token } from '../kernel/token.js';

/** What events are held by. */
export interface HeldEventsInit {
  readonly clock: Clock;
  readonly laggards: LaggardSource;
  /** How long one is held, at most. */
  readonly timeoutMs: number;
  readonly counters: Readonly<Record<'caught-up' | 'late', CounterCell>>;
}

/** Holds events until nobody serves the past of what they tell of; what is published behind them keeps its place. */
export class HeldEvents {
  readonly #init: HeldEventsInit;
  readonly #closing = new AbortController();
  /** The last one of each channel. */
  readonly #lanes = new Map<string, Promise<unknown>>();

  constructor(init: HeldEventsInit) {
    this.#init = init;
  }

  /** Resolves when an event of the channel may go, in the order of the calls; undefined: at once. `until`: it is held itself, for this token. */
  turn(channel: string, until: Token | undefined): Promise<unknown> | undefined {
    const before = this.#lanes.get(channel);
    if (until === undefined) return before;
    const turn = Promise.all([before, this.#hold(until)]).then(() => {
      if (this.#lanes.get(channel) === turn) this.#lanes.delete(channel);
    });
    this.#lanes.set(channel, turn);
    return turn;
  }

  /** Lets all go. */
  close(): void {
    this.#closing.abort();
  }

  /** Never rejects. */
  async #hold(token: Token): Promise<void> {
    const { clock, laggards, timeoutMs, counters } = this.#init;
    const late = () => new Error(`somebody was behind for ${timeoutMs} ms`);
    using limit = deadline(clock, timeoutMs, late, this.#closing.signal);
    try {
      await laggards.caughtUp(token, { signal: limit.signal });
      counters['caught-up'].add();
    } catch {
      counters.late.add();
    }
  }
}
