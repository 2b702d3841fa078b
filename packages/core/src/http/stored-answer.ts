import { isUtf8 } from 'node:buffer';
import { type AnswerPolicy, policyHeaders, statusHeader } from './answer-policy.js';
import type { CodedBodies, PlainBody } from './coded-bodies.js';
import type { Conditions } from './conditions.js';
import type { Coding } from './content-coding.js';
import { codedEtag, namedEtag } from './etag.js';
import type { AnswerHeaders, HeaderValues } from './exchange.js';
import { parseHttpDate } from './http-date.js';

/** An answer as it lies in the cache: plain data, for whatever codec that has. */
export interface StoredAnswer extends PlainBody {
  readonly status: number;
  /** What the handler has set; nothing that belongs to one request. */
  readonly headers: AnswerHeaders & { readonly etag: string };
  /** The request headers on which it depends. */
  readonly vary: readonly string[];
  /** Epoch ms. */
  readonly storedAt: number;
  /** For how long it was stored as fresh. */
  readonly freshMs: number;
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
  ...['age', 'cache-status', 'content-length', 'date', 'retry-after', 'set-cookie', 'vary'],
  ...['authentication-info', 'proxy-authentication-info', 'clear-site-data'],
  ...['server-timing', 'x-response-time', 'x-runtime'],
  ...['x-request-id', 'x-correlation-id', 'x-trace-id', 'traceparent', 'tracestate', 'b3'],
  ...['x-amzn-trace-id', 'x-amzn-requestid', 'x-cloud-trace-context'],
]);
const unstoredPrefix = /^(?:pando-token-|x-pando-|x-b3-|(?:x-)?ratelimit)/;

/** What a 304 must say of what its 200 would have said (RFC 9110, 15.4.5), and what is said of the cache. */
const ofNotModified = [
  ...['age', 'cache-control', 'cache-status', 'cache-tag', 'content-location', 'etag', 'expires'],
  ...['surrogate-key', 'vary'],
];

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

/** Who is answered out of the cache. */
export interface Reader {
  /** The headers that the answer has already. */
  readonly before: HeaderValues;
  readonly conditions: Conditions;
  /** The coding in which the client gets the body; undefined for the plain one. */
  readonly coding: Coding | undefined;
  readonly tags: readonly string[];
  /** Whether it is answered so since the handler has failed. */
  readonly hasFailed: boolean;
  /** Epoch ms. */
  readonly now: number;
}

/** For how long an answer has been stored. */
export function ageMsOf({ storedAt }: StoredAnswer, now: number): number {
  return Math.max(0, now - storedAt); // the clock of whoever stored it may be ahead
}

/** The answer to one request: the stored one, in a coding perhaps, or word that the client has it already. */
export async function cachedAnswer(
  stored: StoredAnswer,
  policy: AnswerPolicy,
  bodies: CodedBodies,
  { before, conditions, coding, tags, hasFailed, now }: Reader,
): Promise<CachedAnswer> {
  const { status, headers, vary, encoding } = stored;
  const all: Record<string, string> = {
    ...headers,
    ...policyHeaders(policy, { ...before, ...headers }, tags, vary),
    ...statusHeader(policy, before, hitPart(stored, hasFailed, now)),
    age: String(Math.floor(ageMsOf(stored, now) / 1_000)),
  };
  const known = knownEtag(status, headers, conditions);
  if (known !== undefined) {
    const kept = ofNotModified.filter((name) => all[name] !== undefined);
    const told = Object.fromEntries(kept.map((name) => [name, all[name] as string]));
    return { status: 304, headers: { ...told, etag: known }, body: undefined };
  }
  if (status === 204) return { status, headers: all, body: undefined };
  const coded = coding && (await bodies.of(stored, coding));
  if (coding === undefined || coded === undefined) {
    return { status, headers: all, body: Buffer.from(stored.body, encoding) };
  }
  const etag = codedEtag(headers.etag, coding);
  return { status, headers: { ...all, 'content-encoding': coding, etag }, body: coded };
}

/** What is said of a hit: for how many seconds more it would be served as fresh, or since when it is not. */
function hitPart({ storedAt, freshMs }: StoredAnswer, hasFailed: boolean, now: number): string {
  const ttl = Math.floor((storedAt + freshMs - now) / 1_000);
  return `hit; ttl=${ttl}${hasFailed ? '; detail=stale-if-error' : ''}`;
}

/** The entity tag of a body that a client has already, by what it says. */
export function knownEtag(
  status: number,
  { etag, 'last-modified': lastModified }: AnswerHeaders,
  { ifNoneMatch, ifModifiedSince }: Conditions,
): string | undefined {
  if (status !== 200 && status !== 203) return undefined;
  if (ifNoneMatch !== undefined || ifModifiedSince === undefined) return namedEtag(ifNoneMatch, etag);
  const modifiedAt = parseHttpDate(lastModified);
  return modifiedAt !== undefined && modifiedAt <= ifModifiedSince ? etag : undefined;
}
