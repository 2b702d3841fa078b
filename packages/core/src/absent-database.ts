import type { Database } from './db/index.js';
import { PandoError } from './kernel/errors.js';

/**
 * A statement was sent through a kit that has no database.
 *
 * Give `createPando({ db: { primary: … } })` the URL of your Postgres.
 */
export class DatabaseNotConfiguredError extends PandoError {
  constructor() {
    super({
      code: 'PANDO_DB_NOT_CONFIGURED',
      message: 'This kit has no database. Give createPando({ db: { primary: … } }) the URL of your Postgres.',
      status: 500,
    });
  }
}

const refuse = (): Promise<never> => Promise.reject(new DatabaseNotConfiguredError());
const nothing = (): Promise<void> => Promise.resolve();

/** Stands where the database would be, so that code which never uses it needs no check. */
export const absentDatabase: Database = Object.freeze({
  name: 'db',
  query: refuse,
  sql: refuse,
  read: refuse,
  write: refuse,
  transaction: refuse,
  shard: () => {
    throw new DatabaseNotConfiguredError();
  },
  scatter: refuse,
  newId: refuse,
  get pool(): never {
    throw new DatabaseNotConfiguredError();
  },
  topology: () => {
    throw new DatabaseNotConfiguredError();
  },
  checks: () => [],
  start: nothing,
  drain: nothing,
  close: nothing,
  [Symbol.asyncDispose]: nothing,
});
