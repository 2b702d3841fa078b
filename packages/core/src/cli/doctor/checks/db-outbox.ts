import { type Check, fine, problem, unknown } from '../check.js';
import type { DatabaseServer } from '../database-server.js';
import { count } from '../words.js';

/** Whether effects of transactions wait for somebody to carry them out. */
export const dbOutbox: Check<DatabaseServer> = {
  name: 'db.outbox',
  why: 'Invalidations, messages and effects of committed transactions wait there when Redis is away or a handler fails: others see old values meanwhile.',
  examine({ isStandby, waitingEffects }) {
    if (isStandby) return [];
    if (waitingEffects === undefined)
      return [unknown('pando_outbox may not be read', 'Grant this role select on pando_outbox.')];
    if (waitingEffects === 0) return [fine('nothing waits')];
    return [
      problem(
        `the effects of ${count(waitingEffects, 'transaction')} have waited for more than a minute`,
        'Look into the log of the instances for the effect that fails, and whether any instance runs.',
      ),
    ];
  },
};
