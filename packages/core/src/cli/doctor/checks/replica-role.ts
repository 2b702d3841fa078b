import { type Check, fine, note, problem, unknown } from '../check.js';
import type { DatabaseServer } from '../database-server.js';

/** A replica beside the primary that it is said to have. */
export interface ReplicaOf {
  readonly replica: DatabaseServer;
  /** Undefined where it was not named, or could not be reached. */
  readonly primary: DatabaseServer | undefined;
}

/** Whether what is called a replica is one of this primary. */
export const replicaRole: Check<ReplicaOf> = {
  name: 'replica.role',
  why: 'A server with other data is never read from; one that takes writes relieves nobody.',
  examine({ replica, primary }) {
    if (primary === undefined)
      return [unknown('no primary to compare it with', 'Name one that can be reached, with --db.')];
    if (replica.system !== primary.system)
      return [problem(`has other data than ${primary.label}`, 'Name standbys of db.primary in db.replicas.')];
    if (replica.isStandby) return [fine(`a standby of ${primary.label}`)];
    if (replica.started === primary.started)
      return [
        note(
          'the primary itself',
          'Name standbys in db.replicas; reads that none can serve go to the primary anyway.',
        ),
      ];
    return [
      problem(
        'takes writes, as the primary does: one of them was promoted',
        'Name the one that goes on, and clone the other from it.',
      ),
    ];
  },
};
