import type { Kernel } from '../kernel/kernel.js';
import type { CounterCell, HistogramCell } from '../kernel/meter.js';
import type { CallOptions } from './api.js';
import { CallLimit } from './call-limit.js';
import { databaseInstruments } from './metrics.js';
import type { Statement, StatementResult, StatementSpan, StatementSpans } from './ports.js';
import { SlowStatements } from './slow-statements.js';
import { sqlStateOf } from './sql-state.js';
import { StatementShapes } from './statement-shape.js';
import { type Operation, Trail } from './trail.js';

/** What statements are watched with. */
export interface StatementWatchOptions {
  readonly kernel: Kernel;
  /** Undefined: nobody wants spans. */
  readonly spans: StatementSpans | undefined;
  readonly slowQueryMs: number | false;
  readonly slowQueryParams: boolean;
}

/** A statement on its way. */
interface Watched {
  readonly operation: Operation;
  readonly statement: Statement;
  readonly trail: Trail;
  readonly beganAt: number;
  readonly span: StatementSpan | undefined;
}

/** COMMIT, which waits for disks and standbys. */
export const commitStatement: Statement = Object.freeze({ text: 'commit', params: [] });

/** Sees statements from the call to the outcome: measures them, tells of slow ones, and gives each a span where somebody records. */
export class StatementWatch {
  readonly #kernel: Kernel;
  readonly #spans: StatementSpans | undefined;
  readonly #slowQueryMs: number;
  readonly #shapes = new StatementShapes();
  readonly #slow: SlowStatements;
  readonly #seconds: Readonly<Record<Operation, HistogramCell>>;
  readonly #slowCount: Readonly<Record<Operation, CounterCell>>;
  readonly #timeouts: CounterCell;
  readonly #limit: CallLimit;

  constructor({ kernel, spans, slowQueryMs, slowQueryParams }: StatementWatchOptions) {
    const { clock, logger, meter } = kernel;
    const { operationSeconds, slowStatements, timeouts } = databaseInstruments;
    const seconds = (operation: Operation) => meter.histogram(operationSeconds, { operation });
    const slow = (operation: Operation) => meter.counter(slowStatements, { operation });
    this.#kernel = kernel;
    this.#spans = spans;
    this.#slowQueryMs = slowQueryMs === false ? Number.POSITIVE_INFINITY : slowQueryMs;
    this.#slow = new SlowStatements({ clock, logger, shapes: this.#shapes, showsParams: slowQueryParams });
    this.#seconds = { read: seconds('read'), write: seconds('write'), transaction: seconds('transaction') };
    this.#slowCount = { read: slow('read'), write: slow('write'), transaction: slow('transaction') };
    this.#timeouts = meter.counter(timeouts, { by: 'server' });
    this.#limit = new CallLimit(kernel);
  }

  /** Runs a statement that is an operation of its own, within its time. */
  alone<R, Options extends CallOptions>(
    operation: 'read' | 'write',
    statement: Statement,
    options: Options,
    run: (options: Options, trail: Trail) => Promise<StatementResult<R>>,
  ): Promise<StatementResult<R>> {
    const watched = this.#begin(operation, statement, new Trail(operation === 'read' ? 'single' : 'write'));
    const outcome =
      options.timeoutMs === undefined
        ? run(options, watched.trail)
        : this.#limit.within(operation, options, (within) => run(within, watched.trail));
    const seconds = this.#seconds[operation];
    // Passed on, not overheard: the stack of an error leads back through a promise that one waits for, not two.
    return outcome.then(
      (result) => {
        seconds.record(this.#end(watched, result.rowCount, undefined));
        return result;
      },
      (error) => {
        seconds.record(this.#end(watched, undefined, error));
        throw error;
      },
    );
  }

  /** Runs a statement of a transaction, or of who holds a connection for another reason. */
  inside<T extends object>(statement: Statement, server: string, run: () => Promise<T>): Promise<T> {
    const trail = new Trail('transaction');
    trail.server = server;
    const watched = this.#begin('transaction', statement, trail);
    return run().then(
      (result) => {
        this.#end(watched, 'rowCount' in result ? Number(result.rowCount) : undefined, undefined);
        return result;
      },
      (error) => {
        this.#end(watched, undefined, error);
        throw error;
      },
    );
  }

  /** Runs a whole transaction, within its time. */
  transaction<T, Options extends CallOptions>(
    options: Options,
    run: (options: Options) => Promise<T>,
  ): Promise<T> {
    const { clock } = this.#kernel;
    const began = clock.monotonic();
    const outcome =
      options.timeoutMs === undefined ? run(options) : this.#limit.within('transaction', options, run);
    return outcome.finally(() => this.#seconds.transaction.record((clock.monotonic() - began) / 1_000));
  }

  #begin(operation: Operation, statement: Statement, trail: Trail): Watched {
    const span = this.#spans?.begin(statement.text, this.#shapes);
    return { operation, statement, trail, beganAt: this.#kernel.clock.monotonic(), span };
  }

  /** Returns the seconds that it took. Never throws: neither the log nor who records spans may harm a statement. */
  #end(watched: Watched, rowCount: number | undefined, error: unknown): number {
    const durationMs = this.#kernel.clock.monotonic() - watched.beganAt;
    if (error !== undefined && sqlStateOf(error) === '57014') this.#timeouts.add();
    try {
      if (durationMs >= this.#slowQueryMs) {
        this.#slowCount[watched.operation].add();
        this.#slow.note({ ...watched, durationMs, rowCount, error });
      }
      watched.span?.end(watched.trail, rowCount, error);
    } catch {
      // Nobody is left to be told.
    }
    return durationMs / 1_000;
  }
}
