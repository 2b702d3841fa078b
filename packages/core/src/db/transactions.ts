import { abortable } from '../kernel/abort.js';
import type { Contexts, RequestContext } from '../kernel/context.js';
import { PandoOptionsError } from '../kernel/errors.js';
import { dbToken, emptyToken } from '../kernel/token.js';
import type { EffectHandlers, Transaction, TransactionOptions } from './api.js';
import { ConnectionLostError, NestedTransactionError, WrongRoleError } from './errors.js';
import type { LostCommits } from './lost-commits.js';
import { OpenTransaction } from './open-transaction.js';
import type { AfterCommit, Plan } from './outbox/after-commit.js';
import type { Committed, Lease, Statement, StatementClassifier } from './ports.js';
import type { Primary } from './primary.js';
import type { Repeats } from './repeats.js';
import type { StatementWatch } from './statement-watch.js';
import { urgencyOf } from './urgency.js';
import type { Writes } from './writes.js';

/** What transactions run on. */
export interface TransactionsOptions {
  readonly shard: string;
  readonly primary: Primary;
  readonly writes: Writes;
  readonly lostCommits: LostCommits;
  readonly contexts: Contexts;
  readonly afterCommit: AfterCommit;
  /** Whether somebody invalidates and publishes. */
  readonly hasEffects: boolean;
  readonly handlers: EffectHandlers;
  readonly classifier: StatementClassifier;
  readonly watch: StatementWatch;
  readonly repeats: Repeats;
  /** Whether the token names what was read, too. */
  readonly isObserved: boolean;
}

/** One that was committed. */
interface Attempt<T> {
  readonly value: T;
  readonly plan: Plan | undefined;
  readonly committed: Committed;
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
    const { contexts, writes, afterCommit, repeats } = this.#options;
    const context = contexts.current();
    if (context.inTransaction) throw new NestedTransactionError();
    assertIsolation(options.isolation); // becomes part of a statement
    const { retry = 0, signal } = options;
    assertRetry(retry);

    const attempt = (timeLeftMs: number | undefined) => this.#attempt(work, options, context, timeLeftMs);
    const { value, plan, committed } = await repeats.run(attempt, { retry, signal, timeoutMs });
    const upTo = this.#options.isObserved ? committed.position : undefined;
    context.load?.noteRead({ shard: this.#options.shard, seen: 'primary', upTo });
    if (upTo !== undefined) context.observe(dbToken({ shard: this.#options.shard, ...upTo }));
    const position = committed.wrote
      ? (committed.position ?? (await writes.positionBehind('A transaction')))
      : undefined;
    const token = position === undefined ? emptyToken : dbToken({ shard: this.#options.shard, ...position });
    context.wrote(token);
    // No signal from here on: the data is committed, and caches that are not told of it would stay wrong.
    if (plan !== undefined) context.wrote(await afterCommit.carryOut(plan, token));
    return value;
  }

  /** From BEGIN to COMMIT; when it rejects with anything but `OutcomeUnknownError`, nothing was committed. */
  async #attempt<T>(
    work: (tx: Transaction) => Promise<T>,
    options: TransactionOptions,
    context: RequestContext,
    timeoutMs: number | undefined,
  ): Promise<Attempt<T>> {
    const { primary, hasEffects, handlers, classifier, watch } = this.#options;
    const lease = await primary.pool.acquire({
      lane: 'main',
      urgency: urgencyOf('write', options, context),
      signal: options.signal,
      timeoutMs,
    });
    const { label } = primary;
    try {
      const tx = new OpenTransaction({ ...options, lease, classifier, label, watch, hasEffects, handlers });
      const value = await this.#work(work, tx, context, options.signal);
      const plan = await this.#plan(tx, options);
      return { value, plan, committed: await this.#commit(tx, lease, plan?.row) };
    } catch (error) {
      throw (await this.#options.writes.isDemoted(lease, error))
        ? new WrongRoleError(label, 'primary')
        : error;
    } finally {
      lease.release();
    }
  }

  async #work<T>(
    work: (tx: Transaction) => Promise<T>,
    tx: OpenTransaction,
    context: RequestContext,
    signal: AbortSignal | undefined,
  ): Promise<T> {
    try {
      const value = await abortable(
        this.#options.contexts.run(context.inside(this.#options.shard), async () => work(tx.scope)),
        signal,
      );
      signal?.throwIfAborted();
      return value;
    } catch (error) {
      await tx.rollback();
      throw error;
    }
  }

  async #plan(tx: OpenTransaction, options: TransactionOptions): Promise<Plan | undefined> {
    if (!tx.scope.hasEffects) return undefined;
    try {
      return this.#options.afterCommit.plan(tx.scope.effects, options);
    } catch (error) {
      await tx.rollback();
      throw error;
    }
  }

  async #commit(tx: OpenTransaction, lease: Lease, row: Statement | undefined): Promise<Committed> {
    try {
      return await tx.commit(row);
    } catch (error) {
      if (!(error instanceof ConnectionLostError)) throw error;
      lease.release(); // its place in the pool is needed to ask what became of it
      await this.#options.lostCommits.find(lease.connection, error);
      return { wrote: true, position: undefined };
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

function assertRetry(retry: unknown): void {
  if (Number.isSafeInteger(retry) && (retry as number) >= 0) return;
  throw new PandoOptionsError({
    code: 'PANDO_DB_OPTIONS',
    message: `retry must be a whole number of further attempts, 0 or more, got ${JSON.stringify(retry)}.`,
  });
}
