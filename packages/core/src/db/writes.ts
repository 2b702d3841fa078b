import type { CounterCell, Meter } from '../kernel/meter.js';
import { ConnectionLostError, OutcomeUnknownError } from './errors.js';
import { databaseInstruments } from './metrics.js';
import type { AcquireOptions, Statement, StatementResult } from './ports.js';
import type { Position } from './position.js';
import type { Primary } from './primary.js';

/** What a write returned, and a position behind its commit. */
export interface WriteOutcome<R> {
  readonly result: StatementResult<R>;
  readonly position: Position;
}

/** How one write waits. */
export interface WriteLimits extends Pick<AcquireOptions, 'signal' | 'timeoutMs' | 'urgency' | 'trail'> {
  /** Whether the statement changes the session that it runs in. */
  readonly changesSession: boolean;
}

/** Carries writes to the primary, each at most once. */
export class Writes {
  readonly #primary: Primary;
  readonly #unknown: CounterCell;

  constructor(primary: Primary, meter: Meter) {
    this.#primary = primary;
    this.#unknown = meter.counter(databaseInstruments.outcomesUnknown);
  }

  /** Runs a statement in a transaction of its own. */
  async run<R>(statement: Statement, limits: WriteLimits): Promise<WriteOutcome<R>> {
    const lease = await this.#primary.pool.acquire({ lane: 'main', ...limits });
    let written: Awaited<ReturnType<typeof lease.connection.write<R>>>;
    if (limits.changesSession) lease.sessionChanged();
    try {
      written = await lease.connection.write<R>(statement, { signal: limits.signal });
    } catch (error) {
      throw error instanceof ConnectionLostError ? this.outcomeUnknown('A write', error) : error;
    } finally {
      lease.release();
    }
    return { result: written.result, position: written.position ?? (await this.positionBehind('A write')) };
  }

  /**
   * A position behind everything acknowledged by now.
   *
   * For a commit whose own position was lost on the way: without one its writer could be shown the past,
   * so when none is to be had the outcome counts as unknown.
   */
  async positionBehind(what: string): Promise<Position> {
    try {
      const lease = await this.#primary.pool.acquire({ lane: 'main' });
      try {
        return await lease.connection.position();
      } finally {
        lease.release();
      }
    } catch (error) {
      throw this.outcomeUnknown(what, error);
    }
  }

  /** The error for a write or commit whose answer is lost; counts it. */
  outcomeUnknown(what: string, error: unknown): OutcomeUnknownError {
    this.#unknown.add();
    const cause = error instanceof ConnectionLostError ? error.cause : error;
    return new OutcomeUnknownError(what, this.#primary.label, cause);
  }
}
