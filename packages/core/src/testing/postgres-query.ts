import { Socket } from 'node:net';
import pg from 'pg';
import type { Signalled } from '../kernel/abort.js';

/** A row as Postgres sent it, column names as keys. */
export type Row = Record<string, unknown>;

/** Runs `work` with a connection of its own that is closed afterwards, or cut when the signal aborts. */
export async function withConnection<T>(
  url: string,
  work: (client: pg.Client) => Promise<T>,
  { signal }: Signalled = {},
): Promise<T> {
  signal?.throwIfAborted();
  const socket = new Socket();
  const client = new pg.Client({
    connectionString: url,
    stream: () => socket,
    connectionTimeoutMillis: 10_000,
  });
  client.on('error', () => undefined); // the pending query rejects with it
  const cut = () => socket.destroy();
  signal?.addEventListener('abort', cut, { once: true });
  try {
    await client.connect();
    const result = await work(client);
    await client.end();
    return result;
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  } finally {
    signal?.removeEventListener('abort', cut);
    socket.destroy();
  }
}

/** Runs one statement on a connection of its own and returns its rows. */
export async function queryOnce(
  url: string,
  text: string,
  values: readonly unknown[] = [],
  options: Signalled = {},
): Promise<Row[]> {
  return withConnection(url, async (client) => (await client.query<Row>(text, [...values])).rows, options);
}
