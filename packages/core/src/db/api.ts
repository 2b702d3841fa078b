import type { Signalled } from '../kernel/abort.js';
import type { Priority } from '../kernel/context.js';
import type { Room } from '../kernel/room.js';
import type { Token } from '../kernel/token.js';
import type { PgPool } from './pool-api.js';
import type { GatherOptions, ScatterResult, ShardKey } from './sharding/api.js';

/** One row as Postgres returns it, by column name. */
export type Row = Record<string, unknown>;

/** What a statement returned. */
export interface QueryResult<R = Row> {
  readonly rows: R[];
  /** Rows returned or changed; 0 for statements that count nothing. */
  readonly rowCount: number;
}

/**
 * How fresh a read must be.
 *
 * - `eventual`: any replica in rotation, at most `maxLagMs` behind.
 * - `causal`: a server that has everything the caller's token names, so the caller's own writes too.
 * - `monotonic`: as `causal`, and the token then names what was read: later reads under it never go back behind this one.
 *   Costs a second, small statement in the same round trip.
 * - `strong`: the primary.
 */
export type ReadLevel = 'eventual' | 'causal' | 'monotonic' | 'strong';

/** Options of every call. */
export interface CallOptions extends Signalled {
  /**
   * `'batch'` lets others go first while connections are short: for jobs that nobody waits for. Writes and transactions
   * come before reads, and reads before these; nobody is passed for longer than `db.pool.acquireTimeoutMs` allows.
   * @defaultValue that of the context, normally `'normal'`
   */
  readonly priority?: Priority | undefined;
  /**
   * How long the call may take, waiting included. What runs by then is cancelled on the server, a transaction is rolled
   * back, and the call rejects with `StatementTimeoutError`. @defaultValue as long as `db.statementTimeoutMs` allows
   */
  readonly timeoutMs?: number | undefined;
}

/** Options of one read. */
export interface ReadOptions extends CallOptions {
  /** @defaultValue `db.level`, which is `'causal'` unless set */
  readonly level?: ReadLevel | undefined;
}

/** Options of one statement; `level` matters if it turns out to read. */
export interface QueryOptions extends ReadOptions {}

/** Options of one question to all shards; what they have in common with a read holds for each shard. */
export interface ScatterOptions extends ReadOptions, GatherOptions {}

/** Options of one transaction. */
export interface TransactionOptions extends CallOptions {
  /** @defaultValue the server's, normally `'read committed'` */
  readonly isolation?: 'read committed' | 'repeatable read' | 'serializable' | undefined;
  /** Lets Postgres refuse writes. @defaultValue `false` */
  readonly readOnly?: boolean | undefined;
  /**
   * How often `work` runs again when the transaction fell victim to a conflict (40001, 40P01) or to a lost connection, and nothing
   * was committed. Its effects outside the transaction are repeated with it. Bounded by the request's deadline, and to a tenth of
   * all transactions. @defaultValue `0`
   */
  readonly retry?: number | undefined;
}

/** What a handler of an effect is told beside the payload. */
export interface EffectCall {
  /** The same for every attempt at this effect, and for no other effect. */
  readonly id: string;
  /** What the transaction wrote; reads of the handler cover it. */
  readonly token: Token;
  /** Aborts when the time is over after which another instance tries, and when the database closes. */
  readonly signal: AbortSignal;
}

/** Carries out one kind of effect of the app's own; at least once for each, so that it must bear repetition. */
export type EffectHandler = (payload: unknown, call: EffectCall) => void | Promise<void>;

/** Handlers by the name that `tx.effect` calls them. */
export type EffectHandlers = Readonly<Record<string, EffectHandler>>;

/** Options of one event of a transaction. */
export interface EventOptions {
  /**
   * Whether it is held until nobody is behind the transaction, for clients that return no token: see `afterAll` of
   * `realtime.publish`. The transaction resolves after that. @defaultValue `false`
   */
  readonly afterAll?: boolean | undefined;
}

