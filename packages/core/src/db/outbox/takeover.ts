import { deadline } from '../../kernel/abort.js';
import { messageOf } from '../../kernel/errors.js';
import type { Kernel } from '../../kernel/kernel.js';
import { dbToken, emptyToken } from '../../kernel/token.js';
import type { Connection, OutboxTable, Pool, Statement } from '../ports.js';
import type { TransactionEffects } from '../transaction-scope.js';
import type { Carrier } from './carrier.js';
import type { OutboxRules } from './rules.js';

/** A round looks less and less often where there is nothing, down to one in so many intervals. */
const maxIdleIntervals = 8;
/** Rows looked at in one round. */
const maxListed = 5_000;
/** Pause before a round that somebody waits for. */
const hastyMs = 50;
/** A row whose handler fails is tried less and less often, down to once in so many takeover times. */
const maxRetryFactor = 16;

/** What taking over needs. */
export interface TakeoverParts {
  readonly shard: string;
  readonly pool: Pool;
  readonly table: OutboxTable;
  readonly carrier: Carrier;
  readonly kernel: Kernel;
  readonly takeoverMs: number;
  readonly pollIntervalMs: number;
  readonly took: (outcome: 'taken_over' | 'expired' | 'left') => void;
  readonly rules: OutboxRules;
}

/** A row that somebody else should have carried out. */
interface Sighting {
  /** Monotonic instant from which it may be taken over. */
  dueAt: number;
  attempts: number;
}

type Taken = 'done' | 'gone' | 'failed' | 'unavailable';

/** A row as it was found. */
interface LockedRow {
  readonly effects: string;
  readonly isOld?: boolean | undefined;
}

/** How one attempt ended. */
interface Attempt {
  readonly taken: Taken;
  /** Writes down what has become of the row; undefined leaves it as it was. */
  readonly record?: Statement | undefined;
  /** Nobody publishes its events again. */
  readonly finished?: (() => void) | undefined;
}

/**
 * Carries out rows of transactions whose own process has not: it died, or what it needs was away.
 *
 * A row is due when it was seen here for `takeoverMs`, by this process' own monotonic clock: neither wall clocks nor the
 * age of the row, which counts from the start of its transaction, say how long its process has had.
 */
export class Takeover {
  readonly #parts: TakeoverParts;
  readonly #stop = new AbortController();
  /** Rows that this process is carrying out, or about to remove. */
  readonly #held = new Set<string>();
  #seen = new Map<string, Sighting>();
  #idleRounds = 0;
  #isHasty = false;
  #timer: Disposable | undefined;
  #round: Promise<void> | undefined;

  constructor(parts: TakeoverParts) {
    this.#parts = parts;
  }

  /** Rows seen that are not carried out. */
  get waiting(): number {
    return this.#seen.size;
  }

  hold(id: string): void {
    this.#held.add(id);
  }

  release(ids: readonly string[]): void {
    for (const id of ids) this.#held.delete(id);
  }

  /** A row of this process has to wait for another attempt. Nobody else works at it: it is due with the next round. */
  left(id: string): void {
    this.release([id]);
    this.#due(id);
    this.#idleRounds = 0;
    this.#later();
  }

  /** Somebody waits for rows that the process which committed them has given up: they are due now. */
  hasten(ids: readonly string[]): void {
    const rows = ids.filter((id) => !this.#held.has(id));
    if (rows.length === 0) return;
    for (const id of rows) this.#due(id);
    this.#isHasty = true;
    this.#later();
  }

  start(): void {
    this.#later();
  }

  async close(): Promise<void> {
    this.#stop.abort(new Error('the database is closed'));
    this.#timer?.[Symbol.dispose]();
    await this.#round;
  }

  #due(id: string): void {
    const seen = this.#seen.get(id);
    // A row that was tried in vain keeps its pauses.
    if (seen === undefined) this.#seen.set(id, { dueAt: Number.NEGATIVE_INFINITY, attempts: 0 });
    else if (seen.attempts === 0) seen.dueAt = Number.NEGATIVE_INFINITY;
  }

  #later(): void {
    if (this.#stop.signal.aborted || this.#round !== undefined) return;
    this.#timer?.[Symbol.dispose]();
    const { kernel, pollIntervalMs } = this.#parts;
    const restMs = pollIntervalMs * Math.min(2 ** this.#idleRounds, maxIdleIntervals);
    this.#timer = kernel.clock.after(this.#isHasty ? Math.min(hastyMs, restMs) : restMs, () => {
      this.#isHasty = false;
      this.#round = this.#look()
        .catch((error) => {
          const { logger } = this.#parts.kernel;
          if (!this.#stop.signal.aborted)
            logger.debug({ err: error }, `cannot look at the outbox: ${messageOf(error)}`);
        })
        .finally(() => {
          this.#round = undefined;
          this.#later();
        });
    });
  }

