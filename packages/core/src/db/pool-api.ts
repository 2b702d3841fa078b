/** How columns become values; `pg.types` is one. */
export interface PoolTypes {
  // As loose as the declaration in `pg`: any of its variants fits.
  getTypeParser(id: number, format?: 'text' | 'binary'): (value: never) => unknown;
}

/** A statement as `pg` takes it. */
export interface PoolQueryConfig {
  readonly text: string;
  readonly values?: readonly unknown[] | undefined;
  /** Not needed, and without effect: statements that come again and again are prepared by themselves. */
  readonly name?: string | undefined;
  /** `'array'` returns rows as arrays of their columns. */
  readonly rowMode?: 'array' | undefined;
  readonly types?: PoolTypes | undefined;
}

/** One column of a result. */
export interface PoolField {
  readonly name: string;
  readonly tableID: number;
  readonly columnID: number;
  readonly dataTypeID: number;
  readonly dataTypeSize: number;
  readonly dataTypeModifier: number;
  readonly format: string;
}

/** What a statement returned, as `pg` gives it. */
export interface PoolQueryResult<R = Record<string, unknown>> {
  command: string;
  rowCount: number | null;
  oid: number;
  rows: R[];
  fields: PoolField[];
}

/** Called once: with an error, or with the outcome. */
export type PoolCallback<T> = (error: Error | undefined, outcome?: T) => void;

/** What runs statements. */
export interface PoolQueryable {
  query<R = Record<string, unknown>>(
    query: string | PoolQueryConfig,
    values?: readonly unknown[],
  ): Promise<PoolQueryResult<R>>;
  query<R = Record<string, unknown>>(
    query: string | PoolQueryConfig,
    callback: PoolCallback<PoolQueryResult<R>>,
  ): void;
  query<R = Record<string, unknown>>(
    query: string | PoolQueryConfig,
    values: readonly unknown[] | undefined,
    callback: PoolCallback<PoolQueryResult<R>>,
  ): void;
  /** @throws PoolMisuseError always: it is declared because the libraries' types ask for it. */
  query<T extends { readonly submit: unknown }>(cursor: T): T;
}

/** What a server says unasked: a notification (`channel`, `payload`), or a notice (`message`). */
export interface PoolMessage {
  readonly channel?: string | undefined;
  readonly payload?: string | undefined;
  readonly message?: string | undefined;
}

/** A client that was borrowed from {@link PgPool}; holds a connection only while it needs one. */
export interface PgPoolClient extends PoolQueryable {
  /** Gives it back: what is left of a transaction is rolled back, what was changed in the session is reset. */
  release(error?: Error | boolean): void;
  /** Notifications and notices reach a client that has changed its session (`listen`) or has a transaction open. */
  on(event: 'notification' | 'notice', listener: (message: PoolMessage) => void): this;
  /** The connection that it holds was lost; its next statement rejects. */
  on(event: 'error', listener: (error: Error) => void): this;
  off(event: 'notification' | 'notice', listener: (message: PoolMessage) => void): this;
  off(event: 'error', listener: (error: Error) => void): this;
}

/**
 * The database in the shape of a `pg.Pool`, for Kysely, Drizzle, Knex and whatever else takes one.
 *
 * A statement outside a transaction runs as `db.query` would run it. From BEGIN to COMMIT or ROLLBACK a client stays on one
 * connection of the primary; after a statement that changes the session (`set`, `listen`, `prepare`, temporary tables, advisory
 * locks, `declare`, `copy`) it stays there until `release()`, and the session is reset then. Acknowledged writes and commits move the
 * context's token; they invalidate and publish nothing.
 *
 * Other than in `pg`, COMMIT of a transaction in which a statement has failed rejects with `TransactionRolledBackError` instead of
 * resolving, and a write whose answer is lost with `OutcomeUnknownError`. The event `connect` never comes, since clients have no
 * connection of their own; cursors and streams are refused.
 */
export interface PgPool extends PoolQueryable {
  /** Connections to all servers. */
  readonly totalCount: number;
  readonly idleCount: number;
  readonly waitingCount: number;
  readonly ending: boolean;
  readonly ended: boolean;
  /** Resolves at once: a connection is borrowed when the client needs one. */
  connect(): Promise<PgPoolClient>;
  connect(
    callback: (
      error: Error | undefined,
      client: PgPoolClient | undefined,
      done: (error?: Error | boolean) => void,
    ) => void,
  ): void;
  /** Refuses further use, and resolves when every client is released. The database stays open: its owner closes it. */
  end(): Promise<void>;
  end(callback: () => void): void;
  on(event: 'acquire', listener: (client: PgPoolClient) => void): this;
  on(event: 'error' | 'release', listener: (error: Error, client: PgPoolClient) => void): this;
  off(event: 'acquire', listener: (client: PgPoolClient) => void): this;
  off(event: 'error' | 'release', listener: (error: Error, client: PgPoolClient) => void): this;
}
