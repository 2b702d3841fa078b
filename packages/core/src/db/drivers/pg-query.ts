import pg from 'pg';
import type { NativeShape, StatementResult } from '../ports.js';
import { sqlStateOf } from '../sql-state.js';

/** How a statement travels, and in which shape its rows come back. */
export interface StatementForm extends NativeShape {
  /** Name under which the server keeps it prepared. */
  readonly name?: string | undefined;
}

/** Called once: with the failure, or with the result (an array of them for several statements in one text). */
export type Answered = (error: unknown, result: pg.QueryResult) => void;

/**
 * A statement for the client's queue.
 *
 * What the client makes of a plain object costs more than sending it: it copies every property with its descriptor (3.6
 * of 70 microseconds that a read by primary key took here), and wraps two promises around the callback.
 */
export function pgQuery(
  text: string,
  values: readonly unknown[] | undefined,
  { name, rowMode, types }: StatementForm,
  answered: Answered,
): pg.Query {
  const callback = answered as unknown as (error: Error | undefined, result: pg.ResultBuilder) => void;
  if (rowMode !== undefined || types !== undefined) {
    const config = { text, values: values as unknown[], name, rowMode, types };
    return new pg.Query(config as pg.QueryConfig, callback);
  }
  const query: pg.Query & { name?: string } = new pg.Query(text, values as unknown[] | undefined, callback);
  if (name !== undefined) query.name = name;
  return query;
}

/** Several statements in one text have several results; the last one counts, as in psql. */
export function shapeOf<R>(
  answer: pg.QueryResult | pg.QueryResult[],
  native?: NativeShape | undefined,
): StatementResult<R> {
  const result = Array.isArray(answer) ? (answer.at(-1) as pg.QueryResult) : answer;
  const { rows, rowCount, command } = result;
  const shaped = { rows: rows as R[], rowCount: rowCount ?? 0, command: command ?? '' };
  return native === undefined ? shaped : { ...shaped, native: answer };
}

/** The form of a statement that runs under this name, if any. */
export function formOf(native: NativeShape | undefined, name: string | undefined): StatementForm {
  return native === undefined ? { name } : { ...native, name };
}

/** The client makes its errors where it reads the socket: their stack tells nothing of the statement's way there. */
export function traced(error: unknown): unknown {
  if (error instanceof Error && sqlStateOf(error) !== undefined) Error.captureStackTrace(error);
  return error;
}

/** Statements that are handed over together leave with one system call, which costs more than all the rest. */
export function inOnePacket<T extends readonly Promise<unknown>[]>(
  { connection: { stream } }: pg.Client,
  send: () => readonly [...T],
): readonly [...T] {
  stream.cork();
  try {
    return send();
  } finally {
    stream.uncork();
  }
}
