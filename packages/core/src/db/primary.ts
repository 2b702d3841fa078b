import { messageOf } from '../kernel/errors.js';
import type { Kernel } from '../kernel/kernel.js';
import type { ServerStatus } from './api.js';
import { WrongRoleError } from './errors.js';
import { Monitor } from './monitor.js';
import type { ResolvedDatabaseOptions } from './options.js';
import type { Backend, DatabaseDriver, Pool, ServerReport } from './ports.js';
import { formatLsn, type History } from './position.js';
import { PrimaryLog } from './primary-log.js';

/** The server that takes writes. */
export class Primary {
  readonly label: string;
  readonly backend: Backend;
  readonly pool: Pool;
  readonly monitor: Monitor;
  readonly log: PrimaryLog;
  readonly #kernel: Kernel;
  #history: History | undefined;
  #report: ServerReport | undefined;
  #failure: unknown = new Error('not reached yet');
  #failures = 0;

  constructor(options: ResolvedDatabaseOptions, driver: DatabaseDriver, kernel: Kernel) {
    const backend = driver.backend(options.primary);
    this.backend = backend;
    this.label = backend.label;
    this.#kernel = kernel;
    this.log = new PrimaryLog(options.maxLagMs);
    this.pool = driver.pool(backend, 'primary', {
      onLost: () => this.monitor.refresh(),
      objection: (greeting) => this.objection(greeting),
    });
    this.monitor = new Monitor(
      backend,
      { clock: kernel.clock, intervalMs: options.probeIntervalMs, timeoutMs: options.probeTimeoutMs },
      {
        sampled: ({ report, sentAt }) => this.#sampled(report, sentAt),
        failed: (cause) => this.#failed(cause),
        lost: () => undefined, // it asks again at once, and that tells
      },
    );
  }

  /** The newest history that the primary was seen on; stays while it is away. */
  get history(): History | undefined {
    return this.#history;
  }

  get isUp(): boolean {
    return this.#failure === undefined;
  }

  /** Why it is not up. */
  get failure(): unknown {
    return this.#failure;
  }

  get reason(): string | undefined {
    return this.#failure === undefined ? undefined : messageOf(this.#failure);
  }

  /**
   * What is wrong with a server that greets so, if anything.
   *
   * One that is on an older timeline was replaced by a promoted server: what is written to it will be lost.
   */
  objection(report: ServerReport): Error | undefined {
    if (report.role !== 'primary') return new WrongRoleError(this.label, 'primary');
    const known = this.#history;
    if (known === undefined || known.system !== report.system || known.timeline <= report.timeline)
      return undefined;
    return new WrongRoleError(
      this.label,
      'primary',
      `it is on timeline ${report.timeline}, and the cluster on ${known.timeline}`,
    );
  }

  status(): ServerStatus {
    return {
      name: this.label,
      role: 'primary',
      state: this.isUp ? 'up' : 'down',
      reason: this.reason,
      timeline: this.#report?.timeline,
      lsn: this.#report && formatLsn(this.#report.lsn),
      inUse: this.pool.inUse,
      idle: this.pool.idle,
      waiting: this.pool.waiting,
    };
  }

  close(): Promise<void> {
    return this.monitor.close();
  }

  #sampled(report: ServerReport, sentAt: number): void {
    const objection = this.objection(report);
    if (objection !== undefined) {
      this.#failed(objection);
      return;
    }
    if (report.system !== this.#history?.system || report.timeline !== this.#history.timeline)
      this.#follow(report);
    this.log.note(report.lsn, sentAt);
    this.#report = report;
    this.#failures = 0;
    if (this.isUp) return;
    this.#failure = undefined;
    this.pool.reachable();
    this.#kernel.logger.info({ server: this.label, timeline: report.timeline }, 'primary database is up');
  }

  #follow(report: ServerReport): void {
    if (this.#history !== undefined) {
      const { system, timeline } = report;
      this.#kernel.logger.warn({ server: this.label, system, timeline }, 'database has another history now');
    }
    this.#history = { system: report.system, timeline: report.timeline };
    this.log.reset();
  }

  #failed(cause: unknown): void {
    if (this.isUp) this.#kernel.logger.warn({ server: this.label, err: cause }, 'primary database is down');
    this.#failure = cause;
    // Not at the first silence: writes that are cut off have an unknown outcome.
    this.#failures += 1;
    if (this.#failures === 2) this.pool.sever();
  }
}
