import type { CheckResult, Room } from '../kernel/room.js';

/** One of three: serving, serving with something missing, not able to serve. */
export type HealthStatus = CheckResult['status'];

/** What is known of one component. For operators; strangers get the status alone. */
export interface ComponentDetail {
  readonly status: HealthStatus;
  readonly critical: boolean;
  readonly shared: boolean;
  readonly detail?: string | undefined;
  /** Epoch ms of the last finished look; undefined before the first. */
  readonly checkedAt: number | undefined;
  readonly durationMs: number | undefined;
}

/** The body of a health answer. */
export interface HealthBody {
  readonly status: HealthStatus;
  /** ISO 8601. */
  readonly timestamp: string;
  /** The application's version, when the options name one. */
  readonly version?: string | undefined;
  readonly components: Readonly<Record<string, HealthStatus>>;
  /** Only when asked for. */
  readonly details?: Readonly<Record<string, ComponentDetail>> | undefined;
}

/** A health answer, ready to be sent. */
export interface HealthReport {
  readonly status: 200 | 503;
  readonly body: HealthBody;
}

/**
 * Tells balancers, orchestrators and people how the instance is.
 *
 * Checks run in the background: no answer waits for anything, and none costs I/O.
 */
export interface Health extends Room {
  readonly name: 'health';
  /** Whether the process should live: 200 as long as it answers at all, also while it drains. Knows no dependency. */
  live(): HealthReport;
  /**
   * Whether the instance should get traffic: 503 while starting or draining, or when a critical check fails that is not
   * shared; 200 with status `degraded` when something shared is away.
   */
  ready(): HealthReport;
  /** How everything is: 503 only when a critical component is unhealthy. */
  report(options?: { readonly details?: boolean | undefined }): HealthReport;
}
