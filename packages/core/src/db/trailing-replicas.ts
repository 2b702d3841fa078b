import { abortable } from '../kernel/abort.js';
import type { LaggardSource } from '../kernel/laggards.js';
import type { Cluster } from './cluster.js';
import { serves } from './position.js';
import type { Replica } from './replica.js';

/** Longer than anybody waits. */
const FOR_EVER_MS = 2 ** 31 - 1;

/**
 * Tells when no replica in rotation is behind a write to this shard any more.
 *
 * One that does not say how far it has come, or shares its name with others, may always be.
 */
export function trailingReplicas(
  shard: string,
  cluster: Pick<Cluster, 'primary' | 'replicas' | 'watch'>,
): LaggardSource {
  return {
    async caughtUp({ db }, { signal }) {
      const floor = db.find((position) => position.shard === shard);
      if (floor === undefined) return;
      const { primary, watch } = cluster;
      const hasPassed = ({ isMeasured, isShared, position }: Replica) =>
        isMeasured && !isShared && serves(position, floor, primary.history);
      const havePassed = () =>
        cluster.replicas.every((replica) => !replica.isInRotation || hasPassed(replica));
      if (await watch.wait(havePassed, FOR_EVER_MS, signal)) return;
      await abortable(new Promise<never>(() => undefined), signal); // the room is closed: nobody will know
    },
  };
}
