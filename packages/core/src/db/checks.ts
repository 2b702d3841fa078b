import type { Clock } from '../kernel/clock.js';
import type { Check, CheckResult } from '../kernel/room.js';
import type { Cluster } from './cluster.js';
import type { ResolvedDatabaseOptions } from './options.js';

/** How often health looks at who waits for a connection: it costs nothing, and a queue comes and goes quickly. */
const crowdingLookMs = 1_000;

/** What health looks at: the servers, which all instances share, and the pool of the primary, which each has for itself. */
export function checksOf(
  cluster: Cluster,
  { saturatedAfterMs, acquireTimeoutMs }: ResolvedDatabaseOptions['pool'],
  clock: Clock,
): readonly Check[] {
  const database: Check = { name: 'database', critical: true, run: (options) => cluster.check(options) };
  if (saturatedAfterMs === false) return [database];
  const limitMs = Math.min(saturatedAfterMs, acquireTimeoutMs / 2);
  const run: Check['run'] = async () => crowding(cluster, limitMs, clock.monotonic());
  return [
    database,
    { name: 'database-pool', critical: true, shared: false, intervalMs: crowdingLookMs, run },
  ];
}

/**
 * Whether callers wait too long for a connection to a primary that answers. One that is away, or silent and not yet found so, is why
 * they wait on every instance, and says nothing of this one.
 */
function crowding(
  { primary: { pool, isUp, askedAt, label } }: Cluster,
  limitMs: number,
  now: number,
): CheckResult {
  const { waitedMs, waiting, inUse } = pool;
  const hasAnswered = isUp && askedAt !== undefined && askedAt >= now - waitedMs;
  if (waitedMs < limitMs || !hasAnswered) return { status: 'healthy' };
  const detail = `${waiting} wait for one of the ${inUse} connections to ${label}, the first for ${Math.round(waitedMs)} ms`;
  return { status: 'saturated', detail };
}
