import { deadline, type Signalled } from '../kernel/abort.js';
import { sleep } from '../kernel/clock.js';
import { messageOf } from '../kernel/errors.js';
import type { Kernel } from '../kernel/kernel.js';
import type { CheckResult } from '../kernel/room.js';
import type { Token } from '../kernel/token.js';
import type { Topology } from './api.js';
import { connectHint } from './connect-hint.js';
import { DatabaseUnreachableError, OutboxUnavailableError } from './errors.js';
import { databaseInstruments } from './metrics.js';
import type { ResolvedDatabaseOptions } from './options.js';
import type { DatabaseDriver, ServerReport } from './ports.js';
import { PositionWatch } from './position-watch.js';
import { Primary } from './primary.js';
import type { Replica } from './replica.js';
import type { ResolvedServer } from './server-options.js';
import { isLastingRefusal, sqlStateOf } from './sql-state.js';

/** What a cluster is built from. */
export interface ClusterParts {
  readonly options: ResolvedDatabaseOptions;
  readonly driver: DatabaseDriver;
  readonly kernel: Kernel;
  /** The database is on another history, or its history is known now. */
  readonly branched?: (() => void) | undefined;
  readonly createReplica: (...args: ConstructorParameters<typeof Replica>) => Replica;
}

const startRetryMs = 100;

/** The servers of one database: which they are, how they are, and their life from the first look to the last. */
export class Cluster {
  readonly primary: Primary;
  /** Who waits for a replica to catch up. */
  readonly watch: PositionWatch;
  readonly #options: ResolvedDatabaseOptions;
  readonly #kernel: Kernel;
  readonly #create: (server: ResolvedServer) => Replica;
  /** Each server in the part of a replica, but for the first primary while it has never been one. */
  readonly #replicas = new Map<ResolvedServer, Replica>();
  /** Replicas whose server is the primary now. */
  readonly #dormant = new Set<Replica>();
  #inRole: readonly Replica[] = [];
  #gauges: readonly Disposable[] = [];
  #isObserving = false;

