import { abortable, type Signalled } from '../../kernel/abort.js';
import type { Clock } from '../../kernel/clock.js';
import type { Logger } from '../../kernel/logger.js';
import type { OutboxTable, Pool } from '../ports.js';

/** How long rows are collected before they are removed together. */
const collectMs = 50;
const retryMs = 1_000;

/** What removals need. */
export interface RemovalsParts {
  readonly pool: Pool;
  readonly table: OutboxTable;
  readonly clock: Clock;
  readonly logger: Logger;
  /** The rows are gone. */
  readonly removed: (ids: readonly string[]) => void;
}

/** Removes rows whose effects were carried out, many with one statement, behind everybody's back. */
export class Removals {
  readonly #parts: RemovalsParts;
  /** The rows, each with who wants to know that it is gone. */
  #rows = new Map<string, (() => void) | undefined>();
  #timer: Disposable | undefined;
  #flushing: Promise<void> = Promise.resolve();
  #isClosed = false;

  constructor(parts: RemovalsParts) {
    this.#parts = parts;
  }

  add(id: string, removed?: () => void): void {
    this.#rows.set(id, removed);
    this.#later(collectMs);
  }

  /**
   * Removes what is left, as far as that is possible before the signal. Never rejects: a row that stays is carried out once
   * more, which nobody sees.
   */
  async close({ signal }: Required<Signalled>): Promise<void> {
    this.#timer?.[Symbol.dispose]();
    this.#flush();
    this.#isClosed = true;
    await abortable(this.#flushing, signal).catch(() => undefined); // the primary may be away for longer
  }

  #later(delayMs: number): void {
    if (this.#isClosed) return;
    this.#timer ??= this.#parts.clock.after(delayMs, () => this.#flush());
  }

  #flush(): void {
    this.#timer = undefined;
    this.#flushing = this.#flushing.then(() => this.#remove());
  }

  async #remove(): Promise<void> {
    const rows = this.#rows;
    if (rows.size === 0) return;
    this.#rows = new Map();
    const ids = [...rows.keys()];
    const { pool, table, logger, removed } = this.#parts;
    try {
      const lease = await pool.acquire({ lane: 'main', isOptional: true });
      try {
        await lease.connection.query(table.remove(ids));
      } finally {
        lease.release();
      }
      removed(ids);
      for (const tell of rows.values()) tell?.();
    } catch (error) {
      logger.debug({ err: error, rows: ids.length }, 'rows of the outbox not removed: it is tried again');
      this.#rows = new Map([...rows, ...this.#rows]);
      this.#later(retryMs);
    }
  }
}
