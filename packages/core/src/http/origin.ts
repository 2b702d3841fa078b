/** The origins that may open sockets: a list, everyone, or a rule of the application. */
export type AllowedOrigins = readonly string[] | '*' | ((origin: string) => boolean);

/**
 * Whether a page of that origin may open a socket to that host.
 *
 * Browsers send cookies along with WebSocket handshakes to whatever origin a page names, and ask nobody: without this
 * check any page could speak in its visitor's name. No Origin header means no browser. By default only pages from the
 * same host may; `Host` is compared, not the scheme, which a proxy may have taken off.
 */
export function originAllowed(
  origin: string | undefined,
  host: string | undefined,
  allowed?: AllowedOrigins,
): boolean {
  if (origin === undefined || allowed === '*') return true;
  if (typeof allowed === 'function') return allowed(origin);
  if (allowed !== undefined) return allowed.includes(origin);
  const page = parse(origin);
  // With the page's scheme, a default port is left out on both sides.
  const here = page && host !== undefined ? parse(`${page.protocol}//${host}`) : undefined;
  return page !== undefined && here !== undefined && page.host === here.host;
}

/** Undefined for what is no URL, such as the origin `null` of sandboxed pages. */
function parse(url: string): URL | undefined {
  return URL.canParse(url) ? new URL(url) : undefined;
}