/** An open transaction; usable until the callback that received it has ended. */
export interface Transaction {
  /** Runs one statement in the transaction. Rejects with the server's error; the transaction can only be rolled back then. */
  query<R = Row>(sql: string, params?: readonly unknown[]): Promise<QueryResult<R>>;
  /**
   * Runs a part that may fail alone, behind a savepoint: when `work` rejects, what it did is rolled back, its effects are dropped, and the
   * transaction goes on. One at a time; until it has ended, statements go through the `tx` that `work` gets.
   *
   * @throws TransactionBusyError while another one is open.
   */
  transaction<T>(work: (tx: Transaction) => Promise<T>): Promise<T>;
  /**
   * Has everything cached under these tags invalidated once the transaction has committed.
   *
   * @throws EffectsUnavailableError at once where no kit carries effects out; EffectNameError for what is none.
   */
  invalidate(tags: readonly string[]): void;
  /**
   * Has everything cached under these tags expire once the transaction has committed: values that may be stale are served
   * while they are replaced, as after `cache.expire`, but not to whoever has seen the transaction. A tag that is invalidated
   * in the same transaction as well is invalidated.
   *
   * @throws EffectsUnavailableError at once where no kit carries effects out; EffectNameError for what is none.
   */
  expire(tags: readonly string[]): void;
  /**
   * Has an event published once the transaction has committed and its tags are invalidated and expired.
   *
   * @throws EffectsUnavailableError at once where no kit carries effects out; EffectNameError for what is none.
   */
  publish(channel: string, event: unknown, options?: EventOptions): void;
  /**
   * Has the handler `db.effects[name]` called once the transaction has committed and its events are published, with the
   * payload as JSON carries it. The transaction does not wait for it. What fails, or dies with its process, is tried again.
   *
   * @throws EffectUnknownError at once where `db.effects` has no such handler.
   */
  effect(name: string, payload?: unknown): void;
}

/**
 * Whether a server is used.
 *
 * - `up`: in rotation. `warming`: back in rotation, with a growing share.
 * - `lagging`: reachable, too far behind. `down`: cannot be reached, or is not what it is configured as.
 */
export type ServerState = 'up' | 'warming' | 'lagging' | 'down';

/** One server as this instance sees it now. */
export interface ServerStatus {
  /** `host:port/database`. */
  readonly name: string;
  readonly role: 'primary' | 'replica';
  readonly state: ServerState;
  /** Why it is not up. */
  readonly reason?: string | undefined;
  readonly timeline?: number | undefined;
  /** How far it had come when it was last asked, in Postgres' notation: flushed on a primary, replayed on a replica. */
  readonly lsn?: string | undefined;
  /** How far a replica is behind, as far as known. */
  readonly lagMs?: number | undefined;
  /** How much of the primary's log it has not replayed yet, as of the last looks at both. */
  readonly lagBytes?: number | undefined;
  /** Connections in use. */
  readonly inUse: number;
  readonly idle: number;
  /** Callers that wait for a connection. */
  readonly waiting: number;
}

/** The servers of one database as this instance sees them now. */
export interface Topology {
  /** Name of the shard, `main` where there are none; undefined for all shards together. */
  readonly shard: string | undefined;
  /** Postgres' system identifier; undefined until the primary was reached. */
  readonly system?: string | undefined;
  readonly timeline?: number | undefined;
  readonly primary: ServerStatus;
  readonly replicas: readonly ServerStatus[];
  /** Each shard's own, where there are several; `primary` is then the one that is least well, and `replicas` are all. */
  readonly shards?: readonly Topology[] | undefined;
}

/**
 * One Postgres primary and its streaming replicas as one database: reads go to replicas and still see the caller's own writes.
 *
 * Every acknowledged write moves the token of the running context; a causal read is served by a replica
 * only when that replica is known to have replayed the token, else by the primary. It is never stale in silence.
 *
 * Errors of a statement are the server's own (`code` is the SQLSTATE); conditions of the connection,
 * the pool or the cluster are `PandoError`s.
 */
