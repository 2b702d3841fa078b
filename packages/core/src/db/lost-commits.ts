import type { Clock } from '../kernel/clock.js';
import { sleep } from '../kernel/clock.js';
import { isPandoError } from '../kernel/errors.js';
import type { CounterCell, Meter } from '../kernel/meter.js';
import type { ConnectionLostError } from './errors.js';
import { databaseInstruments } from './metrics.js';
import type { Connection, TransactionFate, TransactionId } from './ports.js';
import type { Primary } from './primary.js';
import type { Writes } from './writes.js';

/** What it takes to find out. */
export interface LostCommitsParts {
  readonly primary: Primary;
  readonly writes: Writes;
  readonly clock: Clock;
  readonly meter: Meter;
  /** How long to ask. */
  readonly waitMs: number;
}

const pauseFromMs = 5;
const pauseUpToMs = 250;

/**
 * Finds out what became of transactions whose COMMIT was sent and not answered.
 *
 * The server keeps the outcome of each by its number. It counts only on the timeline, and in the life, in which the number was given: after a
 * promotion, or a crash that lost it, the same number can belong to somebody else.
 */
export class LostCommits {
  readonly #parts: LostCommitsParts;
  readonly #found: Readonly<Record<'committed' | 'aborted' | 'unknown', CounterCell>>;

  constructor(parts: LostCommitsParts) {
    this.#parts = parts;
    const found = (outcome: string) => parts.meter.counter(databaseInstruments.lostCommits, { outcome });
    this.#found = { committed: found('committed'), aborted: found('aborted'), unknown: found('unknown') };
  }

  /**
   * Resolves when the last transaction of the lost connection was committed; rejects with its loss when nothing was, and with
   * `OutcomeUnknownError` when nobody can tell.
   */
  async find({ transactionId: id }: Connection, lost: ConnectionLostError): Promise<void> {
    const fate = id === 'none' ? 'aborted' : await this.#fateOf(id);
    this.#found[fate].add();
    if (fate === 'aborted') throw lost;
    if (fate === 'unknown') throw this.#parts.writes.outcomeUnknown('A transaction', lost);
  }

  async #fateOf(id: TransactionId | undefined): Promise<'committed' | 'aborted' | 'unknown'> {
    if (id === undefined) return 'unknown';
    const { clock, waitMs } = this.#parts;
    const until = clock.monotonic() + waitMs;
    for (let pauseMs = pauseFromMs; ; pauseMs = Math.min(pauseMs * 2, pauseUpToMs)) {
      const fate = await this.#ask(id, until - clock.monotonic());
      if (fate !== 'running' && fate !== undefined) return fate;
      if (clock.monotonic() + pauseMs > until) return 'unknown';
      await sleep(clock, pauseMs);
    }
  }

  /** Undefined while nobody answers. A server takes a moment to notice that a client is gone: its transaction runs until then. */
  async #ask(id: TransactionId, timeoutMs: number): Promise<TransactionFate | undefined> {
    try {
      const lease = await this.#parts.primary.pool.acquire({ lane: 'main', timeoutMs });
      try {
        return await lease.connection.fateOf(id);
      } finally {
        lease.release();
      }
    } catch (error) {
      return isPandoError(error) && error.retryable ? undefined : 'unknown';
    }
  }
}
