/** Absolute paths; `undefined` for what is not on this machine. */
export interface ServerPaths {
  readonly redis: string | undefined;
  readonly pgbouncer: string | undefined;
  readonly nginx: string | undefined;
  readonly haproxy: string | undefined;
  /** Chromium, or an installed Chrome. */
  readonly chromium: string | undefined;
  /** `initdb` of the system, or the entry of the npm package. */
  readonly postgres: string | undefined;
}

export interface EnsureServersOptions {
  readonly log?: ((line: string) => void) | undefined;
  /** Only these. */
  readonly servers?: readonly (keyof ServerPaths)[] | undefined;
}

export function locateServers(): ServerPaths;
export function ensureServers(
  options?: EnsureServersOptions,
): Promise<{ readonly [Server in keyof ServerPaths]: string }>;
