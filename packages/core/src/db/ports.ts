import type { Signalled } from '../kernel/abort.js';
import type { QueryResult, TransactionOptions } from './api.js';
import type { ResolvedOutboxOptions } from './options.js';
import type { History, Position } from './position.js';
import type { ResolvedServer } from './server-options.js';
import type { StatementShapes } from './statement-shape.js';
import type { Trail } from './trail.js';

/** Which part a server plays. */
export type Role = 'primary' | 'replica';

/** One statement with its parameters. */
export interface Statement {
  readonly text: string;
  readonly params: readonly unknown[];
  /** Asks for the client library's own result, in the shape that it lets its users choose. */
  readonly native?: NativeShape | undefined;
}

/** How the client library shapes rows. */
export interface NativeShape {
  readonly rowMode?: 'array' | undefined;
  readonly types?: unknown;
}

/** What a statement returned. */
export interface StatementResult<R> extends QueryResult<R> {
  /** First word of the server's command tag: `SELECT`, `INSERT`, `COMMIT`. */
  readonly command: string;
  /** The client library's own result, where the statement asked for it. */
  readonly native?: unknown;
}

/** Hears what a server says unasked. */
export interface SessionListener {
  told(event: 'notification' | 'notice', message: unknown): void;
  /** The session is over. */
  lost(error: Error): void;
}

/**
 * What a statement is to the room: where it may run, and what it leaves behind.
 *
 * - `read`: any server may be asked. `write`: the primary; also everything that is not understood.
 * - `begin`, `commit`, `rollback`: bounds of a transaction.
 * - `session`: changes the session's own state, or needs it.
 */
export type StatementKind = 'read' | 'write' | 'begin' | 'commit' | 'rollback' | 'session';

/** Tells statements apart; synchronous, asked for every statement. */
export interface StatementClassifier {
  kindOf(text: string): StatementKind;
  /** A server has refused this one as a write: it is one from now on. */
  learn(text: string): void;
}

/** What a server says about itself at one moment. */
export interface ServerReport extends Position {
  readonly role: Role;
  /**
   * Names one life of one server's postmaster: tells apart several servers behind one host name. What stands behind its last
   * space stays the same under another address of the same server.
   */
  readonly node: string;
  /** How far everything visible reaches at least: flushed on a primary, replayed on a replica. */
  readonly lsn: bigint;
}

/** What a read returned, and where its server stood behind it. */
export interface Observed<R> {
  readonly result: StatementResult<R>;
  /** How far the server had come: later reads on it see at least this. */
  readonly reached: bigint;
  /** Nothing that the read saw lies behind this. Other servers come to it without anything more being written. */
  readonly upTo: bigint;
}

/** A read, and what its server had said right before it. */
export interface Proven<R> {
  readonly result: StatementResult<R>;
  /** The server that served the read was there, at least. */
  readonly proof: ServerReport;
  /** As in {@link Observed}; undefined where nobody asked. */
  readonly upTo: bigint | undefined;
}

/** What an autocommitted write returned. */
export interface Written<R> {
  readonly result: StatementResult<R>;
  /** Reaches at least to the end of the commit; undefined when it was lost on the way although the write was not. */
  readonly position: Position | undefined;
}

/** How a transaction ended that Postgres has committed. */
export interface Committed {
  /** Whether it changed anything at all. */
  readonly wrote: boolean;
  /** As in {@link Written}; of a transaction that changed nothing, one behind everything that it saw. */
  readonly position: Position | undefined;
}

/** Names a transaction that has written something, to other sessions. */
export interface TransactionId extends History {
  readonly xid: string;
  /** How long the server has kept count of its transactions: after a crash it may give the same number to another one. */
  readonly life: string;
}

/** What became of a transaction; `unknown` where the server cannot tell, or is of another history. */
export type TransactionFate = 'committed' | 'aborted' | 'running' | 'unknown';

/**
 * One session on one server, used by one borrower at a time.
 *
 * Statements run in the order in which they were handed over, whether awaited or not. A statement's
 * promise rejects with
 * - the server's own error, whose `code` is the SQLSTATE: the statement had no effect, the session goes on;
 * - `ConnectionLostError`: the session is over, and whether the statement had an effect is unknown;
 * - the signal's reason: the server confirmed that the statement was cancelled, without effect. When the
 *   server finished the statement first, its outcome is returned; when it confirms neither in time, the
 *   session is cut and the rejection is a `ConnectionLostError` with that reason as its cause.
 */
