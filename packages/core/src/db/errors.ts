import { messageOf, PandoError } from '../kernel/errors.js';

/**
 * A server cannot be reached, or refuses connections. At start it means that the primary was not ready within
 * `db.startTimeoutMs`.
 *
 * Start Postgres there, or correct host, credentials or database name in the option that the message names. `cause` is
 * what the driver said. Later calls connect anew by themselves.
 */
export class DatabaseUnreachableError extends PandoError {
  constructor(message: string, cause: unknown) {
    super({ code: 'PANDO_DB_UNREACHABLE', message, cause, retryable: true, status: 503 });
  }
}

/** How many wait for a connection; and how long one of them has, that gives up now. */
export interface PoolPressure {
  readonly waiting: number;
  readonly waitedMs: number | undefined;
}

/**
 * No server takes writes: none is there, the ones that are have been replaced or are replicas, or two claim to be the primary. Calls that need one
 * have waited for `db.failoverWaitMs`; nothing of this one was sent.
 *
 * Repeat it later. Promote a replica, or start the primary. Where two servers claim the part, stop the one that must not have it and
 * rebuild it as a replica.
 */
export class NoPrimaryError extends PandoError {
  private constructor(what: string, cause?: unknown) {
    super({ code: 'PANDO_DB_NO_PRIMARY', message: what, cause, retryable: true, status: 503 });
  }

  static late(waitedMs: number, cause: unknown): NoPrimaryError {
    return new NoPrimaryError(
      `No database server took writes within ${waitedMs} ms: ${messageOf(cause)}`,
      cause,
    );
  }

  static crowded(waiting: number, cause: unknown): NoPrimaryError {
    return new NoPrimaryError(
      `No database server takes writes, and ${waiting} calls wait for one already: ${messageOf(cause)}`,
      cause,
    );
  }

  static contested(servers: readonly string[], timeline: number): NoPrimaryError {
    return new NoPrimaryError(
      `${servers.join(' and ')} both say that they are the primary, on timeline ${timeline}: neither is used. Stop the one that must not ` +
        'take writes, and rebuild it as a replica.',
    );
  }
}

/**
 * No connection became free within `db.pool.acquireTimeoutMs`, or `db.pool.maxWaiting` callers wait for one already.
 *
 * Shorten queries and transactions first, then raise `db.pool.size` if Postgres has room, or shed load earlier with a
 * limit. See docs/how-to/size-pools.md.
 */
export class PoolOverloadedError extends PandoError {
  constructor(connections: string, { waiting, waitedMs }: PoolPressure) {
    const what =
      waitedMs !== undefined
        ? `None of the ${connections} became free within ${waitedMs} ms`
        : `${waiting} ${waiting === 1 ? 'request already waits' : 'requests already wait'} for one of the ${connections}`;
    super({
      code: 'PANDO_DB_POOL_OVERLOADED',
      message: `${what}. Raise db.pool.size, shorten queries, or shed load earlier (see docs/how-to/size-pools.md).`,
      retryable: true,
      status: 503,
    });
  }
}

/**
 * A connection ended while it was in use, and nothing that was sent on it can have had an effect that lasts.
 *
 * Repeat the call; it is safe. Reads were already repeated once on another server where the promise allowed it.
 */
export class ConnectionLostError extends PandoError {
  /** `host:port/database`. */
  readonly server: string;

  constructor(server: string, cause: unknown) {
    super({
      code: 'PANDO_DB_CONNECTION_LOST',
      message: `The connection to ${server} was lost: ${messageOf(cause)}. Nothing was committed; the call may be repeated.`,
      cause,
      retryable: true,
      status: 503,
    });
    this.server = server;
  }
}

/**
 * The connection ended between sending a write or COMMIT and its answer: Postgres may have carried it out or not. For a
 * COMMIT the database was asked afterwards, and nobody could tell any more.
 *
 * Look whether it took effect before repeating it, or make it idempotent: a unique key of the request's own does. This
 * is never retried by Pando.
 */
