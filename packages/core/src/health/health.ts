import { abortable, type Signalled } from '../kernel/abort.js';
import type { Kernel } from '../kernel/kernel.js';
import type { Check, CheckResult, Room } from '../kernel/room.js';
import { UnknownGroupError } from './errors.js';
import { checkGroups } from './groups.js';
import { healthInstruments } from './metrics.js';
import type { ResolvedHealthOptions } from './options.js';
import type { HealthCheck, InstanceState } from './ports.js';
import { Probe } from './probe.js';
import { worst } from './verdict.js';

/** One of four: well, with something missing, well but with nothing free, of no use. */
export type ComponentStatus = CheckResult['status'];

/** One of three: serving, serving with something missing, not able to serve. */
export type HealthStatus = Exclude<ComponentStatus, 'saturated'>;

/** What is known of one component. For operators; strangers get the status alone. */
export interface ComponentDetail {
  readonly status: ComponentStatus;
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
  readonly components: Readonly<Record<string, ComponentStatus>>;
  /** Only when asked for. */
  readonly details?: Readonly<Record<string, ComponentDetail>> | undefined;
}

/** A health answer, ready to be sent. */
export interface HealthReport {
  readonly status: 200 | 503;
  readonly body: HealthBody;
}

/** What an answer tells. */
export interface ReportOptions {
  /** Whether it says of each component what was seen, and when. May name hosts: not for strangers. @defaultValue `false` */
  readonly details?: boolean | undefined;
}

/**
 * Tells balancers, orchestrators and people how the instance is.
 *
 * Checks run in the background: no answer waits for anything, and none costs I/O.
 */
export interface Health extends Room {
  readonly name: 'health';
  /** Names of the groups that the options define. */
  readonly groups: readonly string[];
  /** Whether the process should live: 200 as long as it answers at all, also while it drains. Knows no dependency. */
  live(): HealthReport;
  /** Whether the instance has started: 503 until then, 200 ever after. Knows no dependency. */
  startup(): HealthReport;
  /**
   * Whether the instance should get traffic: 503 while starting or draining (component `lifecycle`), or when something
   * critical is unhealthy or saturated that is not shared; 200 with status `degraded` when something shared is away. See
   * `readyPolicy`.
   */
  ready(options?: ReportOptions): HealthReport;
  /** How everything is: 503 only when a critical component is unhealthy. */
  report(options?: ReportOptions): HealthReport;
  /**
   * How the components of one group are: 503 when one of them is unhealthy, critical or not.
   *
   * @throws `UnknownGroupError` when the options define no such group.
   */
  group(name: string, options?: ReportOptions): HealthReport;
}

/** What surrounds the health room. */
export interface HealthSurroundings {
  readonly rooms: () => readonly Pick<Room, 'checks'>[];
  /** Undefined when nobody but the room itself knows. */
  readonly state: (() => InstanceState) | undefined;
  readonly random: () => number;
  /** Components that groups may name although nobody looks at them here. */
  readonly absent: readonly string[];
}

/** By component: several rooms may look at the same thing. */
type Components = ReadonlyMap<string, readonly Probe[]>;

/** Whether what is seen of a component makes the whole unhealthy, and not only degraded. */
type Gravity = (probe: Probe, seen: ComponentStatus) => boolean;

const gaugeOf: Readonly<Record<ComponentStatus, number>> = {
  healthy: 1,
  degraded: 0.5,
  saturated: 0.25,
  unhealthy: 0,
};

/** The manager behind {@link Health}: asks the probes, weighs what they saw. */
export class HealthRoom implements Health {
  readonly name = 'health';
  readonly #kernel: Kernel;
  readonly #options: ResolvedHealthOptions;
  readonly #surroundings: HealthSurroundings;
  readonly #closing = new AbortController();
  readonly #gauges: Disposable[] = [];
  readonly #components = new Map<string, Probe[]>();
  readonly #groups: ReadonlyMap<string, readonly string[]>;
  #state: InstanceState = 'starting';
  #started: Promise<void> | undefined;

