import { randomUUID } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import type { Exchange } from './exchange.js';

/** All values of a request header: of repeated ones, and of lists. */
export function headerList(headers: IncomingHttpHeaders, name: string): readonly string[] {
  const value = headers[name];
  if (value === undefined) return [];
  return (Array.isArray(value) ? value.join(',') : value)
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '');
}

/** The one value of a request header; the first of repeated ones. */
export function headerOf(headers: IncomingHttpHeaders, name: string): string | undefined {
  const value = headers[name];
  return Array.isArray(value) ? value[0] : value;
}

/** The caller's id of a request if it is fit for logs, otherwise a new one. */
export function requestId(headers: IncomingHttpHeaders): string {
  const given = headerOf(headers, 'x-request-id');
  return given !== undefined && /^[\w.:@/+=-]{1,128}$/.test(given) ? given : randomUUID();
}

const noCookies: ReadonlyMap<string, string> = new Map();

/** The cookies whose names begin with the prefix (RFC 6265, section 5.4), in the order in which they were sent. */
export function cookiesOf(headers: IncomingHttpHeaders, prefix: string): ReadonlyMap<string, string> {
  const header = headers.cookie;
  if (header === undefined || !header.includes(prefix)) return noCookies;
  const cookies = new Map<string, string>();
  for (const pair of header.split(';')) {
    const separator = pair.indexOf('=');
    const name = pair.slice(0, separator).trim();
    if (separator > 0 && name.startsWith(prefix)) cookies.set(name, pair.slice(separator + 1).trim());
  }
  return cookies;
}

/** Whether pages of other origins may read the answer. */
export function isForOtherOrigins(exchange: Exchange): boolean {
  return exchange.answerHeader('access-control-allow-origin') !== undefined;
}

/** Lets scripts of other origins read these headers, if the answer is meant for other origins at all. */
export function exposeHeaders(exchange: Exchange, names: readonly string[]): void {
  if (names.length === 0 || !isForOtherOrigins(exchange)) return;
  const exposed = exchange.answerHeader('access-control-expose-headers') ?? '';
  const known = new Set(exposed.split(',').map((name) => name.trim().toLowerCase()));
  const missing = names.filter((name) => !known.has(name));
  if (missing.length === 0) return;
  exchange.setAnswerHeader(
    'access-control-expose-headers',
    [...(exposed === '' ? [] : [exposed]), ...missing].join(', '),
  );
}

/** Keeps shared caches from storing an answer that belongs to one client. */
export function keepPrivate(exchange: Exchange): void {
  const directives = (exchange.answerHeader('cache-control') ?? '')
    .split(',')
    .map((directive) => directive.trim())
    .filter((directive) => directive !== '' && !/^(public|s-maxage)\b/i.test(directive));
  if (directives.some((directive) => /^(private|no-store)\b/i.test(directive))) return;
  exchange.setAnswerHeader('cache-control', [...directives, 'private'].join(', '));
}
