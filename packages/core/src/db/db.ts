import { setMaxListeners } from 'node:events';
import { deadline, type Signalled } from '../kernel/abort.js';
import { type Clock, sleep } from '../kernel/clock.js';
import type { RequestContext } from '../kernel/context.js';
import type { EffectsRunner } from '../kernel/effects.js';
import { ClosedError, messageOf } from '../kernel/errors.js';
import type { Kernel } from '../kernel/kernel.js';
import type { HistogramCell } from '../kernel/meter.js';
import type { Check, CheckResult } from '../kernel/room.js';
import { dbToken } from '../kernel/token.js';
import type {
  Database,
  QueryOptions,
  QueryResult,
  ReadOptions,
  Row,
  Topology,
  Transaction,
  TransactionOptions,
} from './api.js';
import { DatabaseUnreachableError, OutboxUnavailableError } from './errors.js';
import { databaseInstruments } from './metrics.js';
import { databaseDefaults, type ResolvedDatabaseOptions } from './options.js';
import { AfterCommit } from './outbox/after-commit.js';
import { type PoolHost, RoutedPgPool } from './pool/pg-pool.js';
import type { PgPool } from './pool-api.js';
import type { DatabaseDriver, Statement, StatementClassifier, StatementResult } from './ports.js';
import type { Position } from './position.js';
import { PositionWatch } from './position-watch.js';
import { Primary } from './primary.js';
import { provenRead } from './proven-read.js';
import { Reads } from './reads.js';
import { Replica } from './replica.js';
import { needOf } from './router.js';
import { isLastingRefusal, sqlStateOf } from './sql-state.js';
import { SqlTemplates } from './sql-templates.js';
import { Transactions } from './transactions.js';
import { Writes } from './writes.js';

/** What the room is built from. */
export interface DatabaseParts {
  readonly driver: DatabaseDriver;
  readonly kernel: Kernel;
  readonly effects?: EffectsRunner | undefined;
  /** Tests put broken ones in their place, to see that they notice. */
  readonly rules?: Partial<DatabaseRules> | undefined;
}

/** The decisions on which reads rest that must never be stale. */
export interface DatabaseRules {
  readonly provenRead: typeof provenRead;
  readonly createReplica: (...args: ConstructorParameters<typeof Replica>) => Replica;
}

const rules: DatabaseRules = { provenRead, createReplica: (...args) => new Replica(...args) };

/** There is one shard for now; tokens name it already. */
const shard = 'main';
const startRetryMs = 100;
/** Command tags of statements that change nothing. */
const readingCommands: ReadonlySet<string> = new Set(['SELECT', 'SHOW', 'EXPLAIN', 'FETCH', '']);

/** The database room: decides which server serves what, and what that proves; does no I/O of its own. */
export class DatabaseRoom implements Database {
  readonly name = 'db';
  readonly #options: ResolvedDatabaseOptions;
  readonly #kernel: Kernel;
  readonly #clock: Clock;
  readonly #classifier: StatementClassifier;
  readonly #templates = new SqlTemplates();
  readonly #primary: Primary;
  readonly #replicas: readonly Replica[];
  readonly #watch: PositionWatch;
  readonly #reads: Reads;
  readonly #writes: Writes;
  readonly #afterCommit: AfterCommit;
  readonly #transactions: Transactions;
  readonly #gauges: readonly Disposable[];
  readonly pool: PgPool;
  readonly #seconds: Readonly<Record<'read' | 'write' | 'transaction', HistogramCell>>;
  #starting: Promise<void> | undefined;
  #isStarted = false;
  #closing: Promise<void> | undefined;

