import type { Clock } from '../kernel/clock.js';
import { isPandoError } from '../kernel/errors.js';
import type { CounterCell, HistogramCell, Meter } from '../kernel/meter.js';
import { ConnectionLostError, PoolOverloadedError } from './errors.js';
import { databaseInstruments } from './metrics.js';
import type { AcquireOptions, Lane, Statement, StatementResult } from './ports.js';
import { type Position, serves } from './position.js';
import type { PositionWatch } from './position-watch.js';
import type { Primary } from './primary.js';
import type { provenRead } from './proven-read.js';
import type { Replica } from './replica.js';
import { type Destination, type Need, type PrimaryReason, route } from './router.js';
import { isConflict, isRefusedByReplica, sqlStateOf } from './sql-state.js';

/** Where reads can go, and how. */
export interface ReadsOptions {
  readonly primary: Primary;
  readonly replicas: readonly Replica[];
  readonly watch: PositionWatch;
  readonly replicaWaitMs: number;
  readonly clock: Clock;
  readonly meter: Meter;
  /** Tests put a broken one in its place, to see that they notice. */
  readonly provenRead: typeof provenRead;
}

/** How one read waits. */
export type ReadLimits = Pick<AcquireOptions, 'signal' | 'timeoutMs' | 'urgency'>;

/** How a read ended. */
export type ReadOutcome<R> =
  | { readonly kind: 'read'; readonly result: StatementResult<R>; readonly seen: 'primary' | Position }
  /** It was refused because it writes: nothing was executed. */
  | { readonly kind: 'writes' };

/** Why a replica did not serve a read after all. */
type Detour = 'unavailable' | 'overloaded' | 'lost' | 'behind' | 'conflict' | 'writes';
type Attempt<R> =
  | ReadOutcome<R>
  | { readonly kind: 'elsewhere'; readonly why: Detour; readonly error?: unknown };
type Route = 'replica' | 'waited' | PrimaryReason;

const routes: readonly Route[] = [
  'replica',
  'waited',
  'strong',
  'transaction',
  'foreign',
  'single',
  'behind',
  'out',
];
const detours: readonly Detour[] = ['unavailable', 'overloaded', 'lost', 'behind', 'conflict', 'writes'];
/** Conflicts with replay are frequent where long reads meet vacuum; the primary has none. */
const maxConflicts = 2;
const writes = Object.freeze({ kind: 'writes' } as const);

/** Carries reads to where they can be served, and on to the next place where that fails: a read may always run again. */
export class Reads {
  readonly #options: ReadsOptions;
  readonly #routed: ReadonlyMap<Route, CounterCell>;
  readonly #detoured: ReadonlyMap<Detour, CounterCell>;
  readonly #arrived: HistogramCell;
  readonly #late: HistogramCell;
  #turn = 0;

  constructor(options: ReadsOptions) {
    const { meter } = options;
    const { reads, rerouted, replicaWaitSeconds } = databaseInstruments;
    this.#options = options;
    this.#routed = new Map(routes.map((route) => [route, meter.counter(reads, { route })]));
    this.#detoured = new Map(detours.map((reason) => [reason, meter.counter(rerouted, { reason })]));
    this.#arrived = meter.histogram(replicaWaitSeconds, { outcome: 'arrived' });
    this.#late = meter.histogram(replicaWaitSeconds, { outcome: 'late' });
  }