export interface Connection {
  /** What the server said when the session began. */
  readonly greeting: ServerReport;
  /** Connections that the server has for sessions like this one; undefined: unknown, or a pooler stands before it. */
  readonly capacity: number | undefined;
  /** Whether a pooler stands before the server: what is set in the session may meet anybody. */
  readonly isPooled: boolean;
  /** False as soon as the session is known to be over. */
  readonly isOpen: boolean;
  /** Whether everything is answered, no transaction is open and no cancellation is on its way: fit for the next borrower. */
  readonly isIdle: boolean;

  /** Asks the server how far it is *now*: what it answers was true before any later statement of any session began. */
  report(options?: Signalled): Promise<ServerReport>;
  query<R>(statement: Statement, options?: Signalled): Promise<StatementResult<R>>;
  /** Runs a read, and learns in the same round trip how much of the log it can have seen. */
  observe<R>(statement: Statement, options?: Signalled): Promise<Observed<R>>;
  /**
   * Runs a read right behind the question how far its server is, both on one server and in one round trip: where a session
   * may be carried on by another server with every transaction, nothing that was known before says anything.
   */
  prove<R>(
    statement: Statement,
    options?: Signalled & { readonly isObserved?: boolean | undefined },
  ): Promise<Proven<R>>;
  /** Runs a statement in a transaction of its own and learns the position behind its commit in the same round trip. */
  write<R>(statement: Statement, options?: Signalled): Promise<Written<R>>;
  /** A position that everything acknowledged before the call lies behind; on a primary. */
  position(options?: Signalled): Promise<Position>;

  begin(options: Pick<TransactionOptions, 'isolation' | 'readOnly'>): Promise<void>;
  /**
   * Commits, with a last statement that costs no round trip of its own. Rejects with `TransactionRolledBackError` when the
   * server rolled back instead; its cause is the error of that statement, if that was the reason.
   */
  commit(last?: Statement): Promise<Committed>;
  /** Cancels what runs, then rolls back. */
  rollback(): Promise<void>;
  /** The transaction that is open, or was last; `'none'` when it has written nothing, undefined while that is not known. */
  readonly transactionId: TransactionId | 'none' | undefined;
  /** What became of a transaction of another session; on a primary. */
  fateOf(id: TransactionId): Promise<TransactionFate>;

  /** From now on this listener, and no other, hears what the server says unasked. */
  listen(listener: SessionListener): Disposable;
  /** Forgets what statements have changed in the session: settings, temporary tables, locks, cursors. Not in a transaction. */
  reset(): Promise<void>;
  /** Resolves, within a bound, when {@link Connection.isIdle} can be trusted: an error may be known before its statement has ended. */
  settle(): Promise<void>;
  /** Takes leave of the server. Never rejects. */
  close(): Promise<void>;
  /** Cuts the session off at once. */
  destroy(): void;
}

/** How a connection is made. */
export interface ConnectOptions extends Signalled {
  /** Called once when the session ends and neither `close` nor `destroy` was called; before any statement rejects for that. */
  readonly onLost: (cause: unknown) => void;
}

/** One server of the cluster. */
export interface Backend {
  /** `host:port/database`; never holds credentials. */
  readonly label: string;
  /** Opens a session, within a bound. Rejects with what the network or the server said, or with the signal's reason. */
  connect(options: ConnectOptions): Promise<Connection>;
}

/** Why a connection is borrowed: `spill`, reads that no replica could serve, gets at most half of a pool. */
export type Lane = 'main' | 'spill';

/** Who is served first where several wait for a connection. */
export type Urgency = 'write' | 'read' | 'batch';

/** How a connection is borrowed. */
export interface AcquireOptions extends Signalled {
  readonly lane: Lane;
  /** @defaultValue `'write'` */
  readonly urgency?: Urgency | undefined;
  /** Bounds the wait below the pool's own limit. */
  readonly timeoutMs?: number | undefined;
  /** Does not wait for a primary while there is none: for what others can do without. */
  readonly isOptional?: boolean | undefined;
  /** Is told which server lends a connection, and after what wait. */
  readonly trail?: Trail | undefined;
}

