import type { Clock } from '../kernel/clock.js';
import { isPandoError } from '../kernel/errors.js';
import type { CounterCell, HistogramCell, Meter } from '../kernel/meter.js';
import { ConnectionLostError, PoolOverloadedError } from './errors.js';
import { databaseInstruments } from './metrics.js';
import type { AcquireOptions, Connection, Lane, Observed, Statement, StatementResult } from './ports.js';
import { type Position, serves } from './position.js';
import type { PositionWatch } from './position-watch.js';
import type { Primary } from './primary.js';
import type { needsInlineProof, provenRead, upperBound } from './proven-read.js';
import type { Replica } from './replica.js';
import { type Destination, type Need, type PrimaryReason, route } from './router.js';
import { isConflict, isRefusedByReplica, sqlStateOf } from './sql-state.js';
import type { Route } from './trail.js';

/** Where reads can go, and how. */
export interface ReadsOptions {
  readonly primary: Primary;
  /** Those that have the part of a replica now. */
  readonly replicas: () => readonly Replica[];
  readonly watch: PositionWatch;
  readonly replicaWaitMs: number;
  readonly clock: Clock;
  readonly meter: Meter;
  /** Tests put a broken one in its place, to see that they notice. */
  readonly provenRead: typeof provenRead;
  readonly needsInlineProof: typeof needsInlineProof;
  readonly upperBound: typeof upperBound;
}

/** How one read waits, and whether it must tell what it can have seen. */
export interface ReadLimits extends Pick<AcquireOptions, 'signal' | 'timeoutMs' | 'urgency' | 'trail'> {
  readonly isObserved: boolean;
}

/** How a read ended. */
export type ReadOutcome<R> =
  | {
      readonly kind: 'read';
      readonly result: StatementResult<R>;
      readonly seen: 'primary' | Position;
      /** Nothing that it saw lies behind this; undefined where nobody wanted to know. */
      readonly upTo: Position | undefined;
    }
  /** It was refused because it writes: nothing was executed. */
  | { readonly kind: 'writes' };

/** Why a replica did not serve a read after all. */
type Detour = 'unavailable' | 'overloaded' | 'lost' | 'behind' | 'conflict' | 'writes';
type Attempt<R> =
  | ReadOutcome<R>
  | { readonly kind: 'elsewhere'; readonly why: Detour; readonly error?: unknown };
type ReadRoute = Exclude<Route, 'write'>;