  constructor(kernel: Kernel, options: ResolvedHealthOptions, surroundings: HealthSurroundings) {
    this.#kernel = kernel;
    this.#options = options;
    this.#surroundings = surroundings;
    for (const check of options.checks) this.#add(check, check.shared ?? false);
    for (const check of surroundings.rooms().flatMap((room) => room.checks()))
      this.#add(check, check.shared ?? true);
    this.#groups = new Map(Object.entries(options.groups));
    checkGroups(this.#groups, new Set([...this.#components.keys(), ...surroundings.absent]));
  }

  get groups(): readonly string[] {
    return [...this.#groups.keys()];
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
    return this.#answer('healthy', new Map());
  }

  startup(): HealthReport {
    return this.#stage === 'starting' ? this.#notReady(new Map()) : this.#answer('healthy', new Map());
  }

  ready({ details }: ReportOptions = {}): HealthReport {
    if (this.#stage !== 'ready') return this.#notReady(this.#components, details);
    const isGrave: Gravity = ({ critical, shared }) =>
      critical && (!shared || this.#options.readyPolicy === 'all');
    return this.#answer(weigh(this.#components, isGrave), this.#components, details);
  }

  report({ details }: ReportOptions = {}): HealthReport {
    // Nothing is known: to call that healthy would be a lie.
    if (this.#started === undefined) return this.#notReady(this.#components, details);
    const isGrave: Gravity = ({ critical }, seen) => critical && seen === 'unhealthy';
    return this.#answer(weigh(this.#components, isGrave), this.#components, details);
  }

  group(name: string, { details }: ReportOptions = {}): HealthReport {
    const names = this.#groups.get(name);
    if (names === undefined) throw new UnknownGroupError(name, this.groups);
    const members = new Map([...this.#components].filter(([component]) => names.includes(component)));
    if (this.#started === undefined) return this.#notReady(members, details);
    const isGrave: Gravity = (_, seen) => seen === 'unhealthy';
    return this.#answer(weigh(members, isGrave), members, details);
  }

  get #stage(): InstanceState {
    return this.#surroundings.state?.() ?? this.#state;
  }

  #notReady(components: Components, details?: boolean): HealthReport {
    const { status, body } = this.#answer('unhealthy', components, details);
    return { status, body: { ...body, components: { ...body.components, lifecycle: 'unhealthy' } } };
  }

  async #startProbes(): Promise<void> {
    const { meter } = this.#kernel;
    this.#gauges.push(meter.observe(healthInstruments.ready, () => Number(this.ready().status === 200)));
    for (const [component, probes] of this.#components) {
      const read = () => gaugeOf[statusOf(probes)];
      this.#gauges.push(meter.observe(healthInstruments.status, read, { component }));
    }
    await Promise.all([...this.#components.values()].flat().map((probe) => probe.start()));
    if (this.#state === 'starting') this.#state = 'ready';
  }

  #add(check: Check, shared: boolean): void {
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

  #answer(status: HealthStatus, components: Components, details = false): HealthReport {
    const body: HealthBody = {
      status,
      timestamp: new Date(this.#kernel.clock.now()).toISOString(),
      ...(this.#options.version !== undefined && { version: this.#options.version }),
      components: Object.fromEntries([...components].map(([name, probes]) => [name, statusOf(probes)])),
      ...(details && {
        details: Object.fromEntries([...components].map(([name, probes]) => [name, detailOf(probes)])),
      }),
    };
    return { status: status === 'unhealthy' ? 503 : 200, body };
  }
}

/** Unhealthy only for what is grave; everything else degrades. */
function weigh(components: Components, isGrave: Gravity): HealthStatus {
  let status: HealthStatus = 'healthy';
  for (const probe of [...components.values()].flat()) {
    const seen = probe.status;
    const isBad = seen === 'unhealthy' || seen === 'saturated';
    if (isBad && isGrave(probe, seen)) return 'unhealthy';
    if (seen !== 'healthy') status = 'degraded';
  }
  return status;
}

function statusOf(probes: readonly Probe[]): ComponentStatus {
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