  async #look(): Promise<void> {
    const { clock } = this.#parts.kernel;
    const ids = (await this.#list()).filter((id) => !this.#held.has(id));
    this.#idleRounds = ids.length === 0 ? this.#idleRounds + 1 : 0;
    const now = clock.monotonic();
    const { takeoverMs } = this.#parts;
    this.#seen = new Map(
      ids.map((id) => [id, this.#seen.get(id) ?? { dueAt: now + takeoverMs, attempts: 0 }]),
    );
    for (const [id, sighting] of this.#seen) {
      if (sighting.dueAt > clock.monotonic() || this.#held.has(id)) continue;
      const taken = await this.#take(id);
      if (this.#stop.signal.aborted) return;
      if (taken === 'done') this.#parts.took('taken_over');
      if (taken === 'done' || taken === 'gone') {
        this.#seen.delete(id);
        continue;
      }
      this.#parts.took('left');
      if (taken === 'unavailable') return; // for all of them: one asks in each round
      const factor = Math.min(2 ** sighting.attempts, maxRetryFactor);
      sighting.attempts += 1;
      sighting.dueAt = clock.monotonic() + takeoverMs * factor;
    }
  }

  async #list(): Promise<readonly string[]> {
    const { pool, table } = this.#parts;
    const { signal } = this.#stop;
    const lease = await pool.acquire({ lane: 'main', isOptional: true, signal });
    try {
      const { rows } = await lease.connection.query<{ id: string }>(table.list(maxListed), { signal });
      return rows.map(({ id }) => id);
    } finally {
      lease.release();
    }
  }

  /** Carries one row out, under its lock: whoever else comes meanwhile passes it over. */
  async #take(id: string): Promise<Taken> {
    const { pool, kernel, takeoverMs } = this.#parts;
    const late = () => new Error(`not carried out within ${takeoverMs} ms`);
    const limit = deadline(kernel.clock, takeoverMs, late, this.#stop.signal);
    try {
      const lease = await pool.acquire({ lane: 'main', signal: limit.signal });
      try {
        return await this.#inTransaction(id, lease.connection, limit.signal);
      } finally {
        lease.release();
      }
    } catch (error) {
      if (!this.#stop.signal.aborted) {
        kernel.logger.warn({ id, err: error }, `a row of the outbox was not taken over: ${messageOf(error)}`);
      }
      return 'failed';
    } finally {
      limit[Symbol.dispose]();
    }
  }

  async #inTransaction(id: string, connection: Connection, signal: AbortSignal): Promise<Taken> {
    const begun = connection.begin({});
    try {
      const [, { rows }] = await Promise.all([
        begun,
        connection.query<LockedRow>(this.#parts.table.lock(id), { signal }),
      ]);
      const [row] = rows;
      const { taken, record, finished } =
        row === undefined ? gone : await this.#carryOut(id, row, connection, signal);
      if (record === undefined) {
        await connection.rollback();
      } else {
        await connection.commit(record);
        finished?.();
      }
      return taken;
    } catch (error) {
      await connection.rollback().catch(() => undefined); // a session that cannot roll back is not used again
      throw error;
    }
  }

  async #carryOut(
    id: string,
    { effects: text, isOld }: LockedRow,
    connection: Connection,
    signal: AbortSignal,
  ): Promise<Attempt> {
    const { shard, table, carrier, kernel, rules } = this.#parts;
    const written = JSON.parse(text) as TransactionEffects;
    const effects = isOld ? this.#withoutEvents(id, written) : written;
    // What the row belongs to is committed, or nobody could see it: this position lies behind.
    const token = rules.asksPosition
      ? dbToken({ shard, ...(await connection.position({ signal })) })
      : emptyToken;
    const context = kernel.contexts.open({ id, signal, token });
    return kernel.contexts.run(context, async () => {
      const announced = await carrier.announce(effects, {
        ...{ token, signal, isRepeated: true, isRepeatable: true },
        id: rules.attemptId(id),
      });
      const { finished } = announced;
      if (!announced.isComplete) return { taken: 'unavailable' };
      const done = await carrier.handle(effects, { token: announced.token, id, signal });
      if (done === effects.named.length) return { taken: 'done', record: table.remove([id]), finished };
      // A handler may fail for longer than anybody remembers what was published.
      const rest: TransactionEffects = { named: effects.named, tags: [], events: [], done };
      return { taken: 'failed', record: table.update(id, JSON.stringify(rest)), finished };
    });
  }

  /** Nobody remembers any more whether somebody has published them. */
  #withoutEvents(id: string, effects: TransactionEffects): TransactionEffects {
    if (effects.events.length === 0) return effects;
    const channels = [...new Set(effects.events.map(({ channel }) => channel))];
    this.#parts.kernel.logger.error(
      { id, channels },
      'events not published: their transaction is more than a week old',
    );
    this.#parts.took('expired');
    return { ...effects, events: [] };
  }
}

const gone: Attempt = { taken: 'gone' };