  constructor({ options, driver, kernel, branched, createReplica }: ClusterParts) {
    const primary = new Primary(options, driver, kernel, (left) => this.#left(left), branched);
    // The first answer of any replica counts: a silent one must not hold up who waits for another.
    const ask = () =>
      Promise.any(this.replicas.filter((r) => r.isInRotation && !r.isStalled).map((r) => r.monitor.sample()));
    const watch = new PositionWatch(kernel.clock, ask);
    this.primary = primary;
    this.watch = watch;
    this.#options = options;
    this.#kernel = kernel;
    this.#create = (server) =>
      createReplica(server, {
        ...{ primary, options, driver, kernel },
        moved: () => watch.moved(),
        sighted: (replica, report) => this.#sighted(server, replica, report),
      });
    for (const server of [...options.primary.slice(1), ...options.replicas]) {
      this.#replicas.set(server, this.#create(server));
    }
    this.#arrange();
  }

  /** The servers in the part of a replica. */
  get replicas(): readonly Replica[] {
    return this.#inRole;
  }

  /** The servers by the part that they have. */
  get servers(): readonly (Primary | Replica)[] {
    return [this.primary, ...this.#inRole];
  }

  /** Whatever timeline a token names, somebody has seen. */
  heed({ db }: Token, shard: string): void {
    for (const position of db) if (position.shard === shard) this.primary.heard(position);
  }

  /** Of the pools of all servers together. */
  counts(): { readonly inUse: number; readonly idle: number; readonly waiting: number } {
    const counts = { inUse: 0, idle: 0, waiting: 0 };
    for (const { pool } of this.servers) {
      counts.inUse += pool.inUse;
      counts.idle += pool.idle;
      counts.waiting += pool.waiting;
    }
    return counts;
  }

  topology(): Topology {
    const { history } = this.primary;
    return {
      shard: this.#options.shard,
      system: history?.system,
      timeline: history?.timeline,
      primary: this.primary.status(),
      replicas: this.replicas.map((replica) => replica.status()),
    };
  }

  /** Reaches the primary, looks at the replicas, then runs `ready`; all within the time that a start may take. */
  async start({ signal }: Signalled, ready: (options: Signalled) => Promise<void>): Promise<void> {
    const { startTimeoutMs } = this.#options;
    const late = () => new Error(`no answer within ${startTimeoutMs} ms`);
    const limit = deadline(this.#kernel.clock, startTimeoutMs, late, signal);
    // Between two attempts nothing else is pending, and timers of the clock let a process end: it would, without a word.
    const awake = setInterval(() => undefined, startTimeoutMs);
    try {
      await this.#reachPrimary(limit.signal);
      await this.#look(limit.signal); // a replica that is away is out of rotation, no more
      await ready({ signal: limit.signal });
    } catch (error) {
      if (error instanceof OutboxUnavailableError) throw error;
      throw signal?.aborted ? signal.reason : this.#unreachable(error);
    } finally {
      clearInterval(awake);
      limit[Symbol.dispose]();
    }
  }

  /** Begins to ask the servers again and again how they are. */
  observe(): void {
    this.#isObserving = true;
    this.primary.observe();
    for (const { monitor } of this.#replicas.values()) monitor.start();
  }

  async unused(options: Signalled): Promise<void> {
    await Promise.all(this.servers.map(({ pool }) => pool.unused(options)));
  }

  async close(options: Signalled): Promise<void> {
    const servers = [this.primary, ...this.#replicas.values()];
    await Promise.all(servers.map(({ pool }) => pool.close(options)));
    this.watch.close();
    await Promise.all(servers.map((server) => server.close()));
    for (const gauge of this.#gauges) gauge[Symbol.dispose]();
  }

  async check({ signal }: Signalled): Promise<CheckResult> {
    await this.primary.monitor.sample({ signal }).catch(() => undefined);
    signal?.throwIfAborted();
    if (!this.primary.isUp) return { status: 'unhealthy', detail: this.primary.reason };
    const missing = this.replicas
      .filter((replica) => !replica.isInRotation)
      .map((replica) => replica.status());
    if (missing.length === 0) return { status: 'healthy' };
    const detail = missing
      .map(({ name, state, reason }) => `replica ${name} is ${state}: ${reason}`)
      .join('; ');
    return { status: 'degraded', detail };
  }

  /** Tries until the signal: servers that are started together are not ready together. */
  async #reachPrimary(signal: AbortSignal): Promise<void> {
    let last: unknown;
    for (;;) {
      try {
        await this.primary.monitor.sample({ signal });
        last = this.primary.failure;
      } catch (error) {
        if (signal.aborted) throw last ?? error;
        last = error;
      }
      if (!this.primary.isUp) await this.#look(signal); // it may be one of the others
      if (this.primary.isUp) return;
      if (isLastingRefusal(sqlStateOf(last))) throw last;
      await sleep(this.#kernel.clock, startRetryMs, { signal }).catch(() => {
        throw last;
      });
    }
  }

  async #look(signal: AbortSignal): Promise<void> {
    await Promise.allSettled([...this.#replicas.values()].map(({ monitor }) => monitor.sample({ signal })));
  }

  /** Hears of each server what it says of itself: who says that it is a primary may be the one that takes writes now. */
  #sighted(server: ResolvedServer, replica: Replica, report: ServerReport | undefined): void {
    const { primary } = this;
    const isPrimary = report?.role === 'primary' && primary.claim(server, replica.label, report);
    if (report?.role !== 'primary') primary.waive(server);
    if (this.#dormant.has(replica) === isPrimary) return;
    if (isPrimary) this.#dormant.add(replica);
    else this.#dormant.delete(replica);
    this.#arrange();
  }

  /** A server is the primary no more: when it comes back it is a replica, or is fenced off for calling itself a primary. */
  #left(server: ResolvedServer): void {
    const replica = this.#replicas.get(server) ?? this.#create(server);
    this.#replicas.set(server, replica);
    this.#dormant.delete(replica);
    if (this.#isObserving) replica.monitor.start();
    this.#arrange();
  }

  /** Each server appears in one part, here and in the metrics. */
  #arrange(): void {
    this.#inRole = [...this.#replicas.values()].filter((replica) => !this.#dormant.has(replica));
    for (const gauge of this.#gauges) gauge[Symbol.dispose]();
    this.#gauges = this.#observe();
  }

  #unreachable(cause: unknown): DatabaseUnreachableError {
    const what = `cannot use the primary database ${this.primary.label}`;
    return new DatabaseUnreachableError(
      `${what}: ${messageOf(cause).replaceAll('\n', ' ')}. ${connectHint(cause)}`,
      cause,
    );
  }

  #observe(): readonly Disposable[] {
    const { meter } = this.#kernel;
    const { serverUp, lagSeconds, lagBytes } = databaseInstruments;
    const { primary } = this;
    return [
      meter.observe(serverUp, () => Number(primary.isUp), { server: primary.label, role: 'primary' }),
      ...this.replicas.flatMap((replica) => [
        meter.observe(serverUp, () => Number(replica.isInRotation), {
          server: replica.label,
          role: 'replica',
        }),
        meter.observe(lagSeconds, () => (replica.lagMs ?? Number.NaN) / 1_000, { server: replica.label }),
        meter.observe(lagBytes, () => replica.lagBytes ?? Number.NaN, { server: replica.label }),
      ]),
    ];
  }
}
