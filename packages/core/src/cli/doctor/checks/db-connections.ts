import { type Check, fine, note, problem } from '../check.js';
import type { DatabaseServer } from '../database-server.js';
import { count } from '../words.js';

/** A server, and who is to share its connections. */
export interface SharedServer {
  readonly server: DatabaseServer;
  readonly instances: number;
  /** Whether somebody said, or Redis knew, how many there are. */
  readonly isCounted: boolean;
  /** `db.pool.size` and `db.pool.overflow`. */
  readonly pool: { readonly size: number; readonly overflow: number };
  /** `db.connectionBudget`, where it is a number. */
  readonly budget: number | undefined;
}

/** Whether the pools of all instances fit into what the server has. */
export const dbConnections: Check<SharedServer> = {
  name: 'db.connections',
  why: 'Instances share what the server has; a small share makes callers wait in the pool, and a budget that is not there makes the server refuse.',
  examine({ server: { capacity, others, isPooled }, instances, isCounted, pool, budget }) {
    if (isPooled) return [];
    if (budget !== undefined && budget > capacity)
      return [
        problem(
          `db.connectionBudget is ${budget}, and the server has ${capacity} for this role`,
          'Raise max_connections or the limit of the role, or lower db.connectionBudget.',
        ),
      ];
    const total = budget ?? capacity;
    const wanted = pool.size + pool.overflow;
    const share = Math.floor(total / instances) - 1;
    const found = `${total} for ${count(instances, 'instance')}, ${Math.min(share, wanted)} of up to ${wanted} each; ${others} in use by other programs${isCounted ? '' : '; --instances says how many there are'}`;
    const todo =
      'Raise max_connections, or lower db.pool.size and db.pool.overflow (docs/how-to/size-pools.md).';
    if (share < pool.size) return [problem(found, todo)];
    if (share < wanted) return [note(found, todo)];
    if (budget === undefined && total - others < instances * (wanted + 1))
      return [note(found, 'Give what is left for Pando as db.connectionBudget.')];
    return [fine(found)];
  },
};
