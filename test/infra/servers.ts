import type { ServerPaths } from '../../scripts/provision.mjs';
import { locateServers } from '../../scripts/provision.mjs';

/** The path of a server's program; says how to get it when it is missing. */
export function requireServer(server: keyof ServerPaths): string {
  const path = locateServers()[server];
  if (path !== undefined) return path;
  throw new Error(`${server} is not on this machine. Run "node scripts/provision.mjs", which installs it.`);
}
