import { createHash } from 'node:crypto';

/**
 * Names a body by its content. Weak: middleware may still compress the body, and what comes out is as good to a client,
 * byte for byte the same it is not (RFC 9110, 8.8.1).
 */
export function etagOf(body: Uint8Array): string {
  return `W/"${createHash('sha256').update(body).digest('base64url').slice(0, 27)}"`;
}

/** Whether an `If-None-Match` names the entity tag, by weak comparison (RFC 9110, 13.1.2). */
export function namesEtag(ifNoneMatch: string | undefined, etag: string | undefined): boolean {
  if (ifNoneMatch === undefined || etag === undefined) return false;
  if (ifNoneMatch.trim() === '*') return true;
  const opaque = etag.replace(/^W\//, '');
  // A comma may be part of a tag, a quote may not: so tags are looked for, not split.
  return ifNoneMatch.match(/"[^"]*"/g)?.includes(opaque) ?? false;
}
