import type pg from 'pg';
import type { Signalled } from '../../kernel/abort.js';
import type { TransactionOptions } from '../api.js';
import { ConnectionLostError, TransactionRolledBackError } from '../errors.js';
import type {
  Committed,
  Connection,
  Observed,
  Proven,
  ServerReport,
  SessionListener,
  Statement,
  StatementResult,
  TransactionFate,
  TransactionId,
  Written,
} from '../ports.js';
import type { Position } from '../position.js';
import { SlotMovedError } from '../sharding/errors.js';
import { slotMovedState } from '../sharding/guard-migration.js';
import { endsSession, sqlStateOf } from '../sql-state.js';
import { beginProvenText, provenRead } from './pg-proven-read.js';
import { formOf, inOnePacket, pgQuery, type StatementForm, shapeOf, traced } from './pg-query.js';
import type { PgSession } from './pg-session.js';
import {
  type BeforeCommitRow,
  beforeCommitText,
  beginText,
  type FateRow,
  fateText,
  lsnIn,
  lsnOf,
  type ObservedRow,
  observedText,
  type PositionRow,
  positionText,
  type ReportRow,
  reportOf,
  upToOf,
  type XidRow,
  xidText,
} from './pg-statements.js';
import { TransactionNumber } from './pg-transaction-number.js';

const plain: StatementForm = Object.freeze({});

/** How long a server may take to confirm a cancellation, or the end of a statement, before the session is cut. */
export const patienceMs = 1_000;

/** A session of the `pg` client in pipeline mode: every statement has its own Sync, so errors stay with their statement. */
export class PgConnection implements Connection {
  readonly greeting: ServerReport;
  readonly capacity: number | undefined;
  readonly isPooled: boolean;
  readonly #session: PgSession;
  readonly #client: pg.Client;
  #isOpen = true;
  #lostBy: unknown;
  /** Whether all that was sent has been answered up to the server's ReadyForQuery. */
  #isQuiet = true;
  /** Statements without an outcome yet; none can be left while the session is not quiet, behind an error. */
  #running = 0;
  #cancelling: Promise<void> | undefined;
  #isInTransaction = false;
  readonly #number: TransactionNumber;
  #listener: SessionListener | undefined;