/** A borrowed connection. */
export interface Lease {
  readonly connection: Connection;
  /** Monotonic instant at which the session had begun. */
  readonly connectedAt: number;
  /** What the server last said *on this session*. */
  readonly proof: ServerReport;
  /** Asks again on this session, and remembers it. */
  prove(options?: Signalled): Promise<ServerReport>;
  /** What ran has changed the session: it is reset before anybody else gets it, or closed where that is of no use. */
  sessionChanged(): void;
  /** Gives the connection back; the pool keeps or closes it. Exactly once. */
  release(): void;
}

/** A bounded set of connections to one server. */
export interface Pool {
  readonly inUse: number;
  readonly idle: number;
  readonly waiting: number;
  /** How long who has waited longest has waited; 0 where nobody waits. */
  readonly waitedMs: number;
  /**
   * Borrows a connection; who waits is served by urgency, then in order of arrival.
   *
   * Rejects with `PoolOverloadedError` when too many wait or the wait is over, with
   * `DatabaseUnreachableError` at once when the server refuses connections, with the signal's reason on abort.
   */
  acquire(options: AcquireOptions): Promise<Lease>;
  /** The server has been reached by other means: refusals are over. */
  reachable(): void;
  /** The server has been found silent: cuts off every session, whoever uses it; statements on them reject with `ConnectionLostError`. */
  sever(): void;
  /** Resolves when nothing is borrowed. */
  unused(options?: Signalled): Promise<void>;
  /** Refuses new borrowers, waits until the signal for the present ones, then cuts them off. Idempotent; never rejects. */
  close(options?: Signalled): Promise<void>;
}

/** Gives statements a span each, where somebody records them. */
export interface StatementSpans {
  /** Undefined where nobody does. */
  begin(text: string, shapes: StatementShapes): StatementSpan | undefined;
}

/** The span of one statement. */
export interface StatementSpan {
  end(trail: Trail, rowCount: number | undefined, error: unknown): void;
}

/** What a pool tells its owner, and asks of it. */
export interface PoolHooks {
  /** A session that the pool had opened ended without its doing. */
  onLost(cause: unknown): void;
  /** What is wrong with a session that greeted so, if anything. */
  objection(greeting: ServerReport): Error | undefined;
}

/** The table in which effects stand until they are carried out, as statements for connections of the primary. */
export interface OutboxTable {
  /** For messages. */
  readonly name: string;
  /** Makes sure that the table is there and may be used; makes it where it may. Rejects with `OutboxUnavailableError`. */
  prepare(connection: Connection): Promise<void>;
  insert(id: string, effects: string): Statement;
  /** Returns rows `{ id }`, locked ones too, the oldest first and at most so many. */
  list(limit: number): Statement;
  /** Returns a row `{ id }` for each of the ids that is there, locked or not. */
  find(ids: readonly string[]): Statement;
  /**
   * Returns one row `{ effects, isOld }` and locks it until the end of the transaction; none where it is gone or locked by
   * another. It is old when its events may not be published any more.
   */
  lock(id: string): Statement;
  /** Replaces what a row says. */
  update(id: string, effects: string): Statement;
  remove(ids: readonly string[]): Statement;
}

/** The row in which the ids of a shard are counted. */
export interface TickTable {
  /**
   * Takes so many ticks in a row, each later than all that anybody has taken and not behind the server's clock; resolves with the
   * first. On a connection of the primary, outside of a transaction. Makes the table where it is missing; rejects with
   * `IdsUnavailableError` where that is not allowed.
   */
  take(connection: Connection, count: number): Promise<bigint>;
}

/** Makes what the room needs for one server. */
export interface DatabaseDriver {
  /** Knows the language of its servers. */
  readonly classifier: StatementClassifier;
  /** Throws `PandoOptionsError` for an address that cannot be read. */
  backend(server: ResolvedServer): Backend;
  pool(backend: Backend, role: Role, hooks: PoolHooks): Pool;
  outbox(backend: Backend, options: ResolvedOutboxOptions): OutboxTable;
  ticks(backend: Backend): TickTable;
}
