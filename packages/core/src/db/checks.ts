import type { Check, CheckResult } from '../kernel/room.js';
import type { Cluster } from './cluster.js';
import type { ResolvedDatabaseOptions } from './options.js';

/** How often health looks at who waits for a connection: it costs nothing, and a queue comes and goes quickly. */
const crowdingLookMs = 1_000;

/** What health looks at: the servers, which all instances share, and the pool of the primary, which each has for itself. */
export function checksOf(
  cluster: Cluster,
  { saturatedAfterMs, acquireTimeoutMs }: ResolvedDatabaseOptions['pool'],
): readonly Check[] {
  const database: Check = { name: 'database', critical: true, run: (options) => cluster.check(options) };
  if (saturatedAfterMs === false) return [database];
  const limitMs = Math.min(saturatedAfterMs, acquireTimeoutMs / 2);
  const run: Check['run'] = async () => crowding(cluster, limitMs);
  return [
    database,
    { name: 'database-pool', critical: true, shared: false, intervalMs: crowdingLookMs, run },
  ];
}

/**
 * Whether callers wait too long for a connection to the primary. Says nothing while that is away: they wait for it then, and
 * every instance has that in common.
 */
function crowding({ primary: { pool, isUp, label } }: Cluster, limitMs: number): CheckResult {
  const { waitedMs, waiting, inUse } = pool;
  if (!isUp || waitedMs < limitMs) return { status: 'healthy' };
  const detail = `${waiting} wait for one of the ${inUse} connections to ${label}, the first for ${Math.round(waitedMs)} ms`;
  return { status: 'saturated', detail };
}
