import type { Kernel } from '../kernel/kernel.js';
import { Monitor, type Sample } from './monitor.js';
import type { ResolvedDatabaseOptions } from './options.js';
import type { Backend, DatabaseDriver, Pool, ServerReport } from './ports.js';
import type { ResolvedServer } from './server-options.js';

/** What a server needs to serve as primary. */
export interface SeatParts {
  readonly options: ResolvedDatabaseOptions;
  readonly driver: DatabaseDriver;
  readonly kernel: Kernel;
  /** What is wrong with it, if anything, when it says this of itself. */
  readonly objection: (seat: Seat, report: ServerReport) => Error | undefined;
  readonly sampled: (seat: Seat, sample: Sample) => void;
  readonly failed: (seat: Seat, cause: unknown) => void;
}

/** One server in the part of the primary: its connections, and what was last seen of it. */
export class Seat {
  readonly server: ResolvedServer;
  readonly backend: Backend;
  readonly pool: Pool;
  readonly monitor: Monitor;
  report: ServerReport | undefined;
  /** Monotonic instant before the last question that it has answered. */
  askedAt: number | undefined;
  failure: unknown = new Error('not reached yet');
  /** Looks in a row that have failed. */
  failures = 0;

  constructor(server: ResolvedServer, { options, driver, kernel, objection, sampled, failed }: SeatParts) {
    this.server = server;
    this.backend = driver.backend(server);
    this.pool = driver.pool(this.backend, 'primary', {
      onLost: () => this.monitor.refresh(),
      objection: (greeting) => objection(this, greeting),
    });
    this.monitor = new Monitor(
      this.backend,
      { clock: kernel.clock, intervalMs: options.probeIntervalMs, timeoutMs: options.probeTimeoutMs },
      {
        sampled: (sample) => sampled(this, sample),
        failed: (cause) => failed(this, cause),
        lost: () => undefined, // it asks again at once, and that tells
      },
    );
  }

  get label(): string {
    return this.backend.label;
  }

  /** Somebody else has its part now: nothing that is still sent to it may take effect unnoticed. Never rejects. */
  async leave(): Promise<void> {
    this.pool.sever();
    await Promise.all([this.pool.close({ signal: AbortSignal.abort() }), this.monitor.close()]);
  }
}
