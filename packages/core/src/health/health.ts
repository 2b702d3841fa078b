import { abortable, type Signalled } from '../kernel/abort.js';
import type { Kernel } from '../kernel/kernel.js';
import type { Check, CheckResult, Room } from '../kernel/room.js';
import { healthInstruments } from './metrics.js';
import type { ResolvedHealthOptions } from './options.js';
import type { HealthCheck, InstanceState } from './ports.js';
import { Probe } from './probe.js';
import { worse, worst } from './verdict.js';

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
   * Whether the instance should get traffic: 503 while starting or draining (component `lifecycle`), or when a critical
   * check fails that is not shared; 200 with status `degraded` when something shared is away. See `readyPolicy`.
   */
  ready(): HealthReport;
  /** How everything is: 503 only when a critical component is unhealthy. Details may name hosts: not for strangers. */
  report(options?: { readonly details?: boolean | undefined }): HealthReport;
}

/** What surrounds the health room. */
export interface HealthSurroundings {
  readonly rooms: () => readonly Pick<Room, 'checks'>[];
  /** Undefined when nobody but the room itself knows. */
  readonly state: (() => InstanceState) | undefined;
  readonly random: () => number;
}

const gaugeOf: Readonly<Record<HealthStatus, number>> = { healthy: 1, degraded: 0.5, unhealthy: 0 };

/** The manager behind {@link Health}: asks the probes, weighs what they saw. */
export class HealthRoom implements Health {
  readonly name = 'health';
  readonly #kernel: Kernel;
  readonly #options: ResolvedHealthOptions;
  readonly #surroundings: HealthSurroundings;
  readonly #closing = new AbortController();
  readonly #gauges: Disposable[] = [];
  /** By component: several rooms may look at the same thing. */
  readonly #components = new Map<string, Probe[]>();
  #state: InstanceState = 'starting';
  #started: Promise<void> | undefined;

  constructor(kernel: Kernel, options: ResolvedHealthOptions, surroundings: HealthSurroundings) {
    this.#kernel = kernel;
    this.#options = options;
    this.#surroundings = surroundings;
  }

  /** Looks at everything once, and from then on in the background. */
  async start({ signal }: Signalled = {}): Promise<void> {
    this.#started ??= this.#startProbes();
    await abortable(this.#started, signal);
  }

  async drain(): Promise<void> {
    if (this.#state !== 'closed') this.#state = 'draining';
  }

  async close(): Promise<void> {
    this.#state = 'closed';
    this.#closing.abort();
    for (const gauge of this.#gauges.splice(0)) gauge[Symbol.dispose]();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  checks(): readonly Check[] {
    return [];
  }

  live(): HealthReport {
    return this.#answer('healthy', {});
  }

  ready(): HealthReport {
    if ((this.#surroundings.state?.() ?? this.#state) !== 'ready') return this.#notReady();
    const counts = ({ critical, shared }: Probe) =>
      critical && (!shared || this.#options.readyPolicy === 'all');
    return this.#answer(this.#weigh(counts), this.#statuses());
  }

  report({ details = false }: { readonly details?: boolean | undefined } = {}): HealthReport {
    if (this.#started === undefined) return this.#notReady(); // nothing is known: to call that healthy would be a lie
    const status = this.#weigh(({ critical }) => critical);
    return this.#answer(status, this.#statuses(), details ? this.#details() : undefined);
  }

  #notReady(): HealthReport {
    return this.#answer('unhealthy', { ...this.#statuses(), lifecycle: 'unhealthy' });
  }

  async #startProbes(): Promise<void> {
    const { checks } = this.#options;
    for (const check of checks) this.#add(check, check.shared ?? false);
    for (const check of this.#surroundings.rooms().flatMap((room) => room.checks())) this.#add(check, true);
    for (const [component, probes] of this.#components) {
      const read = () => gaugeOf[statusOf(probes)];
      this.#gauges.push(this.#kernel.meter.observe(healthInstruments.status, read, { component }));
    }
    await Promise.all([...this.#components.values()].flat().map((probe) => probe.start()));
    if (this.#state === 'starting') this.#state = 'ready';
  }

  #add(check: HealthCheck, shared: boolean): void {
    const { intervalMs, timeoutMs, staleAfterMs, ...rest } = { ...this.#options, ...definedOf(check) };
    const options = {
      ...rest,
      shared,
      intervalMs,
      timeoutMs,
      staleAfterMs: Math.max(staleAfterMs, 2 * intervalMs + timeoutMs),
    };
    const probe = new Probe(check, options, this.#kernel, this.#surroundings.random, this.#closing.signal);
    const probes = this.#components.get(check.name);
    if (probes === undefined) this.#components.set(check.name, [probe]);
    else probes.push(probe);
  }

  /** Unhealthy only for what counts; everything else degrades. */
  #weigh(counts: (probe: Probe) => boolean): HealthStatus {
    let status: HealthStatus = 'healthy';
    for (const probe of [...this.#components.values()].flat()) {
      const seen = probe.status;
      status = worse(status, seen === 'unhealthy' && !counts(probe) ? 'degraded' : seen);
    }
    return status;
  }

  #statuses(): Record<string, HealthStatus> {
    return Object.fromEntries([...this.#components].map(([name, probes]) => [name, statusOf(probes)]));
  }

  #details(): Record<string, ComponentDetail> {
    return Object.fromEntries([...this.#components].map(([name, probes]) => [name, detailOf(probes)]));
  }

  #answer(
    status: HealthStatus,
    components: HealthBody['components'],
    details?: HealthBody['details'],
  ): HealthReport {
    const body: HealthBody = {
      status,
      timestamp: new Date(this.#kernel.clock.now()).toISOString(),
      ...(this.#options.version !== undefined && { version: this.#options.version }),
      components,
      ...(details !== undefined && { details }),
    };
    return { status: status === 'unhealthy' ? 503 : 200, body };
  }
}

function statusOf(probes: readonly Probe[]): HealthStatus {
  return worst(probes.map(({ status }) => status));
}

/** Of the probe that saw the worst. */
function detailOf(probes: readonly Probe[]): ComponentDetail {
  const status = statusOf(probes);
  const worstSeen = probes.find((probe) => probe.status === status) as Probe;
  return {
    status,
    critical: probes.some(({ critical }) => critical),
    shared: probes.every(({ shared }) => shared),
    ...(worstSeen.detail !== undefined && { detail: worstSeen.detail }),
    checkedAt: worstSeen.checkedAt,
    durationMs: worstSeen.durationMs,
  };
}

/** A check's own rhythm, without what it leaves to the room. */
function definedOf({ intervalMs, timeoutMs }: HealthCheck): { intervalMs?: number; timeoutMs?: number } {
  return { ...(intervalMs !== undefined && { intervalMs }), ...(timeoutMs !== undefined && { timeoutMs }) };
}
