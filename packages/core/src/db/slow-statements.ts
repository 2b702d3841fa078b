import type { Clock } from '../kernel/clock.js';
import { isPandoError, messageOf } from '../kernel/errors.js';
import type { Logger } from '../kernel/logger.js';
import type { Statement } from './ports.js';
import { sqlStateOf } from './sql-state.js';
import type { StatementShapes } from './statement-shape.js';
import type { Operation, Trail } from './trail.js';

/** One line for each kind of statement in this time. */
const quietMs = 10_000;
/** Kinds of statements that are told apart at once. */
const maxKinds = 500;

/** What slow statements are written with. */
export interface SlowStatementsOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly shapes: StatementShapes;
  /** Whether values are shown. */
  readonly showsParams: boolean;
}

/** A statement that took long, and how it ended. */
export interface SlowStatement {
  readonly operation: Operation;
  readonly statement: Statement;
  readonly trail: Trail;
  readonly durationMs: number;
  readonly rowCount: number | undefined;
  readonly error: unknown;
}

/** What was said about one kind of statement. */
interface Kind {
  saidAt: number;
  /** Slow ones of which nothing was said. */
  unsaid: number;
}

/** Writes slow statements to the log, without their values, and without letting one of them fill it. */
export class SlowStatements {
  readonly #options: SlowStatementsOptions;
  /** By fingerprint, the one that was spoken of last at the end. */
  readonly #kinds = new Map<string, Kind>();

  constructor(options: SlowStatementsOptions) {
    this.#options = options;
  }

  note({ operation, statement, trail, durationMs, rowCount, error }: SlowStatement): void {
    const { clock, logger, shapes, showsParams } = this.#options;
    const { text, fingerprint } = shapes.of(statement.text);
    const now = clock.monotonic();
    const kind = this.#kinds.get(fingerprint);
    if (kind !== undefined && now - kind.saidAt < quietMs) {
      kind.unsaid += 1;
      return;
    }
    this.#kinds.delete(fingerprint);
    this.#kinds.set(fingerprint, { saidAt: now, unsaid: 0 });
    if (this.#kinds.size > maxKinds) this.#kinds.delete(this.#kinds.keys().next().value as string);
    const fields = {
      statement: text,
      fingerprint,
      durationMs: rounded(durationMs),
      operation,
      route: trail.route,
      server: trail.server,
      poolWaitMs: rounded(trail.poolWaitMs),
      replicaWaitMs: rounded(trail.replicaWaitMs),
      detours: trail.detours || undefined,
      rowCount,
      // An error of the server may quote values.
      error: error === undefined ? undefined : (sqlStateOf(error) ?? nameOf(error)),
      unsaid: kind?.unsaid || undefined,
      params: showsParams ? statement.params : undefined,
    };
    logger.warn(
      Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)),
      'slow statement',
    );
  }
}

function nameOf(error: unknown): string {
  return isPandoError(error) ? error.code : error instanceof Error ? error.name : messageOf(error);
}

const rounded = (ms: number): number => Math.round(ms * 10) / 10;