const routes: readonly ReadRoute[] = [
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
const behind = Object.freeze({ kind: 'elsewhere', why: 'behind' } as const);

/** Carries reads to where they can be served, and on to the next place where that fails: a read may always run again. */
export class Reads {
  readonly #options: ReadsOptions;
  readonly #routed: ReadonlyMap<ReadRoute, CounterCell>;
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
    let candidates = this.#options.replicas();
    // What they have shown, they could not tell afterwards.
    if (limits.isObserved) candidates = candidates.filter(({ isObservable }) => isObservable);
    let hasWaited = false;
    for (let conflicts = 0; ; ) {
      const destination: Destination<Replica> = route(need.floor, primary.history, candidates, this.#turn++);
      if (destination.to === 'primary') return this.#onPrimary(statement, destination.reason, limits);
      if (destination.to === 'wait') {
        if (hasWaited || !(await this.#wait(destination.replicas, need.floor, limits))) {
          return this.#onPrimary(statement, 'behind', limits);
        }
        hasWaited = true;
        continue;
      }
      const { replica } = destination;
      const attempt = await this.#onReplica<R>(replica, statement, need.floor, limits);
      if (attempt.kind === 'read') this.#sent(hasWaited ? 'waited' : 'replica', limits);
      else this.#rerouted(attempt.kind === 'writes' ? 'writes' : attempt.why, limits);
      if (attempt.kind !== 'elsewhere') return attempt;
      if (attempt.why === 'conflict' && ++conflicts === maxConflicts) candidates = [];
      else candidates = candidates.filter((other) => other !== replica);
      if (candidates.length > 0) continue;
      if (attempt.why === 'overloaded') throw attempt.error; // more than the replicas bear would be too much for the primary
      return this.#onPrimary(statement, 'out', limits);
    }
  }

  #sent(route: ReadRoute, { trail }: ReadLimits): void {
    this.#routed.get(route)?.add();
    if (trail !== undefined) trail.route = route;
  }

  #rerouted(why: Detour, { trail }: ReadLimits): void {
    this.#detoured.get(why)?.add();
    if (trail !== undefined) trail.detours += 1;
  }

  /** Waits a bounded time until one of them serves the floor. */
  async #wait(
    replicas: readonly Replica[],
    floor: Position | undefined,
    { signal, trail }: ReadLimits,
  ): Promise<boolean> {
    const { watch, primary, replicaWaitMs, clock } = this.#options;
    const began = clock.monotonic();
    const hasArrived = () =>
      replicas.some((replica) => replica.isInRotation && serves(replica.position, floor, primary.history));
    const arrived = await watch.wait(hasArrived, replicaWaitMs, signal);
    const waitedMs = clock.monotonic() - began;
    (arrived ? this.#arrived : this.#late).record(waitedMs / 1_000);
    if (trail !== undefined) trail.replicaWaitMs += waitedMs;
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
        if (this.#options.needsInlineProof(lease, replica.isShared)) {
          return (await this.#proven<R>(lease.connection, statement, floor, limits)) ?? behind;
        }
        const where = {
          floor,
          history: this.#options.primary.history,
          proven: replica.provenFor(lease),
          signal,
        };
        const moment = limits.isObserved ? replica.moment() : undefined;
        const found = await this.#options.provenRead(lease, where, () =>
          ask<R>(lease.connection, statement, limits),
        );
        if (found !== undefined) {
          const { value, bound } = found;
          if (!('upTo' in value)) return { kind: 'read', result: value, seen: bound, upTo: undefined };
          if (moment !== undefined) replica.note(value.reached, lease, moment);
          const upTo = this.#options.upperBound(bound, value);
          return { kind: 'read', result: value.result, seen: bound, upTo };
        }
        replica.forget(); // it was thought to be further
        return behind;
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

  /** Undefined: the server that served it was not far enough, so the result is dropped. */
  async #proven<R>(
    connection: Connection,
    statement: Statement,
    floor: Position | undefined,
    { signal, isObserved }: ReadLimits,
  ): Promise<Attempt<R> | undefined> {
    const { result, proof, upTo } = await connection.prove<R>(statement, { signal, isObserved });
    if (!serves(proof, floor, this.#options.primary.history)) return undefined;
    const bound = isObserved && upTo !== undefined ? this.#options.upperBound(proof, { upTo }) : undefined;
    return { kind: 'read', result, seen: proof, upTo: bound };
  }

  async #onPrimary<R>(
    statement: Statement,
    reason: PrimaryReason,
    limits: ReadLimits,
  ): Promise<ReadOutcome<R>> {
    this.#sent(reason, limits);
    const lane: Lane = reason === 'behind' || reason === 'out' ? 'spill' : 'main';
    try {
      return await this.#readPrimary(statement, lane, limits);
    } catch (error) {
      if (limits.signal?.aborted) throw limits.signal.reason;
      if (!(error instanceof ConnectionLostError)) throw error;
      this.#rerouted('lost', limits);
      return this.#readPrimary(statement, lane, limits); // once: one backend may have died alone
    }
  }

  async #readPrimary<R>(statement: Statement, lane: Lane, limits: ReadLimits): Promise<ReadOutcome<R>> {
    const lease = await this.#options.primary.pool.acquire({ lane, ...limits });
    try {
      const value = await ask<R>(lease.connection, statement, limits);
      if (!('upTo' in value)) return { kind: 'read', result: value, seen: 'primary', upTo: undefined };
      const upTo = this.#options.upperBound(lease.connection.greeting, value);
      return { kind: 'read', result: value.result, seen: 'primary', upTo };
    } finally {
      lease.release();
    }
  }
}

function ask<R>(
  connection: Connection,
  statement: Statement,
  { isObserved, signal }: ReadLimits,
): Promise<StatementResult<R> | Observed<R>> {
  return isObserved
    ? connection.observe<R>(statement, { signal })
    : connection.query<R>(statement, { signal });
}
