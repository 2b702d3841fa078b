import type { TransactionOptions } from './api.js';
import {
  ConnectionLostError,
  OutboxUnavailableError,
  TransactionBusyError,
  TransactionRolledBackError,
} from './errors.js';
import type { Committed, Connection, Statement } from './ports.js';
import { sqlStateOf } from './sql-state.js';
import { commitStatement } from './statement-watch.js';
import { TransactionScope, type TransactionScopeOptions } from './transaction-scope.js';

/** What an open transaction needs to know. */
export type OpenTransactionOptions = TransactionScopeOptions & TransactionOptions;

/** One transaction between BEGIN and COMMIT. */
export class OpenTransaction {
  /** What its callback gets. */
  readonly scope: TransactionScope;
  readonly #options: OpenTransactionOptions;
  readonly #connection: Connection;
  readonly #begun: Promise<void>;
  #beginError: unknown;

  constructor(options: OpenTransactionOptions) {
    this.#options = options;
    this.scope = new TransactionScope(options);
    this.#connection = options.lease.connection;
    // Not awaited: the first statement travels right behind it.
    this.#begun = this.#connection.begin(options).catch((error) => {
      this.#beginError = error;
    });
  }

  /** Refuses further use, then commits, with the row of its effects as its last statement. */
  async commit(row?: Statement): Promise<Committed> {
    this.scope.end();
    if (this.scope.isBusy) {
      await this.rollback();
      throw new TransactionBusyError();
    }
    const { watch, label } = this.#options;
    const committing = watch.inside(commitStatement, label, () => this.#connection.commit(row));
    const [commit] = await Promise.allSettled([committing, this.#begun]);
    if (this.#beginError !== undefined && !(this.#beginError instanceof ConnectionLostError)) {
      // Somebody cancelled BEGIN itself: what travelled behind it was no transaction, and may have taken effect.
      throw new ConnectionLostError(this.#options.label, this.#beginError);
    }
    if (commit.status === 'fulfilled') return commit.value;
    if (commit.reason instanceof TransactionRolledBackError && this.scope.firstError !== undefined) {
      throw new TransactionRolledBackError(this.scope.firstError);
    }
    throw this.#rowError(commit.reason) ?? commit.reason;
  }

  /** Refuses further use, then rolls back. Never rejects: a session that cannot roll back is not used again. */
  async rollback(): Promise<void> {
    this.scope.end();
    await this.#connection.rollback().catch(() => undefined);
  }

  /** The table of the outbox has gone away, or may not be used any more. */
  #rowError(error: unknown): OutboxUnavailableError | undefined {
    if (!(error instanceof TransactionRolledBackError)) return undefined;
    const isMissing = ['42P01', '42501', '42703'].includes(sqlStateOf(error.cause) ?? '');
    return isMissing
      ? new OutboxUnavailableError(this.#options.label, 'pando_outbox', error.cause)
      : undefined;
  }
}
