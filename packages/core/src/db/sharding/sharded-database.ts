import type { Signalled } from '../../kernel/abort.js';
import type { Kernel } from '../../kernel/kernel.js';
import type { Check, CheckResult } from '../../kernel/room.js';
import type { Database, QueryResult, Row, ScatterOptions, Topology } from '../api.js';
import { DatabaseUnreachableError } from '../errors.js';
import type { PgPool } from '../pool-api.js';
import { isLastingRefusal, sqlStateOf } from '../sql-state.js';
import type { ScatterResult, ShardKey } from './api.js';
import { ShardKeyRequiredError } from './errors.js';
import type { Shards } from './shards.js';

/** What a sharded database consists of. */
export interface ShardedDatabaseParts {
  /** By name of the shard. */
  readonly databases: ReadonlyMap<string, Database>;
  readonly shards: Shards;
  readonly kernel: Kernel;
}

/** Several databases as one: each call goes to the one that its key belongs to, or to all of them. */
export class ShardedDatabase implements Database {
  readonly name = 'db';
  readonly #databases: ReadonlyMap<string, Database>;
  readonly #shards: Shards;
  readonly #kernel: Kernel;
  #starting: Promise<void> | undefined;

  constructor({ databases, shards, kernel }: ShardedDatabaseParts) {
    this.#databases = databases;
    this.#shards = shards;
    this.#kernel = kernel;
  }

  get pool(): PgPool {
    throw new ShardKeyRequiredError('pool');
  }

  query<R = Row>(): Promise<QueryResult<R>> {
    return Promise.reject(new ShardKeyRequiredError('query'));
  }

  sql<R = Row>(): Promise<QueryResult<R>> {
    return Promise.reject(new ShardKeyRequiredError('sql'));
  }

  read<R = Row>(): Promise<QueryResult<R>> {
    return Promise.reject(new ShardKeyRequiredError('read'));
  }

  write<R = Row>(): Promise<QueryResult<R>> {
    return Promise.reject(new ShardKeyRequiredError('write'));
  }

  transaction<T>(): Promise<T> {
    return Promise.reject(new ShardKeyRequiredError('transaction'));
  }

  shard(key: ShardKey): Database {
    return this.#shards.of(key);
  }

  scatter<R = Row>(
    sql: string,
    params?: readonly unknown[],
    options?: ScatterOptions,
  ): Promise<ScatterResult<R>> {
    return this.#shards.scatter<R>(sql, params, options);
  }

  newId(key: ShardKey, options?: Signalled): Promise<string> {
    return this.#shards.newId(key, options);
  }

  /** The least well of the primaries, all replicas, and each shard's own. */
  topology(): Topology {
    const shards = this.#all.map((database) => database.topology());
    const first = shards.find(({ primary }) => primary.state !== 'up') ?? (shards[0] as Topology);
    return { ...first, shard: undefined, replicas: shards.flatMap(({ replicas }) => replicas), shards };
  }

  /** One shard that is away keeps nobody from the others; it is reached at the first call that is for it. */
  start(options: Signalled = {}): Promise<void> {
    this.#starting ??= this.#start(options).catch((error) => {
      this.#starting = undefined;
      throw error;
    });
    return this.#starting;
  }

  async drain(options: Signalled = {}): Promise<void> {
    await Promise.all(this.#all.map((database) => database.drain(options)));
  }

  async close(): Promise<void> {
    await Promise.all(this.#all.map((database) => database.close()));
    this.#shards.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  checks(): readonly Check[] {
    const [first] = this.#all;
    return (first?.checks() ?? []).map((check) => ({
      ...check,
      run: (options) => this.#check(check.name, options),
    }));
  }

  get #all(): readonly Database[] {
    return [...this.#databases.values()];
  }

  async #start(options: Signalled): Promise<void> {
    const names = [...this.#databases.keys()];
    const starts = await Promise.allSettled(this.#all.map((database) => database.start(options)));
    const errors = starts.flatMap((start) => (start.status === 'rejected' ? [start.reason] : []));
    const lasting = errors.find((error) => !isPassing(error));
    if (lasting !== undefined || errors.length === starts.length) throw lasting ?? errors[0];
    for (const [index, start] of starts.entries()) {
      if (start.status === 'rejected')
        this.#kernel.logger.error({ shard: names[index], err: start.reason }, 'shard not reached at start');
    }
  }

  /** The instance serves as long as one shard does. */
  async #check(name: string, options: { readonly signal: AbortSignal }): Promise<CheckResult> {
    const found = await Promise.all(
      [...this.#databases].map(async ([shard, database]) => {
        const check = database.checks().find((one) => one.name === name) as Check;
        return { shard, ...(await check.run(options)) };
      }),
    );
    const unwell = found.filter(({ status }) => status !== 'healthy');
    if (unwell.length === 0) return { status: 'healthy' };
    const detail = unwell
      .map(({ shard, status, detail: why }) => `shard ${shard} is ${status}: ${why}`)
      .join('; ');
    const common = found[0]?.status ?? 'degraded';
    return { status: found.every(({ status }) => status === common) ? common : 'degraded', detail };
  }
}

/** Whether the shard may well be there later: not wrong credentials, nor an outbox that may not be used. */
function isPassing(error: unknown): boolean {
  return error instanceof DatabaseUnreachableError && !isLastingRefusal(sqlStateOf(error.cause));
}
