import type { Signalled } from '../kernel/abort.js';
import type { CounterCell, Meter } from '../kernel/meter.js';
import { ConnectionLostError, OutcomeUnknownError } from './errors.js';
import { databaseInstruments } from './metrics.js';
import type { AcquireOptions, Lease, Statement, StatementResult, Written } from './ports.js';
import type { Position } from './position.js';
import type { Primary } from './primary.js';
import { isRefusedByReplica } from './sql-state.js';

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

/** Connections to servers that are no primary any more, met by one write. */
const maxRefusals = 5;

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
    for (let refusals = 0; ; refusals++) {
      const lease = await this.#primary.pool.acquire({ lane: 'main', ...limits });
      try {
        const { result, position } = await this.#write<R>(lease, statement, limits);
        if (position !== undefined) return { result, position };
        lease.release(); // who waits for one connection must not hold another
        return { result, position: await this.positionBehind('A write') };
      } catch (error) {
        // It was not executed: it runs on the server that has the part now.
        if (refusals === maxRefusals || !(await this.isDemoted(lease, error))) throw error;
      } finally {
        lease.release();
      }
    }
  }

  /**
   * Whether this error says that a connection leads to a replica, as behind a name that has moved, or a proxy. Such a connection is
   * thrown away.
   */
  async isDemoted(lease: Lease, error: unknown): Promise<boolean> {
    if (!isRefusedByReplica(error)) return false;
    const report = await lease.prove().catch(() => undefined);
    if (report?.role === 'primary') return false;
    lease.connection.destroy();
    this.#primary.monitor.refresh();
    return true;
  }

  /**
   * A position behind everything acknowledged by now.
   *
   * For a commit whose own position was lost on the way: without one its writer could be shown the past,
   * so when none is to be had the outcome counts as unknown.
   */
  async positionBehind(what: string): Promise<Position> {
    try {
      return await this.position();
    } catch (error) {
      throw this.outcomeUnknown(what, error);
    }
  }

  /** A position behind everything that anybody has committed by now. */
  async position({ signal }: Signalled = {}): Promise<Position> {
    const lease = await this.#primary.pool.acquire({ lane: 'main', signal });
    try {
      return await lease.connection.position({ signal });
    } finally {
      lease.release();
    }
  }

  async #write<R>(lease: Lease, statement: Statement, limits: WriteLimits): Promise<Written<R>> {
    if (limits.changesSession) lease.sessionChanged();
    try {
      return await lease.connection.write<R>(statement, { signal: limits.signal });
    } catch (error) {
      throw error instanceof ConnectionLostError ? this.outcomeUnknown('A write', error) : error;
    }
  }

  /** The error for a write or commit whose answer is lost; counts it. */
  outcomeUnknown(what: string, error: unknown): OutcomeUnknownError {
    this.#unknown.add();
    const isLost = error instanceof ConnectionLostError;
    return new OutcomeUnknownError(
      what,
      isLost ? error.server : this.#primary.label,
      isLost ? error.cause : error,
    );
  }
}