export interface Database extends Room {
  /**
   * Runs one statement where it belongs: as {@link Database.read} if its text says that it only reads, else as
   * {@link Database.write}, with their guarantees.
   *
   * Comments, strings and quoted names do not confuse it, and what it does not understand goes to the primary. A function
   * can write without its name saying so: a replica refuses that, the primary runs it, and the text is remembered.
   * Name such functions in `db.primaryFunctions` to spare the detour. What changes the session (`set`, `listen`,
   * `prepare`, advisory locks) goes to the primary and is gone with the statement: the connection is reset before others
   * use it.
   */
  query<R = Row>(sql: string, params?: readonly unknown[], options?: QueryOptions): Promise<QueryResult<R>>;
  /**
   * The same as {@link Database.query}, as a template tag: ``sql`select * from posts where id = ${id}` ``. Values become
   * parameters, never part of the text.
   */
  sql<R = Row>(strings: TemplateStringsArray, ...values: readonly unknown[]): Promise<QueryResult<R>>;
  /**
   * Runs one statement that only reads.
   *
   * A replica that refuses it as a write makes it run on the primary as one. When a server or its
   * connection fails, the read runs again elsewhere; without another server it rejects.
   */
  read<R = Row>(sql: string, params?: readonly unknown[], options?: ReadOptions): Promise<QueryResult<R>>;
  /**
   * Runs one statement on the primary, in a transaction of its own, and moves the context's token.
   *
   * Never runs twice. When the connection is lost before the answer it rejects with `OutcomeUnknownError`.
   * An abort cancels the statement; when it had already finished, its result is returned.
   */
  write<R = Row>(sql: string, params?: readonly unknown[], options?: CallOptions): Promise<QueryResult<R>>;
  /**
   * Runs `work` in one transaction on the primary: COMMIT when it resolves, ROLLBACK when it rejects.
   *
   * After COMMIT its effects are carried out and the context's token moves, then it resolves. While
   * `work` runs, reads of the same context through this database go to the primary and are outside the
   * transaction. An abort before COMMIT rolls back; after that it has no influence. When the answer to COMMIT is lost, the
   * database is asked what became of it: it rejects with `OutcomeUnknownError` only if that cannot be told.
   */
  transaction<T>(work: (tx: Transaction) => Promise<T>, options?: TransactionOptions): Promise<T>;
  /** The same database in the shape of a `pg.Pool`, for query builders and ORMs. */
  readonly pool: PgPool;
  /**
   * The part of the database that a key belongs to; all of it where there are no `db.shards`. Costs a hash; nothing is asked.
   *
   * A transaction is on one shard: statements for another one inside of it are refused with `CrossShardError`.
   *
   * @throws InvalidShardKeyError for what is no key, or an id that `newId` has not made.
   *
   * @example
   * ```ts
   * const postId = await pando.db.newId(authorId); // lies where the author lies
   * await pando.db.shard(authorId).write('insert into posts (id, author_id) values ($1, $2)', [postId, authorId]);
   * const { rows } = await pando.db.shard({ id: postId }).read('select * from posts where id = $1', [postId]);
   * ```
   */
  shard(key: ShardKey): Database;
  /**
   * Asks every shard the same and makes one answer of theirs: a statement that only reads, one `select` without `order by` and
   * `limit`, which `options` say instead.
   *
   * Each shard sends the rows that can be in the answer, in order; they are merged as Postgres would have ordered them.
   * Each shard answers as of its own moment; reads cover the caller's own writes as ever. When a shard cannot answer, it
   * rejects with that shard's error, or with what `onPartial` allows, says who is missing. All rows of the answer are held in memory.
   *
   * @throws ScatterTimeoutError, ScatterMergeError, InvalidPageError
   */
  scatter<R = Row>(
    sql: string,
    params?: readonly unknown[],
    options?: ScatterOptions,
  ): Promise<ScatterResult<R>>;
  /**
   * Makes an id for a row that lies with this key: unique, growing with time, a bigint for Postgres, as text as `pg` reads
   * one. It carries its slot, so that `db.shard({ id })` finds the row.
   *
   * Some ids cost a round trip to the shard's primary, which counts them in the table `pando_ids`; it is made at the first
   * one. Ask before a transaction begins: inside, it needs a second connection.
   *
   * @throws IdsUnavailableError where that table is missing and cannot be made.
   */
  newId(key: ShardKey, options?: Signalled): Promise<string>;
  topology(): Topology;
}
