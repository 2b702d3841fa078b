import type { Effects, PlannedEvent } from '../kernel/effects.js';
import type { QueryResult, Row, Transaction, TransactionOptions } from './api.js';
import {
  ConnectionLostError,
  EffectsUnavailableError,
  TransactionEndedError,
  TransactionRolledBackError,
} from './errors.js';
import type { Committed, Connection } from './ports.js';

/** What an open transaction needs to know. */
export interface OpenTransactionOptions extends TransactionOptions {
  readonly connection: Connection;
  /** For messages. */
  readonly label: string;
  /** Whether somebody will carry its effects out. */
  readonly hasEffects: boolean;
}

/** One transaction between BEGIN and COMMIT, and the effects it has asked for so far. */
export class OpenTransaction implements Transaction {
  readonly #options: OpenTransactionOptions;
  readonly #connection: Connection;
  readonly #begun: Promise<void>;
  readonly #tags = new Set<string>();
  readonly #events: PlannedEvent[] = [];
  #beginError: unknown;
  #firstError: unknown;
  #hasEnded = false;

  constructor(options: OpenTransactionOptions) {
    this.#options = options;
    this.#connection = options.connection;
    // Not awaited: the first statement travels right behind it.
    this.#begun = this.#connection.begin(options).catch((error) => {
      this.#beginError = error;
    });
  }

  /** In the order in which they were asked for, each tag once. */
  get effects(): Effects {
    return { tags: [...this.#tags], events: this.#events };
  }

  get hasEffects(): boolean {
    return this.#tags.size + this.#events.length > 0;
  }

  async query<R = Row>(sql: string, params: readonly unknown[] = []): Promise<QueryResult<R>> {
    this.#assertOpen();
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

  /** Refuses further use, then commits. */
  async commit(): Promise<Committed> {
    this.#hasEnded = true;
    const [commit] = await Promise.allSettled([this.#connection.commit(), this.#begun]);
    if (this.#beginError !== undefined && !(this.#beginError instanceof ConnectionLostError)) {
      // Somebody cancelled BEGIN itself: what travelled behind it was no transaction, and may have taken effect.
      throw new ConnectionLostError(this.#options.label, this.#beginError);
    }
    if (commit.status === 'fulfilled') return commit.value;
    if (commit.reason instanceof TransactionRolledBackError && this.#firstError !== undefined) {
      throw new TransactionRolledBackError(this.#firstError);
    }
    throw commit.reason;
  }

  /** Refuses further use, then rolls back. Never rejects: a session that cannot roll back is not used again. */
  async rollback(): Promise<void> {
    this.#hasEnded = true;
    await this.#connection.rollback().catch(() => undefined);
  }

  #assertOpen(): void {
    if (this.#hasEnded) throw new TransactionEndedError();
  }
}
