import { EventEmitter } from 'node:events';
import { ClosedError } from '../../kernel/errors.js';
import { PoolMisuseError } from '../errors.js';
import type { PoolCallback } from '../pool-api.js';
import type { Statement, StatementResult } from '../ports.js';
import { answer, nativeResult, readCall } from './pool-call.js';
import { type ClientHost, PooledClient } from './pooled-client.js';

/** What the pool needs of the database. */
export interface PoolHost extends ClientHost {
  write(statement: Statement): Promise<StatementResult<unknown>>;
  /** Of all servers together. */
  counts(): { readonly inUse: number; readonly idle: number; readonly waiting: number };
}

/**
 * The database in the shape of a `pg.Pool`, for libraries that take one.
 *
 * Its name ends in `Pool`: that is how some of them tell a pool from a client.
 */
export class RoutedPgPool extends EventEmitter {
  readonly #host: PoolHost;
  readonly #clients = new Set<PooledClient>();
  #ending: Promise<void> | undefined;
  #allReleased: (() => void) | undefined;

  constructor(host: PoolHost) {
    super();
    this.#host = host;
  }

  get totalCount(): number {
    const { inUse, idle } = this.#host.counts();
    return inUse + idle;
  }

  get idleCount(): number {
    return this.#host.counts().idle;
  }

  get waitingCount(): number {
    return this.#host.counts().waiting;
  }

  get ending(): boolean {
    return this.#ending !== undefined;
  }

  get ended(): boolean {
    return this.#ending !== undefined && this.#clients.size === 0;
  }

  connect(callback?: (error: Error | undefined, client?: PooledClient, done?: () => void) => void): unknown {
    if (this.#ending) return answer(Promise.reject(new ClosedError('db.pool')), callback);
    const client = this.#client();
    if (callback === undefined) return Promise.resolve(client);
    setImmediate(callback, undefined, client, (error?: Error | boolean) => client.release(error));
    return undefined;
  }

  query(query: unknown, values?: unknown, callback?: unknown): unknown {
    const call = readCall(query, values, callback);
    return answer(this.#run(call.statement), call.callback);
  }

  /** Resolves when every client is released. The database itself stays open: whoever opened it closes it. */
  end(callback?: PoolCallback<void>): Promise<void> | undefined {
    if (this.#ending)
      return answer(
        Promise.reject(new PoolMisuseError('db.pool was ended twice. Let one owner end it.')),
        callback,
      );
    this.#ending = new Promise((resolve) => {
      if (this.#clients.size === 0) resolve();
      else this.#allReleased = resolve;
    });
    return answer(this.#ending, callback);
  }

  async #run(statement: Statement): Promise<unknown> {
    if (this.#ending) throw new ClosedError('db.pool');
    const kind = this.#host.kindOf(statement.text);
    if (kind === 'read') return nativeResult(this.#host.read(statement));
    if (kind === 'write') return nativeResult(this.#host.write(statement));
    // For a statement alone: what it leaves in the session must not meet the next one.
    const client = this.#client();
    try {
      return await client.query(statement.text, statement.params);
    } finally {
      client.release();
    }
  }

  #client(): PooledClient {
    const client = new PooledClient(this.#host, (client, error) => this.#released(client, error));
    this.#clients.add(client);
    this.emit('acquire', client);
    return client;
  }

  #released(client: PooledClient, error: unknown): void {
    this.#clients.delete(client);
    this.emit('release', error, client);
    if (this.#clients.size === 0) this.#allReleased?.();
  }
}
