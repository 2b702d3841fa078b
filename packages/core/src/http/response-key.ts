import { createHash } from 'node:crypto';
import type { Exchange } from './exchange.js';
import { headerList } from './headers.js';

/**
 * Says which stored answer a request asks for: scheme, host, path, query in any order of names, who asks, and the request
 * headers that make a difference. HEAD asks for GET's. A digest, since URLs are longer than cache keys may be.
 */
export function responseKey(
  { url, host, secure, headers }: Exchange,
  identity: string | undefined,
  vary: Iterable<string>,
): string {
  const [path, query] = splitTarget(url);
  const differing = [...vary].sort().map((name) => [name, variantOf(headers, name)]);
  const parts = JSON.stringify([secure, host, path, sortQuery(query), identity ?? null, differing]);
  return `http:1:${createHash('sha256').update(parts).digest('base64url')}`;
}

function splitTarget(url: string): readonly [path: string, query: string] {
  const at = url.indexOf('?');
  return at === -1 ? [url, ''] : [url.slice(0, at), url.slice(at + 1)];
}

/** Parameters of one name keep their order, which may mean something; names do not. */
function sortQuery(query: string): string {
  if (!query.includes('&')) return query;
  const nameOf = (pair: string): string => pair.split('=', 1)[0] as string;
  return query
    .split('&')
    .filter((pair) => pair !== '')
    .sort((a, b) => (nameOf(a) < nameOf(b) ? -1 : nameOf(a) > nameOf(b) ? 1 : 0))
    .join('&');
}

/** What a header says, whatever its spacing; `Accept-Encoding` in whatever case. */
function variantOf(headers: Exchange['headers'], name: string): string {
  const value = headerList(headers, name).join();
  return name === 'accept-encoding' ? value.toLowerCase().replaceAll(' ', '') : value;
}

/** The names in a `Vary` header, in lower case. */
export function varyNames(value: unknown): readonly string[] {
  return String(value ?? '')
    .toLowerCase()
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');
}
