import { abortable, type Signalled } from '../../kernel/abort.js';
import type { Clock } from '../../kernel/clock.js';
import type { Pool, TickTable } from '../ports.js';
import type { Tick } from './ids.js';

/** Taken at least at once, so that not every id costs a round trip. */
const blockSize = 8;
/** What is left of a block is dropped then: ids are to sort by time. */
const freshMs = 1_000;

/** What ticks come from. */
export interface TicksParts {
  readonly pool: Pool;
  readonly table: TickTable;
  readonly clock: Clock;
}

/** Gives out the ticks of one shard, each once in the whole fleet: takes a few at a time from the shard's primary. */
export class Ticks {
  readonly #parts: TicksParts;
  #next: Tick = 0n;
  #left = 0;
  #takenAt = 0;
  #wanted = 0;
  #taking: Promise<void> | undefined;

  constructor(parts: TicksParts) {
    this.#parts = parts;
  }

  /** Rejects as a write does that has not begun, or with `IdsUnavailableError`. */
  async take({ signal }: Signalled = {}): Promise<Tick> {
    this.#wanted += 1;
    try {
      // Others may have taken all that has come before it is this one's turn.
      while (!this.#hasFresh()) await abortable(this.#more(), signal);
    } finally {
      this.#wanted -= 1;
    }
    this.#left -= 1;
    return this.#next++;
  }

  #hasFresh(): boolean {
    return this.#left > 0 && this.#parts.clock.monotonic() - this.#takenAt < freshMs;
  }

  #more(): Promise<void> {
    this.#taking ??= this.#fetch().finally(() => {
      this.#taking = undefined;
    });
    return this.#taking;
  }

  async #fetch(): Promise<void> {
    const { pool, table, clock } = this.#parts;
    const takenAt = clock.monotonic();
    // Without anybody's signal: all who wait share it. The pool and the server bound its time.
    const lease = await pool.acquire({ lane: 'main', urgency: 'write' });
    try {
      const count = Math.max(blockSize, this.#wanted);
      this.#next = await table.take(lease.connection, count);
      this.#left = count;
      this.#takenAt = takenAt;
    } finally {
      lease.release();
    }
  }
}
