import { createHash } from 'node:crypto';
import { type Coding, codings } from './content-coding.js';

/** What tells a body from all others. */
export function digestOf(body: Uint8Array): string {
  return createHash('sha256').update(body).digest('base64url').slice(0, 27);
}

/**
 * Names a body by its content. Weak: middleware may still compress the body, and what comes out is as good to a client,
 * byte for byte the same it is not (RFC 9110, 8.8.1).
 */
export function etagOf(digest: string): string {
  return `W/"${digest}"`;
}

/** The entity tag of the same body in a coding: other bytes, another name. */
export function codedEtag(etag: string, coding: Coding): string {
  return `W/${opaqueOf(etag).slice(0, -1)}-${coding}"`;
}

const suffix = new RegExp(`-(?:${codings.join('|')})"$`);

/**
 * The entity tag by which an `If-None-Match` names a body, by weak comparison (RFC 9110, 13.1.2), whatever coding the client
 * has it in; undefined where it does not.
 */
export function namedEtag(ifNoneMatch: string | undefined, etag: string | undefined): string | undefined {
  if (ifNoneMatch === undefined || etag === undefined) return undefined;
  if (ifNoneMatch.trim() === '*') return etag;
  const opaque = opaqueOf(etag);
  // A comma may be part of a tag, a quote may not: so tags are looked for, not split.
  const tags: readonly string[] = ifNoneMatch.match(/"[^"]*"/g) ?? [];
  if (tags.includes(opaque)) return etag;
  const coded = tags.find((tag) => tag.replace(suffix, '"') === opaque);
  return coded && `W/${coded}`;
}

function opaqueOf(etag: string): string {
  return etag.replace(/^W\//, '');
}
