import { deadline, type Signalled, shared } from '../kernel/abort.js';
import type { Clock } from '../kernel/clock.js';
import type { RequestContext } from '../kernel/context.js';
import type { EffectsRunner } from '../kernel/effects.js';
import { ClosedError } from '../kernel/errors.js';
import type { AddedSource, Histories } from '../kernel/histories.js';
import type { Kernel } from '../kernel/kernel.js';
import type { Laggards } from '../kernel/laggards.js';
import type { Ledgers } from '../kernel/ledger.js';
import type { Check } from '../kernel/room.js';
import { dbToken } from '../kernel/token.js';
import type {
  CallOptions,
  Database,
  QueryOptions,
  QueryResult,
  ReadLevel,
  ReadOptions,
  Row,
  ScatterOptions,
  Topology,
  Transaction,
  TransactionOptions,
} from './api.js';
import { checksOf } from './checks.js';
import { Cluster } from './cluster.js';
import { LostCommits } from './lost-commits.js';
import { databaseDefaults, type ResolvedDatabaseOptions } from './options.js';
import { AfterCommit } from './outbox/after-commit.js';
import { type PoolHost, RoutedPgPool } from './pool/pg-pool.js';
import type { PgPool } from './pool-api.js';
import type {
  DatabaseDriver,
  Statement,
  StatementClassifier,
  StatementResult,
  StatementSpans,
} from './ports.js';
import type { Position } from './position.js';
import { Reads } from './reads.js';
import { Repeats } from './repeats.js';
import { needOf } from './router.js';
import { type DatabaseRules, soundRules } from './rules.js';
import type { ScatterResult, ShardKey } from './sharding/api.js';
import { assertOneShard } from './sharding/one-shard.js';
import { Shards } from './sharding/shards.js';
import { Ticks } from './sharding/ticks.js';
import { SqlTemplates } from './sql-templates.js';
import { StatementWatch } from './statement-watch.js';
import type { Trail } from './trail.js';
import { trailingReplicas } from './trailing-replicas.js';
import { Transactions } from './transactions.js';
import { urgencyOf } from './urgency.js';
import { Writes } from './writes.js';

/** What the room is built from. */
export interface DatabaseParts {
  readonly driver: DatabaseDriver;
  readonly kernel: Kernel;
  readonly effects?: EffectsRunner | undefined;
  readonly ledgers?: Ledgers | undefined;
  readonly histories?: Histories | undefined;
  readonly laggards?: Laggards | undefined;
  readonly spans?: StatementSpans | undefined;
  /** Tests put broken ones in their place, to see that they notice. */
  readonly rules?: Partial<DatabaseRules> | undefined;
  /** What this is a part of; undefined: it is all there is. */
  readonly shards?: Shards | undefined;
}

/** Command tags of statements that change nothing. */
const readingCommands: ReadonlySet<string> = new Set(['SELECT', 'SHOW', 'EXPLAIN', 'FETCH', '']);

/** The database room: decides which server serves what, and what that proves; does no I/O of its own. */
export class DatabaseRoom implements Database {
  readonly name = 'db';
  readonly #options: ResolvedDatabaseOptions;
  /** Its name in tokens, and as part of a whole. */
  readonly #shards: Shards;
  readonly #kernel: Kernel;
  readonly #clock: Clock;
  readonly #classifier: StatementClassifier;
  readonly #templates = new SqlTemplates();
  readonly #cluster: Cluster;
  readonly #reads: Reads;
  readonly #writes: Writes;
  readonly #lostCommits: LostCommits;
  readonly #afterCommit: AfterCommit;
  readonly #source: AddedSource | undefined;
  readonly #added: readonly (Disposable | undefined)[];
  readonly #transactions: Transactions;
  readonly pool: PgPool;
  readonly #watch: StatementWatch;
  #starting: Promise<void> | undefined;
  #isStarted = false;
  #closing: Promise<void> | undefined;

