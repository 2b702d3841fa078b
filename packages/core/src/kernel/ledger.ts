import type { Signalled } from './abort.js';
import { Revision } from './revision.js';

/** Where the effects of committed transactions stand, one row each, until they were carried out. */
export interface Ledger {
  /** Whether no effects are ever written down. */
  readonly isAbsent: boolean;
  /**
   * Of the rows that tokens name as pending, those that are carried out: whatever counter is read afterwards covers them.
   */
  carriedOut(rows: readonly string[], options?: Signalled): Promise<readonly string[]>;
  /** Has rows carried out soon that tokens name as pending: who committed them has given them up. */
  hasten(rows: readonly string[]): void;
  /** All rows that are not carried out; undefined where there are too many to count. */
  standing(options?: Signalled): Promise<readonly string[] | undefined>;
}

/** The ledgers of all databases of one kit as one. */
export interface Ledgers extends Ledger {
  /** Takes one more in, until it is disposed. */
  add(ledger: Ledger): Disposable;
}

/** Begins without any. `revision` advances with each that is added. */
export function createLedgers(revision = new Revision()): Ledgers {
  return new JoinedLedgers(revision);
}

class JoinedLedgers implements Ledgers {
  readonly #ledgers = new Set<Ledger>();
  readonly #revision: Revision;

  constructor(revision: Revision) {
    this.#revision = revision;
  }

  get isAbsent(): boolean {
    return this.#ledgers.size === 0;
  }

  add(ledger: Ledger): Disposable {
    this.#ledgers.add(ledger);
    this.#revision.advance();
    return { [Symbol.dispose]: () => void this.#ledgers.delete(ledger) };
  }

  /** A row does not say where it stands: it is carried out when it stands nowhere. */
  async carriedOut(rows: readonly string[], options?: Signalled): Promise<readonly string[]> {
    if (this.isAbsent) return [];
    const answers = await this.#ask((ledger) => ledger.carriedOut(rows, options));
    return rows.filter((row) => answers.every((done) => done.includes(row)));
  }

  hasten(rows: readonly string[]): void {
    for (const ledger of this.#ledgers) ledger.hasten(rows);
  }

  async standing(options?: Signalled): Promise<readonly string[] | undefined> {
    const all: string[] = [];
    for (const rows of await this.#ask((ledger) => ledger.standing(options))) {
      if (rows === undefined) return undefined;
      all.push(...rows);
    }
    return all;
  }

  #ask<T>(question: (ledger: Ledger) => Promise<T>): Promise<T[]> {
    return Promise.all([...this.#ledgers].map(question));
  }
}