export class OutcomeUnknownError extends PandoError {
  constructor(what: string, server: string, cause: unknown) {
    super({
      code: 'PANDO_DB_OUTCOME_UNKNOWN',
      message: `${what} on ${server} may or may not have taken effect: ${messageOf(cause)}. Look before repeating it, or make it idempotent.`,
      cause,
      status: 500,
    });
  }
}

/**
 * A call took longer than its own `timeoutMs`. Its statement was cancelled and had no effect, its transaction was rolled
 * back.
 *
 * Look at the slow statements in the log, which name what they waited for. Shorten the statement, or allow more time.
 */
export class StatementTimeoutError extends PandoError {
  constructor(operation: 'read' | 'write' | 'transaction', timeoutMs: number) {
    super({
      code: 'PANDO_DB_TIMEOUT',
      message: `A ${operation} took longer than its timeoutMs of ${timeoutMs} ms, and was cancelled. Shorten it, or allow more time.`,
      retryable: true,
      status: 504,
    });
  }
}

/**
 * Postgres answered COMMIT with ROLLBACK, because a statement of the transaction had failed before.
 *
 * Let the error of a failed statement leave the callback instead of catching it. `cause` is that error; use a
 * savepoint for what may fail.
 */
export class TransactionRolledBackError extends PandoError {
  constructor(cause: unknown) {
    const why = cause === undefined ? 'one of its statements had failed' : messageOf(cause);
    super({
      code: 'PANDO_DB_ROLLED_BACK',
      message: `The transaction was rolled back instead of committed: ${why}. Let the error of a failed statement leave the callback.`,
      cause,
    });
  }
}

/**
 * A transaction was used after its callback had ended.
 *
 * Await everything that uses `tx` before the callback returns: look for a missing `await`, or for `tx` kept in a timer
 * or listener.
 */
export class TransactionEndedError extends PandoError {
  constructor() {
    super({
      code: 'PANDO_DB_TRANSACTION_ENDED',
      message: 'The transaction has ended. Await everything that uses it before its callback returns.',
    });
  }
}

/**
 * A statement, a second savepoint or COMMIT came while a savepoint of the transaction was open: rolled back with it, it would be
 * lost in silence.
 *
 * In the callback of `tx.transaction` use the `tx` that it gets, await the call, and open one savepoint after the other.
 */
export class TransactionBusyError extends PandoError {
  constructor() {
    super({
      code: 'PANDO_DB_TRANSACTION_BUSY',
      message:
        'A savepoint of the transaction is open. In the callback of tx.transaction use the tx that it gets, await the call, ' +
        'and open one savepoint after the other.',
    });
  }
}

/**
 * `db.transaction` was called inside a transaction: the inner one would need a second connection and commit on its
 * own.
 *
 * Hand the outer `tx` on as an argument and use `tx.query`; or `tx.transaction`, for a part that may be rolled back alone.
 */
export class NestedTransactionError extends PandoError {
  constructor() {
    super({
      code: 'PANDO_DB_NESTED_TRANSACTION',
      message:
        'db.transaction was called inside a transaction: the inner one would need a second connection and commit on its own. ' +
        'Hand the outer `tx` on and use tx.query, or tx.transaction for a part that may be rolled back alone.',
    });
  }
}

/**
 * A transaction asked for `tx.invalidate`, `tx.expire` or `tx.publish`, and nobody is there to carry it out.
 *
 * Create the database with `createPando`, or give `createDatabase` an effects runner.
 */
export class EffectsUnavailableError extends PandoError {
  constructor(method: 'invalidate' | 'expire' | 'publish') {
    super({
      code: 'PANDO_DB_EFFECTS_UNAVAILABLE',
      message: `tx.${method} needs the cache and realtime rooms of a kit. Create the database with createPando, or give createDatabase an effects runner.`,
    });
  }
}

/**
 * A transaction names a tag or a channel that cannot be one. Thrown at once, while the transaction can still be rolled back:
 * after the commit nothing could be done about it.
 *
 * Tags have 1 to 512 characters, channels 1 to 255 of `A-Z a-z 0-9 _ : . - /`. Look for a missing id in what is empty.
 */