  constructor(options: ResolvedDatabaseOptions, { driver, kernel, effects, rules: given }: DatabaseParts) {
    const { provenRead, createReplica } = { ...rules, ...given };
    const { clock, meter, contexts } = kernel;
    this.#options = options;
    this.#kernel = kernel;
    this.#clock = clock;
    this.#classifier = driver.classifier;
    const primary = new Primary(options, driver, kernel);
    // The first answer of any replica counts: a silent one must not hold up who waits for another.
    const ask = () =>
      Promise.any(replicas.filter((r) => r.isInRotation && !r.isStalled).map((r) => r.monitor.sample()));
    const watch = new PositionWatch(clock, ask);
    const parts = { primary, options, driver, kernel, moved: () => watch.moved() };
    const replicas: readonly Replica[] = options.replicas.map((server) => createReplica(server, parts));
    this.#primary = primary;
    this.#replicas = replicas;
    this.#watch = watch;
    this.#reads = new Reads({
      primary,
      replicas,
      watch,
      replicaWaitMs: options.replicaWaitMs,
      clock,
      meter,
      provenRead,
    });
    this.#writes = new Writes(primary, meter);
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
    });
    this.#transactions = new Transactions({
      shard,
      primary,
      writes: this.#writes,
      contexts,
      afterCommit: this.#afterCommit,
      hasEffects,
      handlers,
    });
    const seconds = (operation: string) =>
      meter.histogram(databaseInstruments.operationSeconds, { operation });
    this.#seconds = { read: seconds('read'), write: seconds('write'), transaction: seconds('transaction') };
    this.#gauges = this.#observe();
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

  async read<R = Row>(
    sql: string,
    params: readonly unknown[] = [],
    options: ReadOptions = {},
  ): Promise<QueryResult<R>> {
    if (!this.#isStarted) await this.start();
    return this.#timed('read', () => this.#read<R>({ text: sql, params }, options));
  }

  async write<R = Row>(
    sql: string,
    params: readonly unknown[] = [],
    options: Signalled = {},
  ): Promise<QueryResult<R>> {
    if (!this.#isStarted) await this.start();
    return this.#timed('write', () => this.#write<R>({ text: sql, params }, shared(options.signal)));
  }

  async transaction<T>(work: (tx: Transaction) => Promise<T>, options: TransactionOptions = {}): Promise<T> {
    if (!this.#isStarted) await this.start();
    const timeoutMs = this.#timeLeft(this.#kernel.contexts.current());
    return this.#timed('transaction', () => this.#transactions.run(work, options, timeoutMs));
  }

  topology(): Topology {
    return {
      system: this.#primary.history?.system,
      timeline: this.#primary.history?.timeline,
      primary: this.#primary.status(),
      replicas: this.#replicas.map((replica) => replica.status()),
    };
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
    await Promise.all(this.#servers.map(({ pool }) => pool.unused(options)));
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  checks(): readonly Check[] {
    return [{ name: 'database', critical: true, run: ({ signal }) => this.#check(signal) }];
  }

  get #servers(): readonly (Primary | Replica)[] {
    return [this.#primary, ...this.#replicas];
  }

  async #read<R>(
    statement: Statement,
    { level = 'causal', signal }: ReadOptions,
  ): Promise<StatementResult<R>> {
    const { contexts } = this.#kernel;
    const context = contexts.current();
    const limits = {
      // Nobody reads on behalf of a request whose client has left; the ambient context never ends.
      signal: shared(signal ?? (contexts.isOpen() ? context.signal : undefined)),
      timeoutMs: this.#timeLeft(context),
    };
    const reader = { level, token: context.token, inTransaction: context.inTransaction };
    const outcome = await this.#reads.run<R>(statement, needOf(reader, shard, this.#primary.history), limits);
    if (outcome.kind === 'writes') {
      const result = await this.#write<R>(statement, signal);
      this.#classifier.learn(statement.text);
      return result;
    }
    context.load?.noteRead({ shard, seen: outcome.seen });
    // Declared as a read, and sent where it could write.
    if (outcome.seen === 'primary' && !readingCommands.has(outcome.result.command)) {
      this.#wrote(context, await this.#writes.positionBehind('A write'));
    }
    return outcome.result;
  }

  async #write<R>(statement: Statement, signal: AbortSignal | undefined): Promise<StatementResult<R>> {
    const context = this.#kernel.contexts.current();
    const { result, position } = await this.#writes.run<R>(statement, {
      signal,
      timeoutMs: this.#timeLeft(context),
    });
    context.load?.noteRead({ shard, seen: 'primary' });
    this.#wrote(context, position);
    return result;
  }

  /** What the facade runs on: each statement in the context of the code that asked for it. */
  #poolHost(): PoolHost {
    const context = () => this.#kernel.contexts.current();
    const writes = this.#writes;
    return {
      kindOf: (text) => this.#classifier.kindOf(text),
      read: async (statement) => {
        if (!this.#isStarted) await this.start();
        return this.#timed('read', () => this.#read(statement, {}));
      },
      write: async (statement) => {
        if (!this.#isStarted) await this.start();
        return this.#timed('write', () => this.#write(statement, undefined));
      },
      borrow: async () => {
        if (!this.#isStarted) await this.start();
        return this.#primary.pool.acquire({ lane: 'main', timeoutMs: this.#timeLeft(context()) });
      },
      readPrimary: () => context().load?.noteRead({ shard, seen: 'primary' }),
      wrote: async (position) => {
        this.#wrote(context(), position ?? (await writes.positionBehind('A write')));
      },
      outcomeUnknown: (what, error) => writes.outcomeUnknown(what, error),
      counts: () => {
        const counts = { inUse: 0, idle: 0, waiting: 0 };
        for (const { pool } of this.#servers) {
          counts.inUse += pool.inUse;
          counts.idle += pool.idle;
          counts.waiting += pool.waiting;
        }
        return counts;
      },
    };
  }

  #wrote(context: RequestContext, position: Position): void {
    context.wrote(dbToken({ shard, ...position }));
  }

  #timeLeft({ deadlineAt }: RequestContext): number | undefined {
    return deadlineAt === undefined ? undefined : Math.max(0, deadlineAt - this.#clock.monotonic());
  }

  async #timed<T>(operation: 'read' | 'write' | 'transaction', run: () => Promise<T>): Promise<T> {
    const began = this.#clock.monotonic();
    try {
      return await run();
    } finally {
      this.#seconds[operation].record((this.#clock.monotonic() - began) / 1_000);
    }
  }

  async #start({ signal }: Signalled): Promise<void> {
    const { startTimeoutMs } = this.#options;
    const late = () => new Error(`no answer within ${startTimeoutMs} ms`);
    const limit = deadline(this.#clock, startTimeoutMs, late, signal);
    // Between two attempts nothing else is pending, and timers of the clock let a process end: it would, without a word.
    const awake = setInterval(() => undefined, startTimeoutMs);
    try {
      await this.#reachPrimary(limit.signal);
      const looks = this.#replicas.map((replica) => replica.monitor.sample({ signal: limit.signal }));
      await Promise.allSettled(looks); // a replica that is away is out of rotation, no more
      await this.#afterCommit.start({ signal: limit.signal });
    } catch (error) {
      if (error instanceof OutboxUnavailableError) throw error;
      throw signal?.aborted ? signal.reason : this.#unreachable(error);
    } finally {
      clearInterval(awake);
      limit[Symbol.dispose]();
    }
    if (this.#closing) throw new ClosedError('The database');
    for (const { monitor } of this.#servers) monitor.start();
    this.#isStarted = true;
  }

  /** Tries until the signal: servers that are started together are not ready together. */
  async #reachPrimary(signal: AbortSignal): Promise<void> {
    let last: unknown;
    for (;;) {
      try {
        await this.#primary.monitor.sample({ signal });
        if (this.#primary.isUp) return;
        last = this.#primary.failure;
      } catch (error) {
        if (signal.aborted) throw last ?? error;
        last = error;
        if (isLastingRefusal(sqlStateOf(error))) throw error;
      }
      await sleep(this.#clock, startRetryMs, { signal }).catch(() => {
        throw last;
      });
    }
  }

  #unreachable(cause: unknown): DatabaseUnreachableError {
    const hint = isLastingRefusal(sqlStateOf(cause))
      ? 'Correct the credentials or the name of the database in db.primary.'
      : 'Start Postgres there, or correct db.primary.';
    const what = `cannot use the primary database ${this.#primary.label}`;
    return new DatabaseUnreachableError(`${what}: ${messageOf(cause).replaceAll('\n', ' ')}. ${hint}`, cause);
  }

  async #close(): Promise<void> {
    this.#isStarted = false;
    const { closeTimeoutMs } = this.#options;
    const limit = deadline(this.#clock, closeTimeoutMs, () => new Error('statements were still running'));
    await this.#primary.pool.unused({ signal: limit.signal }).catch(() => undefined);
    await this.#afterCommit.close({ signal: limit.signal });
    await Promise.all(this.#servers.map(({ pool }) => pool.close({ signal: limit.signal })));
    limit[Symbol.dispose]();
    this.#watch.close();
    await Promise.all(this.#servers.map((server) => server.close()));
    for (const gauge of this.#gauges) gauge[Symbol.dispose]();
  }

  async #check(signal: AbortSignal): Promise<CheckResult> {
    await this.#primary.monitor.sample({ signal }).catch(() => undefined);
    signal.throwIfAborted();
    if (!this.#primary.isUp) return { status: 'unhealthy', detail: this.#primary.reason };
    const missing = this.#replicas
      .filter((replica) => !replica.isInRotation)
      .map((replica) => replica.status());
    if (missing.length === 0) return { status: 'healthy' };
    const detail = missing
      .map(({ name, state, reason }) => `replica ${name} is ${state}: ${reason}`)
      .join('; ');
    return { status: 'degraded', detail };
  }

  #observe(): readonly Disposable[] {
    const { meter } = this.#kernel;
    const { serverUp, lagSeconds } = databaseInstruments;
    const primary = this.#primary;
    return [
      meter.observe(serverUp, () => Number(primary.isUp), { server: primary.label, role: 'primary' }),
      ...this.#replicas.flatMap((replica) => [
        meter.observe(serverUp, () => Number(replica.isInRotation), {
          server: replica.label,
          role: 'replica',
        }),
        meter.observe(lagSeconds, () => (replica.lagMs ?? Number.NaN) / 1_000, { server: replica.label }),
      ]),
    ];
  }
}

/** Any number of statements may wait for one signal; Node would take more than ten for a leak. */
function shared(signal: AbortSignal | undefined): AbortSignal | undefined {
  if (signal !== undefined) setMaxListeners(0, signal);
  return signal;
}