  async run<R>(statement: Statement, need: Need, limits: ReadLimits): Promise<ReadOutcome<R>> {
    if (need.from === 'primary') return this.#onPrimary(statement, need.reason, limits);
    const { primary } = this.#options;
    let candidates = this.#options.replicas;
    let hasWaited = false;
    for (let conflicts = 0; ; ) {
      const destination: Destination<Replica> = route(need.floor, primary.history, candidates, this.#turn++);
      if (destination.to === 'primary') return this.#onPrimary(statement, destination.reason, limits);
      if (destination.to === 'wait') {
        if (hasWaited || !(await this.#wait(destination.replicas, need.floor, limits.signal))) {
          return this.#onPrimary(statement, 'behind', limits);
        }
        hasWaited = true;
        continue;
      }
      const { replica } = destination;
      const attempt = await this.#onReplica<R>(replica, statement, need.floor, limits);
      if (attempt.kind === 'read') this.#routed.get(hasWaited ? 'waited' : 'replica')?.add();
      else this.#detoured.get(attempt.kind === 'writes' ? 'writes' : attempt.why)?.add();
      if (attempt.kind !== 'elsewhere') return attempt;
      if (attempt.why === 'conflict' && ++conflicts === maxConflicts) candidates = [];
      else candidates = candidates.filter((other) => other !== replica);
      if (candidates.length > 0) continue;
      if (attempt.why === 'overloaded') throw attempt.error; // more than the replicas bear would be too much for the primary
      return this.#onPrimary(statement, 'out', limits);
    }
  }

  /** Waits a bounded time until one of them serves the floor. */
  async #wait(
    replicas: readonly Replica[],
    floor: Position | undefined,
    signal: AbortSignal | undefined,
  ): Promise<boolean> {
    const { watch, primary, replicaWaitMs, clock } = this.#options;
    const began = clock.monotonic();
    const hasArrived = () =>
      replicas.some((replica) => replica.isInRotation && serves(replica.position, floor, primary.history));
    const arrived = await watch.wait(hasArrived, replicaWaitMs, signal);
    (arrived ? this.#arrived : this.#late).record((clock.monotonic() - began) / 1_000);
    if (!arrived) for (const replica of replicas) replica.stall();
    return arrived;
  }

  async #onReplica<R>(
    replica: Replica,
    statement: Statement,
    floor: Position | undefined,
    limits: ReadLimits,
  ): Promise<Attempt<R>> {
    const { signal } = limits;
    try {
      const lease = await replica.pool.acquire({ lane: 'main', ...limits });
      try {
        const where = {
          floor,
          history: this.#options.primary.history,
          proven: replica.provenFor(lease),
          signal,
        };
        const found = await this.#options.provenRead(lease, where, () =>
          lease.connection.query<R>(statement, { signal }),
        );
        if (found !== undefined) return { kind: 'read', result: found.value, seen: found.bound };
        replica.forget(); // it was thought to be further
        return { kind: 'elsewhere', why: 'behind' };
      } finally {
        lease.release();
      }
    } catch (error) {
      if (signal?.aborted) throw signal.reason;
      if (isRefusedByReplica(error)) return writes;
      if (isConflict(sqlStateOf(error))) return { kind: 'elsewhere', why: 'conflict' };
      if (error instanceof ConnectionLostError) return { kind: 'elsewhere', why: 'lost' };
      if (error instanceof PoolOverloadedError) return { kind: 'elsewhere', why: 'overloaded', error };
      if (isPandoError(error) && error.retryable) return { kind: 'elsewhere', why: 'unavailable' };
      throw error;
    }
  }

  async #onPrimary<R>(
    statement: Statement,
    reason: PrimaryReason,
    limits: ReadLimits,
  ): Promise<ReadOutcome<R>> {
    this.#routed.get(reason)?.add();
    const lane: Lane = reason === 'behind' || reason === 'out' ? 'spill' : 'main';
    try {
      return await this.#readPrimary(statement, lane, limits);
    } catch (error) {
      if (limits.signal?.aborted) throw limits.signal.reason;
      if (!(error instanceof ConnectionLostError)) throw error;
      this.#detoured.get('lost')?.add();
      return this.#readPrimary(statement, lane, limits); // once: one backend may have died alone
    }
  }

  async #readPrimary<R>(statement: Statement, lane: Lane, limits: ReadLimits): Promise<ReadOutcome<R>> {
    const lease = await this.#options.primary.pool.acquire({ lane, ...limits });
    try {
      const result = await lease.connection.query<R>(statement, { signal: limits.signal });
      return { kind: 'read', result, seen: 'primary' };
    } finally {
      lease.release();
    }
  }
}
