import { type OptionsReader, readOptions } from '../kernel/options.js';
import { type ClientsOptions, clientsDefaults, type ResolvedClients, readClients } from './clients.js';
import type { Exchange } from './exchange.js';

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

/** What is known of a request before the application has seen it. */
export type ArrivingRequest = Pick<Exchange, 'method' | 'url' | 'headers' | 'ip' | 'host' | 'secure'>;

/** Tokens kept for clients that return neither header nor cookie. */
export interface KeptTokenOptions {
  /**
   * Names the user, account or caller that sends a request; `undefined` keeps nothing for it. Asked before anything has
   * authenticated the request: take what is cheap and stable, such as the API key. Who names another user sees no data of theirs, only
   * slower reads.
   */
  readonly userOf: (request: ArrivingRequest) => string | undefined;
  /**
   * How long a token is kept after its write: longer than the longest lag of a replica in rotation. As long as the cookie
   * unless given. @defaultValue `30_000`
   */
  readonly maxAgeMs?: number | undefined;
  /**
   * How long a request waits for its kept token, and an answer for its own to be kept. A request that waited in vain reads from the
   * primary and uses no cache. @defaultValue `50`
   */
  readonly waitMs?: number | undefined;
}

/** What the door does besides handing requests on. */
export interface HttpOptions {
  /**
   * Who a client is behind proxies: to limits, to streams and sockets, to `clientAddress`. Scheme and host remain the framework's to say.
   *
   * @defaultValue the address that the framework tells, by its own proxy settings
   */
  readonly clients?: ClientsOptions | undefined;
  /**
   * The cookie that lets plain browsers read their own writes; `false` leaves it to clients to return the token header.
   * Its life must cover the longest lag of a replica in rotation.
   *
   * @defaultValue `{ maxAgeMs: 30_000 }`
   */
  readonly cookie?: false | CookieOptions | undefined;
  /**
   * Keeps tokens in Redis for clients that return neither header nor cookie: native apps, servers, webhooks. A request
   * without a token of its own begins with one question to Redis then; without Redis they are kept in this process.
   *
   * @defaultValue none are kept
   */
  readonly tokens?: false | KeptTokenOptions | undefined;
  /** Answers of `pando.health`, below the path under which the context is mounted; `false` for none. */
  readonly health?: false | HealthPaths | undefined;
  /** The metrics, for Prometheus; `false` when they are served elsewhere. @defaultValue `{ path: '/metrics' }` */
  readonly metrics?: false | MetricsPath | undefined;
  /**
   * How long the balancer in front keeps an idle connection to an instance: 60 s at AWS and nginx, 600 s at Google Cloud. The
   * server keeps it longer then, so that no request is sent on a connection that is just being closed, which the balancer
   * would answer with 502.
   *
   * @defaultValue as the server does: 5 s on Express, 72 s on Fastify
   */
  readonly balancerIdleMs?: number | undefined;
}

/** The defaults. */
export const httpDefaults = Object.freeze({
  clients: clientsDefaults,
  cookie: Object.freeze({ maxAgeMs: 30_000 }),
  health: Object.freeze({
    live: '/health/live',
    ready: '/health/ready',
    report: Object.freeze(['/health', '/api/v1/health']),
  }),
  metrics: Object.freeze({ path: '/metrics' }),
  tokens: Object.freeze({ maxAgeMs: 30_000, waitMs: 50 }),
});

/** What a probe asks for. */
export type ProbeKind = 'live' | 'ready' | 'report' | 'metrics';

/** {@link KeptTokenOptions} with every default filled in. */
export type ResolvedTokenOptions = Readonly<{
  [K in keyof KeptTokenOptions]-?: NonNullable<KeptTokenOptions[K]>;
}>;

/** Options with every default filled in. */
export interface ResolvedHttpOptions {
  readonly clients: ResolvedClients | undefined;
  readonly cookie: false | { readonly maxAgeMs: number };
  readonly tokens: ResolvedTokenOptions | undefined;
  readonly balancerIdleMs: number | undefined;
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
  const clients = readClients(reader);
  const cookie = readCookie(reader);
  const tokens = readTokens(reader, cookie === false ? undefined : cookie.maxAgeMs);
  const probes = new Map<string, ProbeKind>();
  readHealthPaths(reader, probes);
  readMetricsPath(reader, probes);
  const balancerIdleMs = reader.ms('balancerIdleMs', undefined);
  reader.done();
  return { clients, cookie, tokens, balancerIdleMs, probes };
}

function readCookie(reader: OptionsReader): ResolvedHttpOptions['cookie'] {
  const cookie = reader.nestedOrFalse('cookie');
  if (cookie === false) return false;
  const maxAgeMs = cookie.ms('maxAgeMs', httpDefaults.cookie.maxAgeMs, { min: 1_000 });
  cookie.done();
  return { maxAgeMs };
}

function readTokens(
  reader: OptionsReader,
  maxAgeMs: number = httpDefaults.tokens.maxAgeMs,
): ResolvedTokenOptions | undefined {
  if (reader.any('tokens') === undefined) return undefined;
  const tokens = reader.nestedOrFalse('tokens');
  if (tokens === false) return undefined;
  const userOf =
    tokens.fn<KeptTokenOptions['userOf'], undefined>('userOf', undefined) ??
    tokens.fail('userOf', 'a function that names the user of a request');
  const resolved = {
    userOf,
    maxAgeMs: tokens.ms('maxAgeMs', maxAgeMs, { min: 1_000 }),
    waitMs: tokens.ms('waitMs', httpDefaults.tokens.waitMs),
  };
  tokens.done();
  return resolved;
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
