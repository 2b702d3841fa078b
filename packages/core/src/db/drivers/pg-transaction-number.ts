import type { TransactionFate, TransactionId } from '../ports.js';
import type { History } from '../position.js';
import { sqlStateOf } from '../sql-state.js';
import type { FateRow, XidRow } from './pg-statements.js';

/** The number of a session's transaction, and what numbers of other sessions mean to this server. */
export class TransactionNumber {
  readonly #history: History;
  readonly #life: string;
  /** Null: the transaction has none, because it has written nothing. */
  #xid: string | null | undefined;

  constructor({ system, timeline }: History, life: string) {
    this.#history = { system, timeline };
    this.#life = life;
  }

  get isKnown(): boolean {
    return this.#xid != null;
  }

  get id(): TransactionId | 'none' | undefined {
    if (this.#xid == null) return this.#xid === null ? 'none' : undefined;
    return { ...this.#history, life: this.#life, xid: this.#xid };
  }

  forget(): void {
    this.#xid = undefined;
  }

  /** Asked ahead of COMMIT, behind everything else. */
  last(row: XidRow | undefined): void {
    this.#xid = row?.xid;
  }

  /** Asked meanwhile: who has none may still get one. */
  learn(row: XidRow | undefined): void {
    this.#xid = row?.xid ?? undefined;
  }

  async fateOf(id: TransactionId, ask: () => Promise<FateRow | undefined>): Promise<TransactionFate> {
    const { system, timeline } = this.#history;
    // A promoted server may not have got the commit, and gives the number to another transaction.
    if (id.system !== system || id.timeline !== timeline) return 'unknown';
    const isSameLife = id.life === this.#life;
    try {
      const fate = (await ask())?.fate ?? 'unknown';
      if (isSameLife) return fate === 'in progress' ? 'running' : fate;
      // After a crash another transaction may have got the number, if ours had not come to the disk by then.
      if (fate === 'committed') return 'unknown';
      return fate === 'in progress' ? 'aborted' : fate;
    } catch (error) {
      // "In the future": it was lost in the crash.
      if (sqlStateOf(error) === '22023' && !isSameLife) return 'aborted';
      throw error;
    }
  }
}
