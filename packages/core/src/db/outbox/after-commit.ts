import { randomUUID } from 'node:crypto';
import { abortable, deadline, type Signalled } from '../../kernel/abort.js';
import type { EffectsOutcome, EffectsRunner } from '../../kernel/effects.js';
import type { Kernel } from '../../kernel/kernel.js';
import type { Ledger } from '../../kernel/ledger.js';
import type { CounterCell } from '../../kernel/meter.js';
import type { Token } from '../../kernel/token.js';
import type { EffectHandlers } from '../api.js';
import { databaseInstruments } from '../metrics.js';
import type { OutboxTable, Pool, Statement } from '../ports.js';
import type { TransactionEffects } from '../transaction-scope.js';
import { Carrier } from './carrier.js';
import { OutboxLedger } from './ledger.js';
import { Removals } from './removals.js';
import type { OutboxRules } from './rules.js';
import { Takeover } from './takeover.js';

/** What effects are carried out with. */
export interface AfterCommitParts {
  readonly shard: string;
  readonly pool: Pool;
  /** Undefined: effects end with their process. */
  readonly table: OutboxTable | undefined;
  readonly runner: EffectsRunner | undefined;
  readonly handlers: EffectHandlers;
  /** What a handler has for one attempt. */
  readonly takeoverMs: number;
  readonly pollIntervalMs: number;
  readonly kernel: Kernel;
  /** Resolves when the room has started. */
  readonly ready: () => Promise<void>;
  readonly rules: OutboxRules;
}

/** Effects of one transaction, ready to be committed. */
export interface Plan {
  readonly id: string;
  readonly effects: TransactionEffects;
  /** Writes them down, as part of the transaction. */
  readonly row: Statement | undefined;
}

/** A row that commits with the data says what is left to do. */
interface Outbox {
  readonly table: OutboxTable;
  readonly removals: Removals;
  readonly takeover: Takeover;
  readonly ledger: OutboxLedger;
}

/**
 * Carries out what transactions want done after their commit, and what other processes have left undone.
 *
 * The row is written with the data and removed when all is done. In between, any instance may carry it out: invalidations
 * may be repeated, events are published once for each id.
 */
export class AfterCommit {
  readonly #pool: Pool;
  readonly #kernel: Kernel;
  readonly #carrier: Carrier;
  readonly #outbox: Outbox | undefined;
  readonly #takeoverMs: number;
  readonly #rules: OutboxRules;
  readonly #stop = new AbortController();
  readonly #running = new Set<Promise<unknown>>();
  readonly #done: CounterCell;
  readonly #left: CounterCell;
  readonly #gauge: Disposable | undefined;

  constructor(parts: AfterCommitParts) {
    const { shard, pool, table, runner, handlers, takeoverMs, pollIntervalMs, kernel, ready, rules } = parts;
    const { clock, logger, meter, contexts } = kernel;
    const rows = (outcome: string) => meter.counter(databaseInstruments.outboxRows, { outcome });
    this.#pool = pool;
    this.#kernel = kernel;
    this.#rules = rules;
    this.#done = rows('done');
    this.#left = rows('left');
    this.#carrier = new Carrier({ runner, handlers, contexts, logger });
    this.#takeoverMs = takeoverMs;
    if (table === undefined) return;
    const takeover = new Takeover({
      ...{ shard, pool, table, kernel, takeoverMs, pollIntervalMs, rules },
      carrier: this.#carrier,
      took: (outcome) => (outcome === 'left' ? this.#left : rows(outcome)).add(),
    });
    const removed = (ids: readonly string[]) => takeover.release(ids);
    this.#outbox = {
      ...{ table, takeover },
      removals: new Removals({ pool, table, clock, logger, removed }),
      ledger: new OutboxLedger({ pool, table, ready, takeover }),
    };
    this.#gauge = meter.observe(databaseInstruments.outboxWaiting, () => takeover.waiting);
  }

  /** Tells which rows are carried out; undefined where none are written. */
  get ledger(): Ledger | undefined {
    return this.#outbox?.ledger;
  }

  /** Writes effects down. Throws where a payload is nothing that JSON can carry. */
  plan(effects: TransactionEffects, { readOnly }: { readonly readOnly?: boolean | undefined }): Plan {
    const text = JSON.stringify(effects);
    // Handlers get the same from every instance.
    const { named } = JSON.parse(text) as TransactionEffects;
    // What wrote nothing has nothing that its effects must not be lost with.
    const table = readOnly ? undefined : this.#outbox?.table;
    // Who looks for a row must not take one that never was for one that is gone.
    const id = table === undefined ? `t${randomUUID()}` : randomUUID();
    const row = table && this.#rules.rowOf(table.insert(id, text));
    return { id, row, effects: { ...effects, named } };
  }

  /** Carries out what was committed: resolves when all is invalidated and published, with the token to answer with. */
  async carryOut(plan: Plan, token: Token): Promise<Token> {
    const outbox = plan.row && this.#outbox;
    outbox?.takeover.hold(plan.id);
    const announced = this.#announce(plan, token, outbox);
    this.#track(announced.then((outcome) => this.#finish(plan, outcome, outbox)));
    return (await announced).token;
  }

  async start({ signal }: Signalled = {}): Promise<void> {
    if (this.#outbox === undefined) return;
    const lease = await this.#pool.acquire({ lane: 'main', signal });
    try {
      await this.#outbox.table.prepare(lease.connection);
    } finally {
      lease.release();
    }
    this.#outbox.takeover.start();
  }

  /** Ends what runs, the app's handlers at the signal; what is left undone, other instances do. Never rejects. */
  async close({ signal }: Required<Signalled>): Promise<void> {
    await this.#outbox?.takeover.close();
    await abortable(Promise.allSettled(this.#running), signal).catch(() => undefined);
    this.#stop.abort(new Error('the database is closed'));
    await this.#outbox?.removals.close({ signal });
    this.#gauge?.[Symbol.dispose]();
  }

  async #announce({ id, effects }: Plan, token: Token, outbox: Outbox | undefined): Promise<EffectsOutcome> {
    try {
      return await this.#carrier.announce(effects, {
        ...{ token, id: this.#rules.attemptId(id) },
        isRepeatable: outbox !== undefined,
      });
    } catch (error) {
      outbox?.removals.add(id); // no other attempt will fare better
      throw error;
    }
  }

  /** What nobody waits for: the app's handlers, and the end of the row. */
  async #finish(
    { id, effects }: Plan,
    { token, isComplete, finished }: EffectsOutcome,
    outbox: Outbox | undefined,
  ): Promise<void> {
    if (isComplete && (await this.#handle(id, effects, token))) {
      this.#done.add();
      outbox?.removals.add(id, finished);
    } else {
      this.#left.add();
      outbox?.takeover.left(id);
    }
  }

  async #handle(id: string, effects: TransactionEffects, token: Token): Promise<boolean> {
    if (effects.named.length === 0) return true;
    const late = () => new Error(`not carried out within ${this.#takeoverMs} ms`);
    const limit = deadline(this.#kernel.clock, this.#takeoverMs, late, this.#stop.signal);
    try {
      const done = await this.#carrier.handle(effects, { token, id, signal: limit.signal });
      return done === effects.named.length;
    } finally {
      limit[Symbol.dispose]();
    }
  }

  #track(work: Promise<void>): void {
    const tracked: Promise<void> = work
      .catch(() => undefined) // told to who waits for the transaction
      .finally(() => this.#running.delete(tracked));
    this.#running.add(tracked);
  }
}
