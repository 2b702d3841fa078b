import { messageOf } from '../kernel/errors.js';
import type { Kernel } from '../kernel/kernel.js';
import type { CounterCell } from '../kernel/meter.js';
import type { ServerStatus } from './api.js';
import { NoPrimaryError, WrongRoleError } from './errors.js';
import { HeldPool } from './held-pool.js';
import { databaseInstruments } from './metrics.js';
import type { Monitor, Sample } from './monitor.js';
import type { ResolvedDatabaseOptions } from './options.js';
import type { Backend, DatabaseDriver, Pool, ServerReport } from './ports.js';
import { formatLsn, type History, isSameServer } from './position.js';
import { PrimaryLog } from './primary-log.js';
import { Seat, type SeatParts } from './seat.js';
import type { ResolvedServer } from './server-options.js';
import { isFull, sqlStateOf } from './sql-state.js';

/** A server that says it is a primary, too, on the timeline of the one that is. */
interface Rival {
  readonly label: string;
  readonly report: ServerReport;
}

/** How many looks at a primary must fail before another server of its timeline takes its part. */
const patience = 2;

/**
 * The part of the server that takes writes, whichever has it now.
 *
 * The highest timeline decides: a promoted server begins a new one, and whatever is written to its predecessor is lost. So a
 * server of an older timeline than was ever seen is neither written nor read. Two servers on one timeline cannot be told
 * apart: then none is.
 */
export class Primary {
  readonly pool: Pool;
  readonly log: PrimaryLog;
  readonly #held: HeldPool;
  readonly #parts: SeatParts;
  readonly #kernel: Kernel;
  readonly #failovers: CounterCell;
  readonly #rivals = new Map<ResolvedServer, Rival>();
  readonly #moved: (left: ResolvedServer) => void;
  readonly #branched: () => void;
  #seat: Seat;
  #history: History | undefined;
  /** A newer timeline that somebody else has seen. */
  #heard = 0;
  #isObserving = false;
  #isEnding = false;

