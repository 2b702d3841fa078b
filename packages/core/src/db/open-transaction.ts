import type { Effects, PlannedEvent } from '../kernel/effects.js';
import type { EffectHandlers, QueryResult, Row, Transaction, TransactionOptions } from './api.js';
import {
  ConnectionLostError,
  EffectsUnavailableError,
  EffectUnknownError,
  OutboxUnavailableError,
  TransactionEndedError,
  TransactionRolledBackError,
} from './errors.js';
import type { Committed, Connection, Lease, Statement, StatementClassifier } from './ports.js';
import { sqlStateOf } from './sql-state.js';

/** What an open transaction needs to know. */
export interface OpenTransactionOptions extends TransactionOptions {
  readonly lease: Lease;
  readonly classifier: StatementClassifier;
  /** For messages. */
  readonly label: string;
  /** Whether somebody invalidates and publishes. */
  readonly hasEffects: boolean;
  /** Handlers of the app's own effects. */
  readonly handlers: EffectHandlers;
}

/** An effect of the app's own. */
export interface NamedEffect {
  readonly name: string;
  readonly payload: unknown;
}

/** All that a transaction wants done after its commit; a row of the outbox is this as JSON. */
export interface TransactionEffects extends Effects {
  readonly named: readonly NamedEffect[];
}

/** One transaction between BEGIN and COMMIT, and the effects it has asked for so far. */
export class OpenTransaction implements Transaction {
  readonly #options: OpenTransactionOptions;
  readonly #connection: Connection;
  readonly #begun: Promise<void>;
  readonly #tags = new Set<string>();
  readonly #events: PlannedEvent[] = [];
  readonly #named: NamedEffect[] = [];
  #beginError: unknown;
  #firstError: unknown;
  #hasEnded = false;

  constructor(options: OpenTransactionOptions) {
    this.#options = options;
    this.#connection = options.lease.connection;
    // Not awaited: the first statement travels right behind it.
    this.#begun = this.#connection.begin(options).catch((error) => {
      this.#beginError = error;
    });
  }

  /** In the order in which they were asked for, each tag once. */
  get effects(): TransactionEffects {
    return { tags: [...this.#tags], events: this.#events, named: this.#named };
  }

  get hasEffects(): boolean {
    return this.#tags.size + this.#events.length + this.#named.length > 0;
  }

  async query<R = Row>(sql: string, params: readonly unknown[] = []): Promise<QueryResult<R>> {
    this.#assertOpen();
    const { lease, classifier } = this.#options;
    // Without `local`, what a transaction sets stays when it has ended.
    if (classifier.kindOf(sql) === 'session') lease.sessionChanged();
    try {
      return await this.#connection.query<R>({ text: sql, params }, { signal: this.#options.signal });
    } catch (error) {
      this.#firstError ??= error;
      throw error;
    }
  }

  invalidate(tags: readonly string[]): void {
    this.#assertOpen();
    if (!this.#options.hasEffects) throw new EffectsUnavailableError('invalidate');
    for (const tag of tags) this.#tags.add(tag);
  }

  publish(channel: string, event: unknown): void {
    this.#assertOpen();
    if (!this.#options.hasEffects) throw new EffectsUnavailableError('publish');
    this.#events.push({ channel, event });
  }

  effect(name: string, payload?: unknown): void {
    this.#assertOpen();
    const { handlers } = this.#options;
    if (!Object.hasOwn(handlers, name)) throw new EffectUnknownError(name, Object.keys(handlers));
    this.#named.push({ name, payload });
  }

  /** Refuses further use, then commits, with the row of its effects as its last statement. */
  async commit(row?: Statement): Promise<Committed> {
    this.#hasEnded = true;
    const [commit] = await Promise.allSettled([this.#connection.commit(row), this.#begun]);
    if (this.#beginError !== undefined && !(this.#beginError instanceof ConnectionLostError)) {
      // Somebody cancelled BEGIN itself: what travelled behind it was no transaction, and may have taken effect.
      throw new ConnectionLostError(this.#options.label, this.#beginError);
    }
    if (commit.status === 'fulfilled') return commit.value;
    if (commit.reason instanceof TransactionRolledBackError && this.#firstError !== undefined) {
      throw new TransactionRolledBackError(this.#firstError);
    }
    throw this.#rowError(commit.reason) ?? commit.reason;
  }

  /** Refuses further use, then rolls back. Never rejects: a session that cannot roll back is not used again. */
  async rollback(): Promise<void> {
    this.#hasEnded = true;
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

  #assertOpen(): void {
    if (this.#hasEnded) throw new TransactionEndedError();
  }
}
