import { messageOf } from '../kernel/errors.js';
import type { Kernel } from '../kernel/kernel.js';
import type { ServerState, ServerStatus } from './api.js';
import { WrongRoleError } from './errors.js';
import { Monitor, type Sample } from './monitor.js';
import type { ResolvedDatabaseOptions } from './options.js';
import type { DatabaseDriver, Lease, Pool, ServerReport } from './ports.js';
import { formatLsn, type Position, serves } from './position.js';
import type { Primary } from './primary.js';
import { ReplicaHealth } from './replica-health.js';
import type { Candidate } from './router.js';
import type { ResolvedServer } from './server-options.js';

/** What a replica stands on. */
export interface ReplicaParts {
  readonly primary: Primary;
  readonly options: ResolvedDatabaseOptions;
  readonly driver: DatabaseDriver;
  readonly kernel: Kernel;
  /** Called when its position is known anew. */
  readonly moved: () => void;
  /** Called with what it says of itself, before anything else is made of it; undefined: it says nothing. */
  readonly sighted?: ((replica: Replica, report: ServerReport | undefined) => void) | undefined;
}

/** A moment in the life of what is known of a server. */
export interface Moment {
  /** Monotonic instant. */
  readonly sentAt: number;
  readonly life: number;
}

/**
 * One replica, and how far it is known to have come.
 *
 * The known position is a lower bound: it was asked for before the read that relies on it begins. It
 * belongs to one life of the server's sessions. Postgres ends all of them when one backend crashes, and a
 * standby then begins again at an earlier point, under the same start time: so the position is forgotten
 * when a session ends unexpectedly, and proves nothing for a session that began after it was sampled.
 */
export class Replica implements Candidate {
  readonly label: string;
  readonly pool: Pool;
  readonly monitor: Monitor;
  /** Whether several servers answer to its name. */
  readonly isShared: boolean;
  /** Whether it says how far it has come. If not, reads on it see nothing for certain. */
  readonly isMeasured: boolean;
  /** Whether it can tell behind a read how much that can have seen. */
  readonly isObservable: boolean;
  readonly #isNear: boolean;
  readonly #weight: number;
  readonly #primary: Primary;
  readonly #health: ReplicaHealth;
  readonly #moved: () => void;
  readonly #sighted: ReplicaParts['sighted'];
  readonly #kernel: Kernel;
  #known: Sample | undefined;
  /** Counts how often nothing was known any more. */
  #life = 0;
  #state: ServerState = 'down';
  /** Where it stood when a reader had waited for it in vain. */
  #stalledAt: bigint | undefined;

  constructor(server: ResolvedServer, { primary, options, driver, kernel, moved, sighted }: ReplicaParts) {
    const backend = driver.backend(server);
    this.label = backend.label;
    this.isShared = server.shared;
    this.isMeasured = server.lagProbe !== 'none';
    this.isObservable = server.lagProbe === 'postgres';
    this.#isNear = options.zone !== undefined && server.zone === options.zone;
    this.#weight = server.weight;
    this.#primary = primary;
    this.#kernel = kernel;
    this.#health = new ReplicaHealth(options);
    this.#moved = moved;
    this.#sighted = sighted;
    this.pool = driver.pool(backend, 'replica', {
      onLost: () => {
        this.forget();
        this.monitor.refresh();
      },
      objection: (greeting) => this.#objection(greeting),
    });
    this.monitor = new Monitor(
      backend,
      { clock: kernel.clock, intervalMs: options.probeIntervalMs, timeoutMs: options.probeTimeoutMs },
      {
        sampled: (sample) => this.#sampled(sample),
        failed: (cause) => {
          this.#sighted?.(this, undefined);
          this.#failed(messageOf(cause));
        },
        lost: () => this.forget(),
      },
    );
  }

  get isInRotation(): boolean {
    return this.#health.isInRotation;
  }

  get position(): Position | undefined {
    return this.#known?.report;
  }

  get isStalled(): boolean {
    if (!this.isMeasured) return true; // there is nothing to wait for
    return this.#stalledAt !== undefined && this.#stalledAt === this.#known?.report.lsn;
  }

  /** Not while it warms up, or has no connection left: the only one of a zone would get all reads at once. */
  get isPreferred(): boolean {
    return this.#isNear && this.pool.waiting === 0 && this.#share === 1;
  }

