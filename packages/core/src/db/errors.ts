import { messageOf, PandoError } from '../kernel/errors.js';

/** A server cannot be reached, or refuses connections. */
export class DatabaseUnreachableError extends PandoError {
  constructor(message: string, cause: unknown) {
    super({ code: 'PANDO_DB_UNREACHABLE', message, cause, retryable: true, status: 503 });
  }
}

/** No connection became free in time, or too many callers wait for one already. */
export class PoolOverloadedError extends PandoError {
  constructor(message: string) {
    super({ code: 'PANDO_DB_POOL_OVERLOADED', message, retryable: true, status: 503 });
  }
}

/** A connection ended while it was in use, and nothing that was sent on it can have had an effect that lasts. */
export class ConnectionLostError extends PandoError {
  constructor(server: string, cause: unknown) {
    super({
      code: 'PANDO_DB_CONNECTION_LOST',
      message: `The connection to ${server} was lost: ${messageOf(cause)}. Nothing was committed; the call may be repeated.`,
      cause,
      retryable: true,
      status: 503,
    });
  }
}

/** The connection ended between sending a write or COMMIT and its answer: Postgres may have carried it out or not. */
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

/** Postgres answered COMMIT with ROLLBACK, because a statement of the transaction had failed before. */
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

/** A transaction was used after its callback had ended. */
export class TransactionEndedError extends PandoError {
  constructor() {
    super({
      code: 'PANDO_DB_TRANSACTION_ENDED',
      message: 'The transaction has ended. Await everything that uses it before its callback returns.',
    });
  }
}

/** `transaction` was called inside a transaction. */
export class NestedTransactionError extends PandoError {
  constructor() {
    super({
      code: 'PANDO_DB_NESTED_TRANSACTION',
      message:
        'db.transaction was called inside a transaction: the inner one would need a second connection and commit on its own. ' +
        'Hand the outer `tx` on and use tx.query.',
    });
  }
}

/** A transaction asked for effects, and nobody is there to carry them out. */
export class EffectsUnavailableError extends PandoError {
  constructor(method: 'invalidate' | 'publish') {
    super({
      code: 'PANDO_DB_EFFECTS_UNAVAILABLE',
      message: `tx.${method} needs the cache and realtime rooms of a kit. Create the database with createPando, or give createDatabase an effects runner.`,
    });
  }
}

/** A server is not what it is configured as: a primary that is in recovery or was replaced, a promoted replica, a stranger. */
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
