import { createHash } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { acceptedCodings } from './content-coding.js';
import type { Exchange } from './exchange.js';
import { headerList } from './headers.js';

/**
 * By what name the client asks, as it or a proxy says so. Pages link to themselves by these, whether the framework believes
 * them or not: outside of the key, anybody could put links of his own into the page that all others get.
 */
const addressing = [
  ...['host', ':authority', 'x-forwarded-host', 'x-forwarded-port', 'x-forwarded-prefix'],
  'x-forwarded-proto',
];

/** What makes a difference beside scheme, host and path. */
export interface Differences {
  /** Who asks, where each gets their own. */
  readonly identity?: string | undefined;
  /** The request headers that count. */
  readonly vary: Iterable<string>;
  /** The query parameters that count; undefined: all. */
  readonly query?: ReadonlySet<string> | undefined;
}

/**
 * Says which stored answer a request asks for: scheme, host, path, query in any order of names, who asks, and the request
 * headers that make a difference. HEAD asks for GET's. A digest, since URLs are longer than cache keys may be.
 */
export function responseKey(
  { url, host, secure, headers }: Exchange,
  { identity, vary, query }: Differences,
): string {
  const [path, search] = splitTarget(url);
  const differing = [...new Set([...addressing, ...vary])]
    .sort()
    .map((name) => [name, variantOf(headers, name)]);
  const parts = JSON.stringify([secure, host, path, queryOf(search, query), identity ?? null, differing]);
  return `http:3:${createHash('sha256').update(parts).digest('base64url')}`;
}

function splitTarget(url: string): readonly [path: string, query: string] {
  const at = url.indexOf('?');
  return at === -1 ? [url, ''] : [url.slice(0, at), url.slice(at + 1)];
}

/**
 * A parameter in the plainest form. Everything else may mean another name to somebody's parser (`%61`, `a[]`, `a.b`, or a
 * second parameter behind a semicolon), so it always counts.
 */
const plain = /^([\w-]+)(?:=[^;]*)?$/;

/** Parameters of one name keep their order, which may mean something; names do not. */
function queryOf(search: string, counting: ReadonlySet<string> | undefined): string {
  const isCounting = (pair: string): boolean => {
    const name = plain.exec(pair)?.[1];
    return name === undefined || counting === undefined || counting.has(name);
  };
  const pairs = search.split('&').filter((pair) => pair !== '' && isCounting(pair));
  // `%61` and `a` are one name, whose values keep their order.
  const nameOf = (pair: string): string => decoded(pair.split('=', 1)[0] as string);
  return pairs
    .map((pair) => ({ name: nameOf(pair), pair }))
    .sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0))
    .map(({ pair }) => pair)
    .join('&');
}

function decoded(name: string): string {
  try {
    return decodeURIComponent(name);
  } catch {
    return name;
  }
}

/** What a header says, whatever its spacing; of `Accept-Encoding`, what the client can decode. */
function variantOf(headers: IncomingHttpHeaders, name: string): string {
  return name === 'accept-encoding' ? acceptedCodings(headers) : headerList(headers, name).join();
}

/** The names in a `Vary` header, in lower case. */
export function varyNames(value: unknown): readonly string[] {
  return String(value ?? '')
    .toLowerCase()
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');
}
