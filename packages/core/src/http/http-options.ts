import { type OptionsReader, readOptions } from '../kernel/options.js';
import type { RequestPriority } from '../overload/index.js';
import { type ClientsOptions, clientsDefaults, type ResolvedClients, readClients } from './clients.js';
import type { Exchange } from './exchange.js';
import type { LimitHeaders } from './limit-headers.js';
import {
  type ResolvedSlowClients,
  readSlowClients,
  type SlowClientOptions,
  slowClientDefaults,
} from './slow-clients.js';

/** Where the health answers live, and what they tell. */
export interface HealthEndpointOptions {
  /** Whether the process should live. @defaultValue `'/health/live'` */
  readonly live?: string | undefined;
  /** Whether the instance should get traffic. @defaultValue `'/health/ready'` */
  readonly ready?: string | undefined;
  /** Whether the instance has started. @defaultValue `'/health/startup'` */
  readonly startup?: string | undefined;
  /** How everything is. @defaultValue `['/health', '/api/v1/health']` */
  readonly report?: string | readonly string[] | undefined;
  /** Below this path each group of `health.groups` has its own: `/health/orders`. @defaultValue `'/health'` */
  readonly groups?: string | undefined;
  /**
   * `json`: a status for each component. `health+json`: the `pass`, `warn` and `fail` of the draft "Health Check Response
   * Format for HTTP APIs". @defaultValue `'json'`
   */
  readonly format?: 'json' | 'health+json' | undefined;
  /**
   * Who is told what was seen of each component, and when, which may name hosts: nobody, everybody, or who sends a request
   * of which the function says so. One that throws says no. @defaultValue `'never'`
   */
  readonly details?: 'never' | 'always' | ((request: ArrivingRequest) => boolean) | undefined;
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
  /**
   * How much a request matters that says nothing of it on its route, for `pando.overload`; of WebSockets, their handshake. Asked before anything has
   * authenticated the request, and at once: no promise. @defaultValue `'normal'` for all
   */
  readonly priority?: ((request: ArrivingRequest) => RequestPriority | undefined) | undefined;
  /** Answers of `pando.health`, below the path under which the context is mounted; `false` for none. */
  readonly health?: false | HealthEndpointOptions | undefined;
  /** How answers tell of limits; refusals say `Retry-After` in any case. @defaultValue `'draft'` */
  readonly limitHeaders?: LimitHeaders | undefined;
  /** The metrics, for Prometheus; `false` when they are served elsewhere. @defaultValue `{ path: '/metrics' }` */
  readonly metrics?: false | MetricsPath | undefined;
  /**
   * How long a client may take to send a request; `false` leaves that to the server. What the server was made with, other than the
   * defaults of Node and Fastify, stays.
   *
   * @defaultValue `{ headersMs: 10_000, requestMs: 60_000 }`
   */
  readonly slowClients?: false | SlowClientOptions | undefined;
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
  slowClients: slowClientDefaults,
  clients: clientsDefaults,
  cookie: Object.freeze({ maxAgeMs: 30_000 }),
  health: Object.freeze({
    live: '/health/live',
    ready: '/health/ready',
    startup: '/health/startup',
    report: Object.freeze(['/health', '/api/v1/health']),
    groups: '/health',
    format: 'json' as const,
    details: 'never' as const,
  }),
  limitHeaders: 'draft' as LimitHeaders,
  metrics: Object.freeze({ path: '/metrics' }),
  tokens: Object.freeze({ maxAgeMs: 30_000, waitMs: 50 }),
});

/** What a probe asks for. */
export type ProbeKind = 'live' | 'startup' | 'ready' | 'report' | 'metrics' | `group:${string}`;

/** How health answers look. */
export type HealthManner = Readonly<{
  [K in 'format' | 'details']-?: NonNullable<HealthEndpointOptions[K]>;
}>;

/** {@link KeptTokenOptions} with every default filled in. */
export type ResolvedTokenOptions = Readonly<{
  [K in keyof KeptTokenOptions]-?: NonNullable<KeptTokenOptions[K]>;
}>;

/** Options with every default filled in. */
export interface ResolvedHttpOptions {
  readonly clients: ResolvedClients | undefined;
  readonly cookie: false | { readonly maxAgeMs: number };
  readonly tokens: ResolvedTokenOptions | undefined;
  readonly limitHeaders: LimitHeaders;
  readonly slowClients: ResolvedSlowClients | false;
  readonly balancerIdleMs: number | undefined;
  readonly priority: HttpOptions['priority'];
  /** Which probe is answered at which path. */
  readonly probes: ReadonlyMap<string, ProbeKind>;
  readonly health: HealthManner;
}

/**
 * Checks the options; throws `PandoOptionsError`.
 *
 * `beside` are the names that users write into the same object and an adapter reads: a misspelt one is found, too. `groups` are
 * those of the kit's health.
 */
export function resolveHttpOptions(
  options: HttpOptions = {},
  beside: readonly string[] = [],
  groups: readonly string[] = [],
): ResolvedHttpOptions {
  const reader = readOptions('http', options);
  for (const key of beside) reader.any(key);
  const clients = readClients(reader);
  const cookie = readCookie(reader);
  const tokens = readTokens(reader, cookie === false ? undefined : cookie.maxAgeMs);
  const priority = reader.fn<NonNullable<HttpOptions['priority']>, undefined>('priority', undefined);
  const probes = new Map<string, ProbeKind>();
  readMetricsPath(reader, probes);
  const health = readHealth(reader, probes, groups);
  const slowClients = readSlowClients(reader);
  const balancerIdleMs = reader.ms('balancerIdleMs', undefined);
  const limitHeaders = readLimitHeaders(reader);
  reader.done();
  return { clients, slowClients, cookie, tokens, priority, limitHeaders, balancerIdleMs, probes, health };
}

const limitHeaderForms: readonly LimitHeaders[] = ['draft', 'legacy', 'both', false];

function readLimitHeaders(reader: OptionsReader): LimitHeaders {
  const form = reader.any('limitHeaders', httpDefaults.limitHeaders) as LimitHeaders;
  if (!limitHeaderForms.includes(form))
    reader.fail('limitHeaders', 'one of "draft", "legacy", "both", or false');
  return form;
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

function readHealth(
  reader: OptionsReader,
  probes: Map<string, ProbeKind>,
  groups: readonly string[],
): HealthManner {
  const { format, details } = httpDefaults.health;
  const health = reader.nestedOrFalse('health');
  if (health === false) return { format, details };
  for (const kind of ['live', 'ready', 'startup'] as const) {
    probes.set(readPath(health, kind, httpDefaults.health[kind]), kind);
  }
  const report = health.any('report', httpDefaults.health.report);
  for (const path of Array.isArray(report) ? report : [report]) {
    if (!isPath(path)) health.fail('report', 'a path such as "/health", or a list of paths');
    probes.set(path, 'report');
  }
  const below = readPath(health, 'groups', httpDefaults.health.groups).replace(/\/$/, '');
  for (const group of groups) {
    const path = `${below}/${group}`;
    if (probes.has(path)) health.fail('groups', `a path below which "${group}" is free`);
    probes.set(path, `group:${group}`);
  }
  const manner = {
    format: health.oneOf('format', ['json', 'health+json'], format),
    details: readDetails(health),
  };
  health.done();
  return manner;
}

function readDetails(health: OptionsReader): HealthManner['details'] {
  const details = health.any('details', httpDefaults.health.details);
  const isKnown = details === 'never' || details === 'always' || typeof details === 'function';
  return isKnown
    ? (details as HealthManner['details'])
    : health.fail('details', '"never", "always", or a function of the request');
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
