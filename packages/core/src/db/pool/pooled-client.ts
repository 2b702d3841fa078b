import { EventEmitter } from 'node:events';
import { ClosedError } from '../../kernel/errors.js';
import { ConnectionLostError, PoolMisuseError, TransactionRolledBackError } from '../errors.js';
import type { PoolCallback } from '../pool-api.js';
import type { Connection, Lease, Statement, StatementKind, StatementResult } from '../ports.js';
import type { Position } from '../position.js';
import { commitStatement } from '../statement-watch.js';
import { answer, commitResult, nativeResult, readCall } from './pool-call.js';

/** What a client needs of the database. */
export interface ClientHost {
  kindOf(text: string): StatementKind;
  read(statement: Statement): Promise<StatementResult<unknown>>;
  /** Runs a statement on a connection that was borrowed, under the eyes of who measures. */
  inside<T extends object>(statement: Statement, run: () => Promise<T>): Promise<T>;
  /** Borrows a connection of the primary. */
  borrow(): Promise<Lease>;
  /** Something was read on the primary, in the context of the running code. */
  readPrimary(): void;
  /** Something was written; undefined: its position was lost on the way. */
  wrote(position: Position | undefined): Promise<void>;
  /** A transaction that changed nothing has seen nothing behind this. */
  saw(position: Position | undefined): void;
  /** The error for a write whose answer is lost. */
  outcomeUnknown(what: string, error: ConnectionLostError): Error;
  /** Resolves when a transaction was committed although the answer was lost; rejects as `db.transaction` does. */
  findCommit(connection: Connection, error: ConnectionLostError): Promise<void>;
}

/**
 * What `db.pool.connect()` returns: looks like a client of `pg`, and holds a connection only while it needs one.
 *
 * Statements run one after the other. A read outside a transaction goes where `db.read` would send it. Anything else takes
 * a connection of the primary, which is kept until the next such read, so that `lastval()` finds what it belongs to.
 * While a transaction is open, or once the session was changed, that connection serves reads, too.
 */
export class PooledClient extends EventEmitter {
  readonly #host: ClientHost;
  readonly #released: (client: PooledClient, error: unknown) => void;
  #tail: Promise<unknown> = Promise.resolve();
  #lease: Lease | undefined;
  #listening: Disposable | undefined;
  #isInTransaction = false;
  #hasChangedSession = false;
  #firstError: unknown;
  #isReleased = false;

  constructor(host: ClientHost, released: (client: PooledClient, error: unknown) => void) {
    super();
    this.#host = host;
    this.#released = released;
  }

  query(query: unknown, values?: unknown, callback?: unknown): unknown {
    const call = readCall(query, values, callback);
    return answer(this.#inTurn(call.statement), call.callback);
  }

  /** It has no connection of its own to open. */
  connect(callback?: PoolCallback<this>): Promise<this> | undefined {
    return answer(Promise.resolve(this), callback);
  }

  release(error?: Error | boolean): void {
    if (this.#isReleased) {
      throw new PoolMisuseError(
        'A client of db.pool was released twice. Release it once, in a finally block.',
      );
    }
    this.#isReleased = true;
    this.#released(this, error);
    void this.#tail.then(() => this.#end(error !== undefined && error !== false));
  }

  /** Resolves with what the client library returned. */
  #inTurn(statement: Statement): Promise<unknown> {
    if (this.#isReleased) return Promise.reject(new ClosedError('The client of db.pool'));
    const result = this.#tail.then(() => this.#run(statement));
    this.#tail = result.catch(() => undefined);
    return result;
  }

  async #run(statement: Statement): Promise<unknown> {
    const kind = this.#host.kindOf(statement.text);
    if (kind === 'read' && !this.#isInTransaction && !this.#hasChangedSession) {
      this.#giveBack(); // first: who waits for one connection must not hold another
      return nativeResult(this.#host.read(statement));
    }
    const lease = await this.#borrowed();
    const { connection } = lease;
    if (kind === 'session') {
      this.#hasChangedSession = true;
      lease.sessionChanged();
    }
    if (kind === 'session' || (!this.#isInTransaction && kind !== 'read' && kind !== 'begin')) {
      return this.#write(connection, statement);
    }
    if (this.#isInTransaction && kind === 'commit') return this.#commit(connection);
    const result = await this.#plain(connection, statement);
    if (kind === 'begin' || kind === 'rollback') {
      this.#isInTransaction = kind === 'begin';
      this.#firstError = undefined;
    }
    return result;
  }

  async #borrowed(): Promise<Lease> {
    if (this.#lease !== undefined) return this.#lease;
    const lease = await this.#host.borrow();
    this.#lease = lease;
    this.#listening = lease.connection.listen({
      told: (event, message) => void this.emit(event, message),
      // Without a listener this event would end the process; the next statement tells it to whoever does not listen.
      lost: (error) => void (this.listenerCount('error') > 0 && this.emit('error', error)),
    });
    return lease;
  }

  async #plain(connection: Connection, statement: Statement): Promise<unknown> {
    this.#host.readPrimary();
    try {
      return await nativeResult(this.#host.inside(statement, () => connection.query(statement)));
    } catch (error) {
      if (this.#isInTransaction) this.#firstError ??= error;
      throw error;
    }
  }

  /** Outside a transaction, or a text that may have ended one: its position is taken with it. */
  async #write(connection: Connection, statement: Statement): Promise<unknown> {
    this.#host.readPrimary();
    const { isOpen } = connection;
    try {
      const { result, position } = await this.#host.inside(statement, () => connection.write(statement));
      if (position !== undefined || !this.#isInTransaction) await this.#host.wrote(position);
      return result.native;
    } catch (error) {
      // Over before anything was sent: nothing can have taken effect.
      throw isOpen && error instanceof ConnectionLostError
        ? this.#host.outcomeUnknown('A write', error)
        : error;
    }
  }

  async #commit(connection: Connection): Promise<unknown> {
    const cause = this.#firstError;
    const { isOpen } = connection;
    this.#isInTransaction = false;
    this.#firstError = undefined;
    try {
      const { wrote, position } = await this.#host.inside(commitStatement, () => connection.commit());
      if (wrote) await this.#host.wrote(position);
      else this.#host.saw(position);
      return commitResult;
    } catch (error) {
      if (isOpen && error instanceof ConnectionLostError) return this.#lostCommit(connection, error);
      throw error instanceof TransactionRolledBackError ? new TransactionRolledBackError(cause) : error;
    }
  }

  async #lostCommit(connection: Connection, error: ConnectionLostError): Promise<unknown> {
    this.#giveBack(); // its place in the pool is needed to ask what became of it
    await this.#host.findCommit(connection, error);
    await this.#host.wrote(undefined);
    return commitResult;
  }

  #giveBack(): void {
    this.#listening?.[Symbol.dispose]();
    this.#lease?.release();
    this.#lease = undefined;
  }

  /** Nothing of this session reaches the next one that gets its connection. */
  async #end(isUnfit: boolean): Promise<void> {
    const connection = this.#lease?.connection;
    try {
      if (isUnfit) connection?.destroy();
      else if (this.#isInTransaction) await connection?.rollback();
    } catch {
      connection?.destroy();
    }
    this.#giveBack();
  }
}
