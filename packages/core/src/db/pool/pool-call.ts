import { PoolMisuseError } from '../errors.js';
import type { PoolCallback, PoolQueryConfig } from '../pool-api.js';
import type { Statement, StatementResult } from '../ports.js';

/** A call in any of the forms that `pg` takes: text or config, then values, then a callback. */
export interface PoolCall {
  readonly statement: Statement;
  readonly callback: PoolCallback<unknown> | undefined;
}

/** Reads the arguments of a query. Throws where they are none. */
export function readCall(query: unknown, second?: unknown, third?: unknown): PoolCall {
  if (typeof query !== 'string' && (typeof query !== 'object' || query === null)) {
    throw new PoolMisuseError('A query on db.pool must be a text, or an object with a text.');
  }
  if (typeof query === 'object' && 'submit' in query) {
    throw new PoolMisuseError(
      'db.pool takes no cursors and no streams. Fetch in portions, by key, or read with a pg.Client of your own.',
    );
  }
  const { text, values, rowMode, types } = typeof query === 'string' ? { text: query } : (query as Config);
  if (typeof text !== 'string')
    throw new PoolMisuseError('A query on db.pool must be a text, or an object with a text.');
  const given = typeof second === 'function' ? undefined : second;
  const callback = typeof second === 'function' ? second : third;
  return {
    statement: {
      text,
      params: (given ?? values ?? []) as readonly unknown[],
      // Without `name`: statements are prepared by themselves where that is of use, behind a pooler too.
      native: { ...(rowMode === undefined ? {} : { rowMode }), ...(types === undefined ? {} : { types }) },
    },
    callback: typeof callback === 'function' ? (callback as PoolCallback<unknown>) : undefined,
  };
}

type Config = Partial<PoolQueryConfig>;

/** Answers in the form that was asked for: a callback, or a promise. */
export function answer<T>(work: Promise<T>, callback: PoolCallback<T> | undefined): Promise<T> | undefined {
  if (callback === undefined) return work;
  // From a turn of its own: what the callback throws is no rejection of the work.
  work.then(
    (value) => setImmediate(callback, undefined, value),
    (error: unknown) => setImmediate(callback, error as Error, undefined),
  );
  return undefined;
}

/** The result as the client library gave it, fields and all. */
export async function nativeResult(result: Promise<StatementResult<unknown>>): Promise<unknown> {
  const { native } = await result;
  return native;
}

/** What COMMIT returns. */
export const commitResult = Object.freeze({
  command: 'COMMIT',
  rowCount: null,
  oid: null,
  rows: [],
  fields: [],
});
