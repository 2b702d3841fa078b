import { type OptionsReader, readOptions } from '../kernel/options.js';

/** Where the health answers live. */
export interface HealthPaths {
  /** Whether the process should live. @defaultValue `'/health/live'` */
  readonly live?: string | undefined;
  /** Whether the instance should get traffic. @defaultValue `'/health/ready'` */
  readonly ready?: string | undefined;
  /** How everything is. @defaultValue `['/health', '/api/v1/health']` */
  readonly report?: string | readonly string[] | undefined;
}

/** Where the metrics live. */
export interface MetricsPath {
  /** Where Prometheus asks for them. @defaultValue `'/metrics'` */
  readonly path?: string | undefined;
}

/** The cookie that carries what a browser has seen. */
export interface CookieOptions {
  /** How long the browser keeps it: longer than the longest lag of a replica in rotation. @defaultValue `30_000` */
  readonly maxAgeMs?: number | undefined;
}

/** What the door does besides handing requests on. */
export interface HttpOptions {
  /**
   * The cookie that lets plain browsers read their own writes; `false` leaves it to clients to return the token header.
   * Its life must cover the longest lag of a replica in rotation.
   *
   * @defaultValue `{ maxAgeMs: 30_000 }`
   */
  readonly cookie?: false | CookieOptions | undefined;
  /** Answers of `pando.health`, below the path under which the context is mounted; `false` for none. */
  readonly health?: false | HealthPaths | undefined;
  /** The metrics, for Prometheus; `false` when they are served elsewhere. @defaultValue `{ path: '/metrics' }` */
  readonly metrics?: false | MetricsPath | undefined;
}

/** The defaults. */
export const httpDefaults = Object.freeze({
  cookie: Object.freeze({ maxAgeMs: 30_000 }),
  health: Object.freeze({
    live: '/health/live',
    ready: '/health/ready',
    report: Object.freeze(['/health', '/api/v1/health']),
  }),
  metrics: Object.freeze({ path: '/metrics' }),
});

/** What a probe asks for. */
export type ProbeKind = 'live' | 'ready' | 'report' | 'metrics';

/** Options with every default filled in. */
export interface ResolvedHttpOptions {
  readonly cookie: false | { readonly maxAgeMs: number };
  /** Which probe is answered at which path. */
  readonly probes: ReadonlyMap<string, ProbeKind>;
}

/**
 * Checks the options; throws `PandoOptionsError`.
 *
 * `beside` are the names that users write into the same object and an adapter reads: a misspelt one is found, too.
 */
export function resolveHttpOptions(
  options: HttpOptions = {},
  beside: readonly string[] = [],
): ResolvedHttpOptions {
  const reader = readOptions('http', options);
  for (const key of beside) reader.any(key);
  const cookie = readCookie(reader);
  const probes = new Map<string, ProbeKind>();
  readHealthPaths(reader, probes);
  readMetricsPath(reader, probes);
  reader.done();
  return { cookie, probes };
}

function readCookie(reader: OptionsReader): ResolvedHttpOptions['cookie'] {
  const cookie = reader.nestedOrFalse('cookie');
  if (cookie === false) return false;
  const maxAgeMs = cookie.ms('maxAgeMs', httpDefaults.cookie.maxAgeMs, { min: 1_000 });
  cookie.done();
  return { maxAgeMs };
}

function readHealthPaths(reader: OptionsReader, probes: Map<string, ProbeKind>): void {
  const paths = reader.nestedOrFalse('health');
  if (paths === false) return;
  probes.set(readPath(paths, 'live', httpDefaults.health.live), 'live');
  probes.set(readPath(paths, 'ready', httpDefaults.health.ready), 'ready');
  const report = paths.any('report', httpDefaults.health.report);
  for (const path of Array.isArray(report) ? report : [report]) {
    if (!isPath(path)) paths.fail('report', 'a path such as "/health", or a list of paths');
    probes.set(path, 'report');
  }
  paths.done();
}

function readMetricsPath(reader: OptionsReader, probes: Map<string, ProbeKind>): void {
  const metrics = reader.nestedOrFalse('metrics');
  if (metrics === false) return;
  probes.set(readPath(metrics, 'path', httpDefaults.metrics.path), 'metrics');
  metrics.done();
}

function readPath(reader: OptionsReader, key: string, fallback: string): string {
  const path = reader.string(key, fallback);
  if (!isPath(path)) reader.fail(key, `a path such as "${fallback}"`);
  return path;
}

const isPath = (path: unknown): path is string => typeof path === 'string' && /^\/[^?#]*$/.test(path);
