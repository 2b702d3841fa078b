import type { Database, Topology } from './db/index.js';

/** How many wait for each connection to the server of which that is most, as this instance sees it. */
export function waitingPerConnection(db: Pick<Database, 'topology'>): number {
  const most = ({ primary, replicas }: Topology): number =>
    Math.max(...[primary, ...replicas].map(({ inUse, waiting }) => waiting / Math.max(1, inUse)));
  const topology = db.topology();
  return Math.max(...(topology.shards ?? [topology]).map(most));
}
