import type { Server } from 'node:http';
import type { OptionsReader } from '../kernel/options.js';
import type { HttpServer } from './server-guard.js';

/** How long a client may take to say what it wants. */
export interface SlowClientOptions {
  /** From a request's first byte to the end of its head. @defaultValue `10_000` */
  readonly headersMs?: number | undefined;
  /** From a request's first byte to the end of its body; not less than `headersMs`. Large uploads over slow lines need more. @defaultValue `60_000` */
  readonly requestMs?: number | undefined;
}

/** The defaults. */
export const slowClientDefaults = Object.freeze({ headersMs: 10_000, requestMs: 60_000 });

/** {@link SlowClientOptions} with every default filled in. */
export type ResolvedSlowClients = Readonly<{ [K in keyof SlowClientOptions]-?: number }>;

/** Checks `slowClients`; throws `PandoOptionsError`. */
export function readSlowClients(http: OptionsReader): ResolvedSlowClients | false {
  const reader = http.nestedOrFalse('slowClients');
  if (reader === false) return false;
  const headersMs = reader.ms('headersMs', slowClientDefaults.headersMs);
  const fallback = Math.max(headersMs, slowClientDefaults.requestMs);
  const requestMs = reader.ms('requestMs', fallback, { min: headersMs });
  reader.done();
  return { headersMs, requestMs };
}

/** What Node sets unless it is told otherwise, and, for requests, what Fastify does. */
const defaults = { headers: 60_000, requests: [300_000, 0], interval: 30_000 };
/** How often the server looks for slow clients. */
const lookEveryMs = 5_000;

/** A setting that the types tell of as an option only. It counts from the moment in which the server begins to listen. */
type WithInterval = Server & { connectionsCheckingInterval?: number };

/**
 * Lets a server cut clients that say what they want a byte at a time, to hold connections: 408, and the connection ends.
 *
 * Node by itself looks for them every 30 s and gives them a minute or five; Fastify any time for bodies. What the application
 * has set otherwise stays. HTTP/2 has no such settings.
 */
export function cutSlowClients(server: HttpServer, slowClients: ResolvedSlowClients | false): void {
  if (slowClients === false || !('headersTimeout' in server)) return;
  const { headersMs, requestMs } = slowClients;
  const settings: WithInterval = server;
  if (settings.headersTimeout === defaults.headers) settings.headersTimeout = headersMs;
  if (defaults.requests.includes(settings.requestTimeout)) settings.requestTimeout = requestMs;
  if (settings.connectionsCheckingInterval === defaults.interval)
    settings.connectionsCheckingInterval = Math.min(lookEveryMs, Math.ceil(headersMs / 2));
}