  /** `moved` is told which server has lost the part to another one; `branched`, that the history is another one, or known now. */
  constructor(
    options: ResolvedDatabaseOptions,
    driver: DatabaseDriver,
    kernel: Kernel,
    moved: (left: ResolvedServer) => void = () => undefined,
    branched: () => void = () => undefined,
  ) {
    this.#kernel = kernel;
    this.#moved = moved;
    this.#branched = branched;
    this.#failovers = kernel.meter.counter(databaseInstruments.failovers);
    this.log = new PrimaryLog(options.maxLagMs);
    this.#parts = {
      options,
      driver,
      kernel,
      objection: (_, report) => this.objection(report),
      sampled: (seat, sample) => this.#sampled(seat, sample),
      failed: (seat, cause) => this.#failed(seat, cause),
    };
    this.#seat = new Seat(options.primary[0] as ResolvedServer, this.#parts);
    const current = () => this.#seat.pool;
    this.#held = new HeldPool(options, kernel, { current, objection: () => this.#refusal });
    this.pool = this.#held;
  }

  get server(): ResolvedServer {
    return this.#seat.server;
  }

  get label(): string {
    return this.#seat.label;
  }

  get backend(): Backend {
    return this.#seat.backend;
  }

  get monitor(): Monitor {
    return this.#seat.monitor;
  }

  /** The newest history that the primary was seen on; stays while it is away. */
  get history(): History | undefined {
    return this.#history;
  }

  get isUp(): boolean {
    return this.failure === undefined;
  }

  /** Monotonic instant before the last question that it has answered; undefined before the first. */
  get askedAt(): number | undefined {
    return this.#seat.askedAt;
  }

  /** Why it is not up. */
  get failure(): unknown {
    return this.#refusal ?? this.#seat.failure;
  }

  get reason(): string | undefined {
    return this.failure === undefined ? undefined : messageOf(this.failure);
  }

  /** What is wrong with a server that greets so, if anything. */
  objection(report: ServerReport): Error | undefined {
    if (report.role !== 'primary') return new WrongRoleError(this.label, 'primary');
    const known = this.#history;
    if (known === undefined || known.system !== report.system) return undefined;
    const newest = Math.max(known.timeline, this.#heard);
    if (newest <= report.timeline) return undefined;
    return new WrongRoleError(
      this.label,
      'primary',
      `it is on timeline ${report.timeline}, and the cluster on ${newest}`,
    );
  }

  /** Begins to ask again and again how it is. */
  observe(): void {
    this.#isObserving = true;
    this.#seat.monitor.start();
  }

  /** The database is about to close: nobody waits for another primary, and none takes the part any more. */
  end(): void {
    this.#isEnding = true;
    this.#held.end();
  }

  /** Another server says that it is a primary. Tells whether it is the one that takes writes, under this name or another. */
  claim(server: ResolvedServer, label: string, report: ServerReport): boolean {
    const known = this.#history;
    const seat = this.#seat;
    if (server === seat.server) return true;
    if (this.#isEnding) return false;
    const isOlder = known !== undefined && report.timeline < Math.max(known.timeline, this.#heard);
    if (isOlder || (known !== undefined && report.system !== known.system)) {
      this.waive(server);
      return false;
    }
    const isSame = seat.report !== undefined && isSameServer(seat.report, report);
    const isNewer = known !== undefined && report.timeline > known.timeline;
    const isAway = seat.failure !== undefined && (seat.report === undefined || seat.failures >= patience);
    if (isSame ? isAway : isNewer || isAway) {
      this.#move(server, report);
      return true;
    }
    if (isSame) return true;
    if (seat.failure === undefined) this.#contest(server, { label, report });
    return false;
  }

  /** A server does not say that it is a primary, or says nothing. */
  waive(server: ResolvedServer): void {
    if (this.#rivals.delete(server) && this.isUp) this.#back();
  }

  /** Somebody has seen this history: on an older timeline there is nothing left to be written or read. */
  heard({ system, timeline }: History): void {
    if (system !== this.#history?.system || timeline <= Math.max(this.#history.timeline, this.#heard)) return;
    this.#heard = timeline;
    const { report } = this.#seat;
    this.#failed(this.#seat, (report && this.objection(report)) ?? new WrongRoleError(this.label, 'primary'));
    this.#seat.pool.sever();
    this.#seat.monitor.refresh();
  }

  status(): ServerStatus {
    const { report } = this.#seat;
    return {
      name: this.label,
      role: 'primary',
      state: this.isUp ? 'up' : 'down',
      reason: this.reason,
      timeline: report?.timeline,
      lsn: report && formatLsn(report.lsn),
      inUse: this.pool.inUse,
      idle: this.pool.idle,
      waiting: this.pool.waiting,
    };
  }

  close(): Promise<void> {
    return this.#seat.monitor.close();
  }

  /** Why nothing may be sent, however well the server answers. */
  get #refusal(): Error | undefined {
    const { report } = this.#seat;
    if (report !== undefined && report.timeline < this.#heard) return this.objection(report);
    const [rival] = this.#rivals.values();
    return rival && NoPrimaryError.contested([this.label, rival.label], (this.#history as History).timeline);
  }

  #move(server: ResolvedServer, report: ServerReport): void {
    const left = this.#seat;
    const isFailover = this.#history !== undefined;
    this.#seat = new Seat(server, this.#parts);
    this.#rivals.clear();
    void left.leave();
    if (isFailover) {
      const { label } = this;
      this.#failovers.add();
      this.#kernel.logger.warn(
        { from: left.label, to: label, timeline: report.timeline },
        'primary database has moved',
      );
    }
    this.#sampled(this.#seat, { report, sentAt: this.#kernel.clock.monotonic() });
    if (this.#isObserving) this.#seat.monitor.start();
    this.#moved(left.server);
  }

  #contest(server: ResolvedServer, rival: Rival): void {
    const isNew = !this.#rivals.has(server);
    this.#rivals.set(server, rival);
    if (!isNew) return;
    this.#seat.pool.sever();
    this.#kernel.logger.error({ err: this.#refusal }, 'two primary databases on one timeline: none is used');
  }

  #sampled(seat: Seat, { report, sentAt }: Sample): void {
    if (seat !== this.#seat) return;
    const objection = this.objection(report);
    if (objection !== undefined) {
      this.#failed(seat, objection);
      return;
    }
    if (report.system !== this.#history?.system || report.timeline !== this.#history.timeline)
      this.#follow(report);
    this.log.note(report.lsn, sentAt);
    seat.report = report;
    seat.askedAt = sentAt;
    seat.failures = 0;
    if (seat.failure === undefined) return;
    seat.failure = undefined;
    seat.pool.reachable();
    if (this.isUp) this.#back();
  }

  #back(): void {
    const { label } = this;
    this.#kernel.logger.info({ server: label, timeline: this.#history?.timeline }, 'primary database is up');
    this.#held.wake();
  }

  #follow(report: ServerReport): void {
    if (this.#history !== undefined) {
      const { system, timeline } = report;
      this.#kernel.logger.warn({ server: this.label, system, timeline }, 'database has another history now');
    }
    this.#history = { system: report.system, timeline: report.timeline };
    this.#branched();
    this.log.reset();
  }

  #failed(seat: Seat, cause: unknown): void {
    if (seat !== this.#seat) return;
    // It lives, and the connections that the pool has still work: only there is none for the question.
    if (seat.failure === undefined && isFull(sqlStateOf(cause))) return;
    if (seat.failure === undefined)
      this.#kernel.logger.warn({ server: seat.label, err: cause }, 'primary database is down');
    seat.failure = cause;
    // Not at the first silence: writes that are cut off have an unknown outcome.
    seat.failures += 1;
    if (seat.failures === patience) seat.pool.sever();
  }
}