  constructor(session: PgSession) {
    this.#session = session;
    this.#client = session.client;
    this.greeting = session.greeting;
    this.capacity = session.capacity;
    this.isPooled = session.isPooled;
    this.#number = new TransactionNumber(session.greeting, session.life);
    this.#client.on('drain', () => {
      this.#isQuiet = true;
    });
    this.#client.on('notification', (message) => this.#listener?.told('notification', message));
    this.#client.on('notice', (message) => this.#listener?.told('notice', message));
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  get isIdle(): boolean {
    return (
      this.#isOpen &&
      this.#isQuiet &&
      this.#cancelling === undefined &&
      this.#client.getTransactionStatus() === 'I'
    );
  }

  async report(options?: Signalled): Promise<ServerReport> {
    const { rows } = await this.#ask<ReportRow>(this.#session.reportText, options?.signal);
    return reportOf(rows[0] as ReportRow);
  }

  async query<R>({ text, params, native }: Statement, options?: Signalled): Promise<StatementResult<R>> {
    const name = this.#nameOf(text, params);
    try {
      const send = () => this.#send(text, params, options?.signal, formOf(native, name));
      return shapeOf<R>(await (this.#isToBeNumbered(text) ? this.#numbered(send) : send()), native);
    } catch (error) {
      if (name === undefined || !this.#session.prepared.isRefutedBy(error, text)) throw traced(error);
      return shapeOf<R>(await this.#send(text, params, options?.signal, native), native);
    }
  }

  async observe<R>(statement: Statement, options?: Signalled): Promise<Observed<R>> {
    const [result, behind] = await this.#followed<R, ObservedRow>(statement, observedText, options);
    if (behind.status === 'rejected') throw behind.reason;
    const row = behind.value.rows[0] as ObservedRow;
    if (row.recovering !== (this.greeting.role === 'replica')) {
      const cause = new Error('the server was promoted');
      this.lost(cause);
      this.#cut();
      throw this.#lostError(cause);
    }
    return { result, reached: lsnIn(row.reached), upTo: upToOf(row, this.#session.segmentBytes) };
  }

  prove<R>(
    { text, params, native }: Statement,
    { signal, isObserved }: Signalled & { readonly isObserved?: boolean | undefined } = {},
  ): Promise<Proven<R>> {
    const segmentBytes = isObserved ? this.#session.segmentBytes : undefined;
    return provenRead<R>(native, segmentBytes, () =>
      inOnePacket(this.#client, () => [
        this.#send(beginProvenText, undefined),
        this.#send<ReportRow>(this.#session.reportText, undefined),
        this.#send(text, params, signal, native),
        isObserved ? this.#send<ObservedRow>(observedText, undefined) : Promise.resolve(undefined),
        this.#send('commit', undefined),
      ]),
    );
  }

  async write<R>(statement: Statement, options?: Signalled): Promise<Written<R>> {
    const [result, position] = await this.#followed<R, PositionRow>(statement, positionText, options);
    return { result, position: this.#positionIn(position) };
  }

  async position(options?: Signalled): Promise<Position> {
    const { rows } = await this.#send<PositionRow>(positionText, undefined, options?.signal);
    // How others commit is unknown here: only the insert position lies behind whatever they were told.
    return this.#positionOf(rows[0] as PositionRow, 'off');
  }

  async begin(options: Pick<TransactionOptions, 'isolation' | 'readOnly'>): Promise<void> {
    this.#isInTransaction = true;
    this.#number.forget();
    await this.#send(beginText(options), undefined);
  }

  async commit(last?: Statement): Promise<Committed> {
    this.#isInTransaction = false;
    const [ended, asked, committed, position] = await Promise.allSettled(
      inOnePacket(this.#client, () => [
        // Ahead of the question: it may be the only thing that the transaction writes.
        last === undefined ? Promise.resolve() : this.#send(last.text, last.params),
        this.#send<BeforeCommitRow>(beforeCommitText, undefined),
        this.#send('commit', undefined),
        this.#ask<PositionRow>(positionText, undefined, true),
      ]),
    );
    if (asked.status === 'fulfilled') this.#number.last(asked.value.rows[0]);
    if (committed.status === 'rejected') throw committed.reason;
    // A transaction in which a statement has failed is rolled back, and Postgres does not call that an error.
    if (committed.value.command !== 'COMMIT') {
      throw new TransactionRolledBackError(ended.status === 'rejected' ? ended.reason : undefined);
    }
    const answer = asked.status === 'fulfilled' ? asked.value.rows[0] : undefined;
    if (answer?.xid === null) return { wrote: false, position: this.#positionIn(position) };
    return { wrote: true, position: this.#positionIn(position, answer?.mode ?? 'off') };
  }

  async rollback(): Promise<void> {
    this.#isInTransaction = false;
    if (this.#running > 0) this.#cancel();
    await this.#cancelling;
    await this.#send('rollback', undefined);
  }

  get transactionId(): TransactionId | 'none' | undefined {
    return this.#number.id;
  }

  fateOf(id: TransactionId): Promise<TransactionFate> {
    return this.#number.fateOf(id, async () => (await this.#send<FateRow>(fateText, [id.xid])).rows[0]);
  }

  listen(listener: SessionListener): Disposable {
    this.#listener = listener;
    return {
      [Symbol.dispose]: () => {
        if (this.#listener === listener) this.#listener = undefined;
      },
    };
  }

  async reset(): Promise<void> {
    await this.#send(this.#session.resetText, undefined);
  }

  async settle(): Promise<void> {
    await this.#cancelling;
    await this.#quiet(patienceMs);
  }

  async close(): Promise<void> {
    this.#isOpen = false;
    const timer = this.#session.clock.after(patienceMs, () => this.#cut());
    await this.#client.end().catch(() => undefined);
    timer[Symbol.dispose]();
  }

  destroy(): void {
    this.#isOpen = false;
    this.#cut();
  }

  /** The client has learned that the session is over. Comes before the statements on it reject. */
  lost(cause: unknown): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#lostBy = cause;
    this.#session.onLost(cause);
    this.#listener?.lost(this.#lostError(cause));
  }

  /**
   * The name to run a statement under, if any.
   *
   * Without parameters a text may hold several statements, which cannot be prepared. In a transaction a name that turns
   * out to be of no use would cost the whole transaction.
   */
  #nameOf(text: string, params: readonly unknown[]): string | undefined {
    return params.length === 0 || this.#isOpenTransaction() ? undefined : this.#session.prepared.nameOf(text);
  }

  #isOpenTransaction(): boolean {
    return this.#isInTransaction || this.#client.getTransactionStatus() === 'T';
  }

  /** Whether to ask for the number of the transaction behind this statement: it gets one with its first change. */
  #isToBeNumbered(text: string): boolean {
    if (!this.#isOpenTransaction()) {
      this.#number.forget();
      return false;
    }
    return !this.#number.isKnown && !this.#session.onlyReads(text);
  }

  #numbered<T>(send: () => Promise<T>): Promise<T> {
    const learn = async () => {
      this.#number.learn((await this.#send<XidRow>(xidText, undefined)).rows[0]);
    };
    // Without an answer the outcome of a lost COMMIT may remain unknown, no more.
    const [answer] = inOnePacket(this.#client, () => [send(), learn().catch(() => undefined)]);
    return answer;
  }

  /** Runs a statement with a question behind it. Rejects as the statement does; the question has an outcome of its own. */
  async #followed<R, Behind>(
    { text, params, native }: Statement,
    question: string,
    options: Signalled | undefined,
  ): Promise<[StatementResult<R>, PromiseSettledResult<pg.QueryResult<Behind & pg.QueryResultRow>>]> {
    const name = this.#nameOf(text, params);
    const send = (name?: string) =>
      Promise.allSettled(
        inOnePacket(this.#client, () => [
          this.#send(text, params, options?.signal, formOf(native, name)),
          this.#ask<Behind>(question),
        ]),
      );
    let [first, behind] = await send(name);
    if (name !== undefined && first.status === 'rejected') {
      if (this.#session.prepared.isRefutedBy(first.reason, text)) [first, behind] = await send();
    }
    if (first.status === 'rejected') throw traced(first.reason);
    return [shapeOf<R>(first.value, native), behind];
  }

  /**
   * Asks a question of our own, prepared where a refuted name cannot cost a transaction. Parsing and planning is most of
   * what it costs a server: where a standby stands, 295 us there and back, and 155 prepared, of which the way takes 100.
   */
  async #ask<R>(text: string, signal?: AbortSignal, isOutside = !this.#isOpenTransaction()) {
    const name = isOutside ? this.#session.prepared.nameOf(text) : undefined;
    try {
      return await this.#send<R>(text, undefined, signal, formOf(undefined, name));
    } catch (error) {
      if (name === undefined || !this.#session.prepared.isRefutedBy(error, text)) throw error;
      return this.#send<R>(text, undefined, signal);
    }
  }

  /**
   * Hands a statement over; it is on its way when this returns.
   *
   * With one promise and one closure. Each microsecond here costs about two: while this process is busy with itself the
   * servers fall asleep, and a system call that has to wake one takes twice as long (measured: 47 against 27 us).
   */
  #send<R>(
    text: string,
    values: readonly unknown[] | undefined,
    signal?: AbortSignal,
    form: StatementForm = plain,
  ): Promise<pg.QueryResult<R & pg.QueryResultRow>> {
    if (!this.#isOpen) return Promise.reject(this.#lostError(this.#lostBy ?? new Error('it was closed')));
    if (signal?.aborted) return Promise.reject(signal.reason);
    this.#isQuiet = false;
    this.#running += 1;
    return new Promise((resolve, reject) => {
      const onAbort = signal && (() => this.#cancel(signal.reason));
      const query = pgQuery(text, values, form, (error, result) => {
        this.#running -= 1;
        if (onAbort !== undefined) signal?.removeEventListener('abort', onAbort);
        if (error == null) resolve(result as pg.QueryResult<R & pg.QueryResultRow>);
        else reject(this.#explained(error, signal));
      });
      if (onAbort !== undefined) signal?.addEventListener('abort', onAbort, { once: true });
      this.#client.query(query);
    });
  }

  /** Gives a failure the shape that the port promises. */
  #explained(error: unknown, signal: AbortSignal | undefined): unknown {
    const state = sqlStateOf(error);
    if (endsSession(state)) this.lost(error);
    if (!this.#isOpen) return this.#lostError(this.#lostBy ?? error);
    if (signal?.aborted && state === '57014') return signal.reason;
    if (state === slotMovedState) return new SlotMovedError(this.#session.label, error);
    return error;
  }

  #lostError(cause: unknown): ConnectionLostError {
    return new ConnectionLostError(this.#session.label, cause);
  }

  /**
   * Has the server cancel what runs now.
   *
   * The request names the session, not the statement: it would hit whatever runs when it arrives. So the
   * connection stays with its borrower until both the statement has ended and the request is done with.
   * A request that overtakes its statement finds nothing to cancel, so it is repeated.
   */
  #cancel(reason?: unknown): void {
    if (this.#cancelling !== undefined || this.#isQuiet || !this.#isOpen) return;
    this.#cancelling = this.#cancelled(reason).finally(() => {
      this.#cancelling = undefined;
    });
  }

  async #cancelled(reason: unknown): Promise<void> {
    const timer = this.#session.clock.after(patienceMs, () => {
      this.lost(reason ?? new Error('the server did not confirm a cancellation'));
      this.#cut();
    });
    for (let pauseMs = 10; !this.#isQuiet && this.#isOpen; pauseMs *= 2) {
      await this.#session.cancel();
      await this.#quiet(pauseMs);
    }
    timer[Symbol.dispose]();
  }

  /** Waits for the answers to all that was sent, or for the end of the session; at most this long. */
  #quiet(timeoutMs: number): Promise<void> {
    if (this.#isQuiet || !this.#isOpen) return Promise.resolve();
    return new Promise((resolve) => {
      const end = () => {
        timer[Symbol.dispose]();
        this.#client.off('drain', end).off('end', end);
        resolve();
      };
      const timer = this.#session.clock.after(timeoutMs, end);
      this.#client.on('drain', end).on('end', end);
    });
  }

  #cut(): void {
    this.#client.connection.stream.destroy();
  }

  #positionIn(row: PromiseSettledResult<pg.QueryResult<PositionRow>>, mode?: string): Position | undefined {
    const found = row.status === 'fulfilled' ? row.value.rows[0] : undefined;
    return found && this.#positionOf(found, mode);
  }

  #positionOf(row: PositionRow, mode?: string): Position {
    const { system, timeline } = this.greeting;
    return { system, timeline, lsn: lsnOf(row, this.#session.segmentBytes, mode) };
  }
}
