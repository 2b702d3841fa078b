import type { Effects, PlannedEvent } from '../kernel/effects.js';
import { isCacheName, isChannelName } from '../kernel/names.js';
import type { EffectHandlers, EventOptions, QueryResult, Row, Transaction } from './api.js';
import {
  EffectNameError,
  EffectsUnavailableError,
  EffectUnknownError,
  TransactionBusyError,
  TransactionEndedError,
  TransactionRolledBackError,
} from './errors.js';
import type { Lease, StatementClassifier, StatementResult } from './ports.js';
import type { StatementWatch } from './statement-watch.js';

/** An effect of the app's own. */
export interface NamedEffect {
  readonly name: string;
  readonly payload: unknown;
}

/** All that a transaction wants done after its commit; a row of the outbox is this as JSON. */
export interface TransactionEffects extends Effects {
  readonly named: readonly NamedEffect[];
  /** How many of the named ones, from the first on, an attempt before has carried out. @defaultValue `0` */
  readonly done?: number | undefined;
}

/** What a scope stands on. */
export interface TransactionScopeOptions {
  readonly lease: Lease;
  readonly classifier: StatementClassifier;
  /** Name of the server. */
  readonly label: string;
  readonly watch: StatementWatch;
  readonly signal?: AbortSignal | undefined;
  /** Whether somebody invalidates, expires and publishes. */
  readonly hasEffects: boolean;
  /** Handlers of the app's own effects. */
  readonly handlers: EffectHandlers;
}

/**
 * What the callback of a transaction gets, or that of a savepoint in it: runs statements, and collects effects.
 *
 * While a savepoint is open, statements belong to it: one that goes past it would be rolled back with it.
 */
export class TransactionScope implements Transaction {
  readonly #options: TransactionScopeOptions;
  readonly #outer: TransactionScope | undefined;
  readonly #depth: number;
  readonly #tags = new Set<string>();
  readonly #expired = new Set<string>();
  readonly #events: PlannedEvent[] = [];
  readonly #named: NamedEffect[] = [];
  #firstError: unknown;
  #hasEnded = false;
  #isBusy = false;

  constructor(options: TransactionScopeOptions, outer?: TransactionScope) {
    this.#options = options;
    this.#outer = outer;
    this.#depth = outer === undefined ? 0 : outer.#depth + 1;
  }

  /** In the order in which they were asked for, each tag once: what is invalidated need not expire. */
  get effects(): TransactionEffects {
    const expired = [...this.#expired].filter((tag) => !this.#tags.has(tag));
    const effects = { tags: [...this.#tags], events: this.#events, named: this.#named };
    return expired.length === 0 ? effects : { ...effects, expired };
  }

  get hasEffects(): boolean {
    return this.#tags.size + this.#expired.size + this.#events.length + this.#named.length > 0;
  }

  /** The error of the first statement that failed here. */
  get firstError(): unknown {
    return this.#firstError;
  }

  /** Whether a savepoint is open. */
  get isBusy(): boolean {
    return this.#isBusy;
  }

  get hasEnded(): boolean {
    return this.#hasEnded || (this.#outer?.hasEnded ?? false);
  }

  async query<R = Row>(sql: string, params: readonly unknown[] = []): Promise<QueryResult<R>> {
    this.#assertFree();
    const { lease, classifier, label, watch, signal } = this.#options;
    // Without `local`, what a transaction sets stays when it has ended.
    if (classifier.kindOf(sql) === 'session') lease.sessionChanged();
    try {
      const statement = { text: sql, params };
      return await watch.inside(statement, label, () => lease.connection.query<R>(statement, { signal }));
    } catch (error) {
      this.#firstError ??= error;
      throw error;
    }
  }

  async transaction<T>(work: (tx: Transaction) => Promise<T>): Promise<T> {
    this.#assertFree();
    const inner = new TransactionScope(this.#options, this);
    const savepoint = `pando_${inner.#depth}`;
    this.#isBusy = true;
    try {
      // Not awaited: the first statement travels right behind it, and fails if it has failed.
      const begun = this.#control(`savepoint ${savepoint}`);
      begun.catch(() => undefined);
      const value = await this.#within(inner, savepoint, work);
      await begun;
      return value;
    } finally {
      inner.end();
      this.#isBusy = false;
    }
  }

  invalidate(tags: readonly string[]): void {
    this.#assertOpen();
    this.#note('invalidate', tags, this.#tags);
  }

  expire(tags: readonly string[]): void {
    this.#assertOpen();
    this.#note('expire', tags, this.#expired);
  }

  publish(channel: string, event: unknown, { afterAll }: EventOptions = {}): void {
    this.#assertOpen();
    if (!this.#options.hasEffects) throw new EffectsUnavailableError('publish');
    if (!isChannelName(channel)) throw new EffectNameError('publish', channel);
    this.#events.push(afterAll ? { channel, event, afterAll } : { channel, event });
  }

  effect(name: string, payload?: unknown): void {
    this.#assertOpen();
    const { handlers } = this.#options;
    if (!Object.hasOwn(handlers, name)) throw new EffectUnknownError(name, Object.keys(handlers));
    this.#named.push({ name, payload });
  }

  /** Refuses further use. */
  end(): void {
    this.#hasEnded = true;
  }

  async #within<T>(
    inner: TransactionScope,
    savepoint: string,
    work: (tx: Transaction) => Promise<T>,
  ): Promise<T> {
    let value: T;
    try {
      value = await work(inner);
    } catch (error) {
      inner.end();
      await this.#rollBackTo(savepoint);
      throw error;
    }
    inner.end();
    try {
      if (inner.isBusy) throw new TransactionBusyError();
      await this.#control(`release savepoint ${savepoint}`);
    } catch (error) {
      await this.#rollBackTo(savepoint);
      // A statement had failed and was passed over: as COMMIT would, it does not let the others pass for all.
      throw inner.firstError === undefined ? error : new TransactionRolledBackError(inner.firstError);
    }
    this.#absorb(inner.effects);
    return value;
  }

  /** Never rejects: where it fails, so does everything that follows. */
  async #rollBackTo(savepoint: string): Promise<void> {
    const statements = [`rollback to savepoint ${savepoint}`, `release savepoint ${savepoint}`];
    for (const ended of await Promise.allSettled(statements.map((text) => this.#control(text)))) {
      if (ended.status === 'rejected') this.#firstError ??= ended.reason;
    }
  }

  #control(text: string): Promise<StatementResult<unknown>> {
    return this.#options.lease.connection.query({ text, params: [] });
  }

  /** All of them, or none. */
  #note(method: 'invalidate' | 'expire', tags: readonly string[], noted: Set<string>): void {
    if (!this.#options.hasEffects) throw new EffectsUnavailableError(method);
    for (const tag of tags) if (!isCacheName(tag)) throw new EffectNameError(method, tag);
    for (const tag of tags) noted.add(tag);
  }

  #absorb({ tags, expired = [], events, named }: TransactionEffects): void {
    for (const tag of tags) this.#tags.add(tag);
    for (const tag of expired) this.#expired.add(tag);
    this.#events.push(...events);
    this.#named.push(...named);
  }

  #assertFree(): void {
    this.#assertOpen();
    if (this.#isBusy) throw new TransactionBusyError();
  }

  #assertOpen(): void {
    if (this.hasEnded) throw new TransactionEndedError();
  }
}
