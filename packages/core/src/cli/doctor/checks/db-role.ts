import { type Check, fine, problem } from '../check.js';
import type { DatabaseServer } from '../database-server.js';

/** Whether what is called the primary takes writes. */
export const dbRole: Check<DatabaseServer> = {
  name: 'db.role',
  why: 'Writes go to the primary, and wait where there is none.',
  examine({ isStandby }) {
    if (!isStandby) return [fine('takes writes')];
    return [
      problem(
        'a standby: it takes no writes',
        'Name the primary in db.primary; or all servers there, in any order.',
      ),
    ];
  },
};
