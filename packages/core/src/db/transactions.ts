import { randomUUID } from 'node:crypto';
import { abortable } from '../kernel/abort.js';
import type { Contexts, RequestContext } from '../kernel/context.js';
import type { EffectsRunner } from '../kernel/effects.js';
import { PandoOptionsError } from '../kernel/errors.js';
import { dbToken, emptyToken } from '../kernel/token.js';
import type { Transaction, TransactionOptions } from './api.js';
import { ConnectionLostError, NestedTransactionError } from './errors.js';
import { OpenTransaction } from './open-transaction.js';
import type { Committed } from './ports.js';
import type { Primary } from './primary.js';
import type { Writes } from './writes.js';

/** What transactions run on. */
export interface TransactionsOptions {
  readonly shard: string;
  readonly primary: Primary;
  readonly writes: Writes;
  readonly contexts: Contexts;
  readonly effects: EffectsRunner | undefined;
}

/** Runs transactions, and what they want done after their commit. */
export class Transactions {
  readonly #options: TransactionsOptions;

  constructor(options: TransactionsOptions) {
    this.#options = options;
  }

  async run<T>(
    work: (tx: Transaction) => Promise<T>,
    options: TransactionOptions,
    timeoutMs: number | undefined,
  ): Promise<T> {
    const { primary, contexts, writes, effects } = this.#options;
    const context = contexts.current();
    if (context.inTransaction) throw new NestedTransactionError();
    assertIsolation(options.isolation); // becomes part of a statement

    const lease = await primary.pool.acquire({ lane: 'main', signal: options.signal, timeoutMs });
    let tx: OpenTransaction;
    let value: T;
    let committed: Committed;
    try {
      tx = new OpenTransaction({
        ...options,
        connection: lease.connection,
        label: primary.label,
        hasEffects: effects !== undefined,
      });
      value = await this.#work(work, tx, context, options.signal);
      committed = await this.#commit(tx);
    } finally {
      lease.release();
    }
    context.load?.noteRead({ shard: this.#options.shard, seen: 'primary' });
    const position = committed.wrote
      ? (committed.position ?? (await writes.positionBehind('A transaction')))
      : undefined;
    const token = position === undefined ? emptyToken : dbToken({ shard: this.#options.shard, ...position });
    context.wrote(token);
    // No signal from here on: the data is committed, and caches that are not told of it would stay wrong.
    if (effects !== undefined && tx.hasEffects) {
      context.wrote(await effects(tx.effects, { token, id: randomUUID() }));
    }
    return value;
  }

  async #work<T>(
    work: (tx: Transaction) => Promise<T>,
    tx: OpenTransaction,
    context: RequestContext,
    signal: AbortSignal | undefined,
  ): Promise<T> {
    try {
      const value = await abortable(
        this.#options.contexts.run(context.inside(), async () => work(tx)),
        signal,
      );
      signal?.throwIfAborted();
      return value;
    } catch (error) {
      await tx.rollback();
      throw error;
    }
  }

  async #commit(tx: OpenTransaction): Promise<Committed> {
    try {
      return await tx.commit();
    } catch (error) {
      throw error instanceof ConnectionLostError
        ? this.#options.writes.outcomeUnknown('A transaction', error)
        : error;
    }
  }
}

const isolations: readonly unknown[] = [undefined, 'read committed', 'repeatable read', 'serializable'];

function assertIsolation(isolation: unknown): void {
  if (isolations.includes(isolation)) return;
  throw new PandoOptionsError({
    code: 'PANDO_DB_OPTIONS',
    message: `isolation must be one of "read committed", "repeatable read", "serializable", got ${JSON.stringify(isolation)}.`,
  });
}
