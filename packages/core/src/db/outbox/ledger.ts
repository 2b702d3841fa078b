import { abortable, type Signalled } from '../../kernel/abort.js';
import type { Ledger } from '../../kernel/ledger.js';
import { isRow, manyRows } from '../../kernel/token.js';
import type { OutboxTable, Pool, Statement } from '../ports.js';
import type { Takeover } from './takeover.js';

/** Rows that are waited for one by one; with more, nobody looks for the end before there are fewer. */
const maxStanding = 5_000;
/** Rows known to be gone that are remembered. */
const maxGone = 10_000;

/** What a ledger is read from. */
export interface OutboxLedgerParts {
  readonly pool: Pool;
  readonly table: OutboxTable;
  /** Resolves when the table is there. */
  readonly ready: () => Promise<void>;
  /** Carries rows out as soon as it can. */
  readonly takeover: Pick<Takeover, 'hasten'>;
}

/**
 * Tells other rooms which rows of the outbox are carried out.
 *
 * A token names a row only after the commit was acknowledged, so the primary shows it until it was removed, and it is
 * removed only when it was carried out: who is not there is done.
 */
export class OutboxLedger implements Ledger {
  readonly isAbsent = false;
  readonly #parts: OutboxLedgerParts;
  readonly #gone = new Set<string>();
  /** What is asked with the next question: one at a time, however many wait for it. */
  #next: { readonly rows: Set<string>; readonly answer: Promise<ReadonlySet<string>> } | undefined;
  #asking: Promise<unknown> = Promise.resolve();

  constructor(parts: OutboxLedgerParts) {
    this.#parts = parts;
  }

  async carriedOut(ids: readonly string[], { signal }: Signalled = {}): Promise<readonly string[]> {
    if (ids.includes(manyRows)) return this.#doneWithMany(ids, signal);
    const rows = ids.filter(isRow); // the absence of anything else says nothing
    const unknown = rows.filter((row) => !this.#gone.has(row));
    if (unknown.length === 0) return rows;
    const standing = await abortable(this.#ask(unknown), signal);
    for (const row of unknown) if (!standing.has(row)) this.#gone.add(row);
    this.#forgetOldest();
    return rows.filter((row) => !standing.has(row));
  }

  /** Rows that nobody can name any more are done when none is left. */
  async #doneWithMany(ids: readonly string[], signal: AbortSignal | undefined): Promise<readonly string[]> {
    const isEmpty = (await this.standing({ signal }))?.length === 0;
    return isEmpty ? ids.filter((id) => id === manyRows || isRow(id)) : [];
  }

  hasten(ids: readonly string[]): void {
    this.#parts.takeover.hasten(ids.filter(isRow));
  }

  async standing({ signal }: Signalled = {}): Promise<readonly string[] | undefined> {
    const ids = await this.#read(this.#parts.table.list(maxStanding), signal);
    return ids.length < maxStanding ? ids : undefined;
  }

  /** Gives those that are still there. Whoever joins a question comes before it is sent. */
  #ask(rows: readonly string[]): Promise<ReadonlySet<string>> {
    if (this.#next === undefined) {
      const asked = new Set<string>();
      const answer = this.#asking.then(async () => {
        this.#next = undefined;
        return new Set(await this.#read(this.#parts.table.find([...asked])));
      });
      this.#next = { rows: asked, answer };
      this.#asking = answer.catch(() => undefined);
    }
    for (const row of rows) this.#next.rows.add(row);
    return this.#next.answer;
  }

  async #read(statement: Statement, signal?: AbortSignal): Promise<string[]> {
    const { pool, ready } = this.#parts;
    await ready();
    const lease = await pool.acquire({ lane: 'main', isOptional: true, signal });
    try {
      const { rows } = await lease.connection.query<{ id: string }>(statement, { signal });
      return rows.map(({ id }) => id);
    } finally {
      lease.release();
    }
  }

  #forgetOldest(): void {
    for (const row of this.#gone) {
      if (this.#gone.size <= maxGone) return;
      this.#gone.delete(row);
    }
  }
}