export class EffectNameError extends PandoError {
  constructor(method: 'invalidate' | 'expire' | 'publish', name: unknown) {
    const shown = typeof name === 'string' ? JSON.stringify(name.slice(0, 80)) : typeof name;
    const expected =
      method === 'publish'
        ? 'a channel of 1 to 255 of the characters A-Z a-z 0-9 _ : . - /'
        : 'tags of 1 to 512 characters';
    super({ code: 'PANDO_DB_EFFECT_NAME', message: `tx.${method} takes ${expected}, got ${shown}.` });
  }
}

/**
 * `db.pool` was called in a way that it does not support: no text to run, a cursor or stream, a client released twice, a
 * pool ended twice.
 *
 * Correct the call that the message names. Instead of a cursor, which speaks to a connection behind the back of its owner,
 * fetch in portions, by key (`where id > $1 order by id limit 1000`), or read with a `pg.Client` of your own.
 */
export class PoolMisuseError extends PandoError {
  constructor(message: string) {
    super({ code: 'PANDO_DB_POOL_MISUSE', message });
  }
}

/**
 * A client asked for a page that there cannot be: `limit`, `page` or `skip` is no such number, or a cursor was changed, or
 * is of another list or order.
 *
 * It is an answer: 400, and the message says what to send. Clients begin anew without a cursor when the order of a list
 * has changed with a release.
 */
export class InvalidPageError extends PandoError {
  constructor(message: string) {
    super({ code: 'PANDO_DB_INVALID_PAGE', message, status: 400 });
  }
}

/**
 * A transaction asked for `tx.effect` with a name that no handler has.
 *
 * Add the handler to `db.effects`, on every instance: any of them may have to carry it out.
 */
export class EffectUnknownError extends PandoError {
  constructor(name: string, known: readonly string[]) {
    const handlers = known.length === 0 ? 'It has none.' : `It has ${known.join(', ')}.`;
    super({
      code: 'PANDO_DB_EFFECT_UNKNOWN',
      message: `tx.effect: db.effects has no handler "${name}". ${handlers} Add it on every instance: any may have to carry it out.`,
    });
  }
}

/**
 * The table in which the effects of transactions outlive their process is missing or may not be used. At start nothing is
 * served; a transaction with effects was rolled back.
 *
 * Run `migrations/outbox.sql` of the package as a role that may create tables, and grant select, insert, update and delete
 * on `pando_outbox` to the role of the app. Or set `db.outbox` to `false`: effects then end with their process.
 */
export class OutboxUnavailableError extends PandoError {
  constructor(server: string, table: string, cause: unknown) {
    super({
      code: 'PANDO_DB_OUTBOX_UNAVAILABLE',
      message:
        `The outbox ${table} on ${server} cannot be used: ${messageOf(cause)}. Run migrations/outbox.sql of @pando/core as a role that may ` +
        'create tables, grant select, insert, update and delete on it to this one, or set db.outbox to false.',
      cause,
      status: 500,
    });
  }
}

/**
 * A server is not what it is configured as: a primary that is in recovery or was replaced, a promoted replica, a
 * stranger.
 *
 * After a failover rebuild the old primary as a replica, and name the server that takes writes now in `db.primary` or `db.replicas`.
 * Until then the server gets no traffic.
 */
export class WrongRoleError extends PandoError {
  constructor(server: string, expected: 'primary' | 'replica', finding?: string) {
    const [usual, hint] =
      expected === 'primary'
        ? ['it is in recovery', 'Promote it, or point db.primary at the server that takes writes.']
        : ['it is not in recovery', 'Rebuild it as a replica, or take it out of db.replicas.'];
    super({
      code: 'PANDO_DB_WRONG_ROLE',
      message: `${server} cannot be used as ${expected}: ${finding ?? usual}. ${hint}`,
      retryable: true,
      status: 503,
    });
  }
}