  constructor(options: ResolvedDatabaseOptions, parts: DatabaseParts) {
    const { kernel, effects } = parts;
    const rules = { ...soundRules, ...parts.rules };
    const { provenRead, needsInlineProof, upperBound, createReplica } = rules;
    const driver = rules.driver(parts.driver);
    const { clock, meter, contexts } = kernel;
    const { shard } = options;
    this.#options = options;
    this.#kernel = kernel;
    this.#clock = clock;
    this.#classifier = driver.classifier;
    this.#watch = new StatementWatch({ ...options, kernel, spans: parts.spans });
    const branched = () => this.#source?.changed();
    const cluster = new Cluster({ options, driver, kernel, createReplica, branched });
    const { primary, watch } = cluster;
    this.#cluster = cluster;
    this.#reads = new Reads({
      primary,
      replicas: () => cluster.replicas,
      watch,
      replicaWaitMs: options.replicaWaitMs,
      clock,
      meter,
      provenRead,
      needsInlineProof,
      upperBound,
    });
    this.#writes = new Writes(primary, meter);
    this.#lostCommits = new LostCommits({
      primary,
      writes: this.#writes,
      clock,
      meter,
      waitMs: options.failoverWaitMs,
    });
    const hasEffects = effects !== undefined;
    const handlers = options.effects;
    const { takeoverMs, pollIntervalMs } = options.outbox || databaseDefaults.outbox;
    const isKept = options.outbox !== false && (hasEffects || Object.keys(handlers).length > 0);
    this.#afterCommit = new AfterCommit({
      shard,
      kernel,
      pool: primary.pool,
      table: options.outbox && isKept ? driver.outbox(primary.backend, options.outbox) : undefined,
      runner: effects,
      handlers,
      takeoverMs,
      pollIntervalMs,
      ready: () => this.start(),
      rules,
    });
    this.#source = parts.histories?.add({
      shard,
      get history() {
        return primary.history;
      },
      position: async (within) => ({ shard, ...(await this.#writes.position(within)) }),
    });
    const ledger = this.#afterCommit.ledger && parts.ledgers?.add(this.#afterCommit.ledger);
    this.#added = [ledger, this.#source, parts.laggards?.add(trailingReplicas(shard, cluster))];
    this.#transactions = new Transactions({
      shard,
      primary,
      writes: this.#writes,
      lostCommits: this.#lostCommits,
      contexts,
      afterCommit: this.#afterCommit,
      hasEffects,
      handlers,
      classifier: driver.classifier,
      watch: this.#watch,
      repeats: new Repeats(clock, meter),
      isObserved: isObserved(options.level, options.level),
    });
    const ticks = new Ticks({ pool: primary.pool, table: driver.ticks(primary.backend), clock });
    this.#shards = parts.shards ?? new Shards(options, kernel);
    this.#shards.add({ name: shard, database: this, ticks });
    // Its methods take and return what `pg` does, in every form: that is more than a class can be declared to do.
    this.pool = new RoutedPgPool(this.#poolHost()) as unknown as PgPool;
  }

  query<R = Row>(sql: string, params?: readonly unknown[], options?: QueryOptions): Promise<QueryResult<R>> {
    return this.#classifier.kindOf(sql) === 'read'
      ? this.read(sql, params, options)
      : this.write(sql, params, options);
  }

  async sql<R = Row>(strings: TemplateStringsArray, ...values: readonly unknown[]): Promise<QueryResult<R>> {
    return this.query(this.#templates.textOf(strings), values);
  }

  read<R = Row>(
    sql: string,
    params: readonly unknown[] = [],
    options: ReadOptions = {},
  ): Promise<QueryResult<R>> {
    // A replica would do what makes no sense there: a lock that nobody else respects.
    if (this.#classifier.kindOf(sql) === 'session') return this.write(sql, params, options);
    return this.#reading({ text: sql, params }, options);
  }

  write<R = Row>(
    sql: string,
    params: readonly unknown[] = [],
    options: CallOptions = {},
  ): Promise<QueryResult<R>> {
    return this.#writing({ text: sql, params }, options);
  }

  transaction<T>(work: (tx: Transaction) => Promise<T>, options: TransactionOptions = {}): Promise<T> {
    if (!this.#isStarted) return this.start().then(() => this.transaction(work, options));
    return this.#watch.transaction(options, async (within) => {
      const context = this.#kernel.contexts.current();
      assertOneShard(context, this.#options.shard);
      this.#cluster.heed(context.token, this.#options.shard);
      return this.#transactions.run(work, within, this.#timeLeft(context));
    });
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

  topology(): Topology {
    return this.#cluster.topology();
  }

  start(options: Signalled = {}): Promise<void> {
    if (this.#closing) return Promise.reject(new ClosedError('The database'));
    this.#starting ??= this.#start(options).catch((error) => {
      this.#starting = undefined;
      throw error;
    });
    return this.#starting;
  }

  async drain(options: Signalled = {}): Promise<void> {
    await this.#cluster.unused(options);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  checks(): readonly Check[] {
    return checksOf(this.#cluster, this.#options.pool, this.#clock);
  }

  /** A read under the eyes of who measures. */
  #reading<R>(statement: Statement, options: ReadOptions): Promise<StatementResult<R>> {
    if (!this.#isStarted) return this.start().then(() => this.#reading(statement, options));
    return this.#watch.alone('read', statement, options, (within, trail) =>
      this.#read<R>(statement, within, trail),
    );
  }

  #writing<R>(statement: Statement, options: CallOptions): Promise<StatementResult<R>> {
    if (!this.#isStarted) return this.start().then(() => this.#writing(statement, options));
    const run = (within: CallOptions, trail: Trail) => this.#write<R>(statement, within, trail);
    return this.#watch.alone('write', statement, options, run);
  }

  async #read<R>(statement: Statement, options: ReadOptions, trail: Trail): Promise<StatementResult<R>> {
    const { level = this.#options.level, signal } = options;
    const { contexts } = this.#kernel;
    const context = contexts.current();
    assertOneShard(context, this.#options.shard);
    const limits = {
      urgency: urgencyOf('read', options, context),
      signal: signal === undefined ? this.#patienceOf(context) : shared(signal),
      timeoutMs: this.#timeLeft(context),
      trail,
      isObserved: isObserved(level, this.#options.level),
    };
    const reader = { level, token: context.token, inTransaction: context.inTransaction };
    const need = needOf(reader, this.#options.shard, this.#cluster.primary.history);
    if (need.from === 'primary' && need.reason === 'foreign')
      this.#cluster.heed(context.token, this.#options.shard);
    const outcome = await this.#reads.run<R>(statement, need, limits);
    if (outcome.kind === 'writes') {
      const result = await this.#write<R>(statement, options, trail);
      this.#classifier.learn(statement.text);
      return result;
    }
    const { seen, upTo } = outcome;
    context.load?.noteRead({ shard: this.#options.shard, seen, upTo });
    if (upTo !== undefined) context.observe(dbToken({ shard: this.#options.shard, ...upTo }));
    // Declared as a read, and sent where it could write.
    if (seen === 'primary' && !readingCommands.has(outcome.result.command)) {
      this.#wrote(context, await this.#writes.positionBehind('A write'));
    }
    return outcome.result;
  }

  async #write<R>(statement: Statement, options: CallOptions, trail: Trail): Promise<StatementResult<R>> {
    trail.route = 'write';
    const context = this.#kernel.contexts.current();
    assertOneShard(context, this.#options.shard);
    this.#cluster.heed(context.token, this.#options.shard);
    const { result, position } = await this.#writes.run<R>(statement, {
      urgency: urgencyOf('write', options, context),
      changesSession: this.#classifier.kindOf(statement.text) === 'session',
      signal: shared(options.signal),
      timeoutMs: this.#timeLeft(context),
      trail,
    });
    const upTo = this.#options.level === 'monotonic' ? position : undefined;
    context.load?.noteRead({ shard: this.#options.shard, seen: 'primary', upTo });
    this.#wrote(context, position);
    return result;
  }

  /** What the facade runs on: each statement in the context of the code that asked for it. */
  #poolHost(): PoolHost {
    const context = () => this.#kernel.contexts.current();
    const writes = this.#writes;
    return {
      kindOf: (text) => this.#classifier.kindOf(text),
      read: (statement) => this.#reading(statement, {}),
      write: (statement) => this.#writing(statement, {}),
      inside: (statement, run) => this.#watch.inside(statement, this.#cluster.primary.label, run),
      borrow: async () => {
        if (!this.#isStarted) await this.start();
        assertOneShard(context(), this.#options.shard);
        const urgency = urgencyOf('write', {}, context());
        this.#cluster.heed(context().token, this.#options.shard);
        return this.#cluster.primary.pool.acquire({
          lane: 'main',
          urgency,
          timeoutMs: this.#timeLeft(context()),
        });
      },
      readPrimary: () => context().load?.noteRead({ shard: this.#options.shard, seen: 'primary' }),
      wrote: async (position) => {
        this.#wrote(context(), position ?? (await writes.positionBehind('A write')));
      },
      saw: (position) => {
        if (position !== undefined && this.#options.level === 'monotonic')
          context().observe(dbToken({ shard: this.#options.shard, ...position }));
      },
      outcomeUnknown: (what, error) => writes.outcomeUnknown(what, error),
      findCommit: (connection, error) => this.#lostCommits.find(connection, error),
      counts: () => this.#cluster.counts(),
    };
  }

  #wrote(context: RequestContext, position: Position): void {
    const token = dbToken({ shard: this.#options.shard, ...position });
    context.wrote(token);
    if (this.#options.level === 'monotonic') context.observe(token);
  }

  /** Nobody reads on behalf of a request whose client has left; the ambient context never ends. */
  #patienceOf({ signal }: RequestContext): AbortSignal | undefined {
    return this.#kernel.contexts.isOpen() ? signal : undefined;
  }

  #timeLeft({ deadlineAt }: RequestContext): number | undefined {
    return deadlineAt === undefined ? undefined : Math.max(0, deadlineAt - this.#clock.monotonic());
  }

  async #start(options: Signalled): Promise<void> {
    await this.#cluster.start(options, (limits) => this.#afterCommit.start(limits));
    if (this.#closing) throw new ClosedError('The database');
    this.#cluster.observe();
    this.#isStarted = true;
  }

  async #close(): Promise<void> {
    this.#isStarted = false;
    this.#cluster.primary.end();
    for (const one of this.#added) one?.[Symbol.dispose]();
    const { closeTimeoutMs } = this.#options;
    const limit = deadline(this.#clock, closeTimeoutMs, () => new Error('statements were still running'));
    await this.#cluster.primary.pool.unused({ signal: limit.signal }).catch(() => undefined);
    await this.#afterCommit.close({ signal: limit.signal });
    await this.#cluster.close({ signal: limit.signal });
    this.#shards.close();
    limit[Symbol.dispose]();
  }
}

/** Whether the token names what a read has seen: where later reads of this database must not go back behind it. */
function isObserved(level: ReadLevel, usual: ReadLevel): boolean {
  return level === 'monotonic' || (level === 'strong' && usual === 'monotonic');
}
