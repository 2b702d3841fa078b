import { isUtf8 } from 'node:buffer';
import { namesEtag } from './etag.js';
import type { AnswerHeaders, HeaderValues } from './exchange.js';
import type { ResolvedResponseCacheOptions } from './response-cache-options.js';
import { varyNames } from './response-key.js';

/** An answer as it lies in the cache: plain data, for whatever codec that has. */
export interface StoredAnswer {
  readonly status: number;
  /** What the handler has set; nothing that belongs to one request. An entity tag is among them. */
  readonly headers: AnswerHeaders;
  /** What it depends on, as its handler said in `Vary`. */
  readonly vary: readonly string[];
  readonly body: string;
  readonly encoding: 'utf8' | 'base64';
  /** Epoch ms. */
  readonly storedAt: number;
}

/** An answer out of the cache, ready to be sent. */
export interface CachedAnswer {
  readonly status: number;
  readonly headers: AnswerHeaders;
  /** Undefined where the status has none. */
  readonly body: Buffer | undefined;
}

/** Headers that belong to one request, one connection or one client, or that are made anew for each answer. */
const unstored: ReadonlySet<string> = new Set([
  ...['connection', 'keep-alive', 'proxy-authenticate', 'te', 'trailer', 'transfer-encoding', 'upgrade'],
  ...[
    'age',
    'content-length',
    'date',
    'vary',
    'set-cookie',
    'cache-status',
    'server-timing',
    'x-response-time',
  ],
  ...['x-request-id', 'x-correlation-id', 'traceparent', 'tracestate', 'x-pando-instance'],
]);
const unstoredPrefix = /^(?:pando-token-|x-pando-|(?:x-)?ratelimit)/;

/** What a 304 must say of what its 200 would have said (RFC 9110, 15.4.5). */
const ofNotModified = ['cache-control', 'content-location', 'etag', 'expires', 'surrogate-key', 'vary'];

/** Headers of a body, which a 304 does not have. */
export const bodyHeaders: readonly string[] = Object.freeze([
  ...['content-encoding', 'content-language', 'content-length', 'content-range', 'content-type'],
  'transfer-encoding',
]);

/** Those headers of an answer that its handler has set, as far as they may be stored. */
export function storableHeaders(headers: HeaderValues, before: HeaderValues): AnswerHeaders {
  const own: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers)) {
    if (value === undefined || unstored.has(name) || unstoredPrefix.test(name)) continue;
    if (String(value) !== String(before[name]))
      own[name] = Array.isArray(value) ? value.join(', ') : `${value}`;
  }
  return own;
}

/** The body as text where it is text, which keeps it small and readable. */
export function storedBody(body: Buffer): Pick<StoredAnswer, 'body' | 'encoding'> {
  const encoding = isUtf8(body) ? 'utf8' : 'base64';
  return { body: body.toString(encoding), encoding };
}

/** What is said of an answer that is or may be stored, as far as the application has not said it. */
export function policyHeaders(
  options: Pick<ResolvedResponseCacheOptions<never>, 'cacheControl' | 'surrogateKey' | 'vary'>,
  present: HeaderValues,
  tags: readonly string[],
  vary: readonly string[] = [],
): AnswerHeaders {
  return {
    ...(present['cache-control'] === undefined && { 'cache-control': options.cacheControl }),
    ...varyHeader(present, [...options.vary, ...vary]),
    ...(options.surrogateKey &&
      tags.length > 0 && { 'surrogate-key': tags.map((tag) => encodeURI(tag)).join(' ') }),
  };
}

/** The `Vary` header with these names in it; nothing where it has them. */
export function varyHeader(present: HeaderValues, names: readonly string[]): AnswerHeaders {
  const known = varyNames(present.vary);
  const missing = [...new Set(names)].filter((name) => !known.includes(name));
  return missing.length === 0 ? {} : { vary: [present.vary ?? [], missing].flat().join(', ') };
}

/** Who is answered out of the cache. */
export interface Reader {
  /** The headers that the answer has already. */
  readonly before: HeaderValues;
  readonly ifNoneMatch: string | undefined;
  readonly tags: readonly string[];
  /** Epoch ms. */
  readonly now: number;
}

/** The answer to one request: the stored one, or word that the client has it already. */
export function cachedAnswer(
  { status, headers, vary, body, encoding, storedAt }: StoredAnswer,
  options: Pick<ResolvedResponseCacheOptions<never>, 'cacheControl' | 'surrogateKey' | 'vary'>,
  { before, ifNoneMatch, tags, now }: Reader,
): CachedAnswer {
  const age = String(Math.max(0, Math.floor((now - storedAt) / 1_000)));
  const all: Record<string, string> = {
    ...headers,
    ...policyHeaders(options, { ...before, ...headers }, tags, vary),
    age,
  };
  if (isRevalidated(status, headers.etag, ifNoneMatch)) {
    const kept = ['age', ...ofNotModified].filter((name) => all[name] !== undefined);
    return {
      status: 304,
      headers: Object.fromEntries(kept.map((name) => [name, all[name] as string])),
      body: undefined,
    };
  }
  return { status, headers: all, body: status === 204 ? undefined : Buffer.from(body, encoding) };
}

/** Whether a client that names this entity tag has the body already. */
export function isRevalidated(
  status: number,
  etag: string | undefined,
  ifNoneMatch: string | undefined,
): boolean {
  return (status === 200 || status === 203) && namesEtag(ifNoneMatch, etag);
}
