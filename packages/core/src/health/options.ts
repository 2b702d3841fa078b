import { type OptionsReader, readOptions } from '../kernel/options.js';
import type { HealthCheck } from './ports.js';

/**
 * What takes an instance out of the balancer: `own` counts what belongs to this instance alone, `all` counts what every
 * instance shares, too. With `all`, a database that is away for everybody leaves the balancer with no instance at all.
 */
export type ReadyPolicy = 'own' | 'all';

/** How the health of an instance is found out. */
export interface HealthOptions {
  /** The application's version, shown in every answer. */
  readonly version?: string | undefined;
  /** The application's own checks, beside those of the rooms. @defaultValue `[]` */
  readonly checks?: readonly HealthCheck[] | undefined;
  /**
   * Answers about some components, by the name that is part of their path: `{ orders: ['database', 'stripe'] }` is answered
   * at `/health/orders`, with 503 when one of them is unhealthy. @defaultValue `{}`
   */
  readonly groups?: HealthGroups | undefined;
  /** What takes the instance out of the balancer: what belongs to it alone, or also what all share. @defaultValue `'own'` */
  readonly readyPolicy?: ReadyPolicy | undefined;
  /** Between two looks at one thing. @defaultValue `5_000` */
  readonly intervalMs?: number | undefined;
  /** The part of the interval that varies, so that instances do not look at the same moment. @defaultValue `0.2` */
  readonly jitterRatio?: number | undefined;
  /** For one look. @defaultValue `1_000` */
  readonly timeoutMs?: number | undefined;
  /** Worse looks in a row before the status gets worse. @defaultValue `3` */
  readonly failAfter?: number | undefined;
  /** Better looks in a row before the status gets better. @defaultValue `2` */
  readonly passAfter?: number | undefined;
  /**
   * Without a finished look for that long, a component counts as unhealthy; never less than two intervals and a timeout
   * of the check. @defaultValue `20_000`
   */
  readonly staleAfterMs?: number | undefined;
}

/** Names of components, by the name of their group. */
export type HealthGroups = Readonly<Record<string, readonly string[]>>;

/** The defaults. */
export const healthDefaults = Object.freeze({
  checks: Object.freeze<readonly never[]>([]),
  groups: Object.freeze<HealthGroups>({}),
  readyPolicy: 'own' as ReadyPolicy,
  intervalMs: 5_000,
  jitterRatio: 0.2,
  timeoutMs: 1_000,
  failAfter: 3,
  passAfter: 2,
  staleAfterMs: 20_000,
});

/** The defaults of one {@link HealthCheck}. */
export const checkDefaults = Object.freeze({ shared: false });

/** Options with every default filled in. */
export interface ResolvedHealthOptions {
  readonly version: string | undefined;
  readonly checks: readonly HealthCheck[];
  readonly groups: HealthGroups;
  readonly readyPolicy: ReadyPolicy;
  readonly intervalMs: number;
  readonly jitterRatio: number;
  readonly timeoutMs: number;
  readonly failAfter: number;
  readonly passAfter: number;
  readonly staleAfterMs: number;
}

/** Checks the options; throws `PandoOptionsError`. */
export function resolveHealthOptions(options: HealthOptions = {}): ResolvedHealthOptions {
  const reader = readOptions('health', options);
  const resolved: ResolvedHealthOptions = {
    version: reader.string('version', undefined),
    checks: readChecks(reader),
    groups: readGroups(reader),
    readyPolicy: reader.oneOf('readyPolicy', ['own', 'all'], healthDefaults.readyPolicy),
    intervalMs: reader.ms('intervalMs', healthDefaults.intervalMs),
    jitterRatio: reader.ratio('jitterRatio', healthDefaults.jitterRatio),
    timeoutMs: reader.ms('timeoutMs', healthDefaults.timeoutMs),
    failAfter: reader.int('failAfter', healthDefaults.failAfter, { min: 1 }),
    passAfter: reader.int('passAfter', healthDefaults.passAfter, { min: 1 }),
    staleAfterMs: reader.ms('staleAfterMs', healthDefaults.staleAfterMs),
  };
  reader.done();
  return resolved;
}

function readChecks(reader: OptionsReader): readonly HealthCheck[] {
  const checks = reader.any('checks', healthDefaults.checks);
  if (!Array.isArray(checks)) reader.fail('checks', 'a list of checks');
  return checks.map((check: unknown, index) => readCheck(check, `health.checks[${index}]`));
}

/** Names that have paths of their own, beside those of groups. */
const taken: readonly string[] = ['live', 'ready', 'startup'];

function readGroups(reader: OptionsReader): HealthGroups {
  const groups = reader.any('groups', healthDefaults.groups);
  if (typeof groups !== 'object' || groups === null || Array.isArray(groups)) {
    reader.fail('groups', 'an object of lists of components');
  }
  const entries = readOptions('health.groups', groups);
  for (const [name, components] of Object.entries(groups as HealthGroups)) {
    if (!/^[\w-]+$/.test(name) || taken.includes(name)) {
      entries.fail(name, `named by letters, digits and "-", and not ${taken.join(', ')}`);
    }
    const isList = Array.isArray(components) && components.every((one) => typeof one === 'string');
    if (!isList || components.length === 0) entries.fail(name, 'a list of names of components');
  }
  return groups as HealthGroups;
}

function readCheck(check: unknown, path: string): HealthCheck {
  const reader: OptionsReader = readOptions(path, check);
  const run = reader.fn<HealthCheck['run'], undefined>('run', undefined);
  if (run === undefined) reader.fail('run', 'a function');
  const name = reader.string('name', undefined);
  if (name === undefined) reader.fail('name', 'a non-empty string');
  const critical = reader.any('critical');
  if (typeof critical !== 'boolean') reader.fail('critical', 'true or false');
  const resolved: HealthCheck = {
    name,
    critical,
    shared: reader.boolean('shared', checkDefaults.shared),
    intervalMs: reader.ms('intervalMs', undefined),
    timeoutMs: reader.ms('timeoutMs', undefined),
    run: (options) => run.call(check, options),
  };
  reader.done();
  return resolved;
}