  get load(): number {
    return (this.pool.inUse + this.pool.waiting + 1) / (this.#weight * this.#share);
  }

  get lagMs(): number | undefined {
    return this.#health.lagMs;
  }

  get lagBytes(): number | undefined {
    const { history, log } = this.#primary;
    const { position } = this;
    return this.isMeasured && serves(position, undefined, history) ? log.lagBytes(position.lsn) : undefined;
  }

  /** When something that is asked now is asked. */
  moment(): Moment {
    return { sentAt: this.#kernel.clock.monotonic(), life: this.#life };
  }

  /** Nothing is known of its position until it is asked again. */
  forget(): void {
    this.#known = undefined;
    this.#life += 1;
  }

  /** A read on this connection, sent at this moment, has found the server at `lsn`: later reads need not ask. */
  note(lsn: bigint, { proof }: Lease, { sentAt, life }: Moment): void {
    const known = this.#known;
    if (known === undefined || life !== this.#life || lsn <= known.report.lsn) return;
    if (known.report.node === proof.node) this.#known = { report: { ...known.report, lsn }, sentAt };
  }

  /** The furthest position that a read which begins now on this connection is certain to see. */
  provenFor(lease: Lease): Position {
    const known = this.#known;
    const isOfThisLife =
      known !== undefined && known.sentAt > lease.connectedAt && known.report.node === lease.proof.node;
    return isOfThisLife && known.report.lsn > lease.proof.lsn ? known.report : lease.proof;
  }

  /** Somebody has waited for it in vain: nobody else waits until it moves. */
  stall(): void {
    this.#stalledAt = this.#known?.report.lsn;
  }

  status(): ServerStatus {
    return {
      name: this.label,
      role: 'replica',
      state: this.#health.state(this.#kernel.clock.monotonic()),
      reason: this.#health.reason,
      timeline: this.position?.timeline,
      lsn: this.isMeasured && this.position ? formatLsn(this.position.lsn) : undefined,
      lagMs: this.lagMs,
      lagBytes: this.lagBytes,
      inUse: this.pool.inUse,
      idle: this.pool.idle,
      waiting: this.pool.waiting,
    };
  }

  close(): Promise<void> {
    return this.monitor.close();
  }

  /** Which part of its weight counts now. */
  get #share(): number {
    return this.#health.share(this.#kernel.clock.monotonic());
  }

  #objection(report: ServerReport): Error | undefined {
    if (report.role !== 'replica') return new WrongRoleError(this.label, 'replica');
    const system = this.#primary.history?.system;
    if (system === undefined || system === report.system) return undefined;
    return new WrongRoleError(
      this.label,
      'replica',
      `it belongs to system ${report.system}, and the primary to ${system}`,
    );
  }

  #sampled(sample: Sample): void {
    this.#sighted?.(this, sample.report);
    const objection = this.#objection(sample.report);
    if (objection !== undefined) {
      this.#failed(objection.message);
      return;
    }
    const { report, sentAt } = sample;
    this.#known = this.isMeasured ? sample : { report: { ...report, lsn: 0n }, sentAt };
    if (!this.isInRotation) this.pool.reachable();
    const timeline = this.#primary.history?.timeline;
    if (timeline !== undefined && timeline !== sample.report.timeline) {
      this.#health.failed(`it is on timeline ${sample.report.timeline}, and the primary on ${timeline}`);
    } else {
      const lagMs = this.isMeasured ? this.#primary.log.lagMs(report.lsn) : undefined;
      this.#health.seen(lagMs, this.#kernel.clock.monotonic());
    }
    this.#tell();
    this.#moved();
  }

  #failed(reason: string): void {
    this.forget();
    this.#health.failed(reason);
    this.pool.sever(); // reads that hang on it run again elsewhere
    this.#tell();
  }

  #tell(): void {
    const state = this.#health.state(this.#kernel.clock.monotonic());
    if (state === this.#state) return;
    this.#state = state;
    const isUsed = this.#health.isInRotation;
    const { reason } = this.#health;
    this.#kernel.logger[isUsed ? 'info' : 'warn'](
      { server: this.label, state, reason },
      'replica changed state',
    );
  }
}
