import type { IncomingHttpHeaders } from 'node:http';
import { asksForPart } from './conditions.js';
import type { Exchange } from './exchange.js';
import { headerList } from './headers.js';
import type { ResolvedResponseCacheOptions } from './response-cache-options.js';

/** Why a request passes the cache by, in the words of RFC 9211: `bypass` stands for what the cache's options say. */
export type Passage = 'method' | 'request' | 'bypass';

/** What some middleware takes for the method of a request. */
const overrides = ['x-http-method-override', 'x-http-method', 'x-method-override'];

/** Whether a request is none of the cache's, by all that it says itself; undefined where it is. */
export function passageOf(
  { method, headers, hasBody }: Exchange,
  { identity, heedRequest }: Pick<ResolvedResponseCacheOptions<never>, 'identity' | 'heedRequest'>,
  kit: string,
): Passage | undefined {
  if (method !== 'GET' && method !== 'HEAD') return 'method';
  if (overrides.some((name) => headers[name] !== undefined)) return 'method';
  if (hasBody || asksForPart(headers)) return 'request';
  if (heedRequest && requestDirectives(headers).some((name) => /^no-(?:cache|store)$/.test(name))) {
    return 'request';
  }
  return identity === 'anonymous' && mayBeSomebody(headers, kit) ? 'bypass' : undefined;
}

/** How old an answer may be for a request that says so. */
export function maxAgeMsOf(headers: IncomingHttpHeaders): number {
  const directive = requestDirectives(headers).find((name) => name.startsWith('max-age='));
  return directive === undefined
    ? Number.POSITIVE_INFINITY
    : 1_000 * Number(directive.slice('max-age='.length)) || 0;
}

function requestDirectives(headers: IncomingHttpHeaders): readonly string[] {
  return headerList(headers, 'cache-control').map((directive) => directive.toLowerCase());
}

/** Whether a request says by whom it is made, in one of the two ways that every server knows. */
function mayBeSomebody({ authorization, cookie }: IncomingHttpHeaders, kit: string): boolean {
  if (authorization !== undefined) return true;
  const own = `pando.${kit}.`;
  return cookie?.split(';').some((pair) => pair.trim() !== '' && !pair.trim().startsWith(own)) ?? false;
}
