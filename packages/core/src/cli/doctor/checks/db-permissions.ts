import { type Check, fine, problem } from '../check.js';
import { type DatabaseGreeting, leastVersion } from '../database-server.js';
import { isAtLeast } from '../words.js';

/** Whether this role may ask what routing asks. */
export const dbPermissions: Check<DatabaseGreeting> = {
  name: 'db.permissions',
  why: 'Each connection asks which server it leads to, which data that has, and how far its log is; where it may not, it is not used.',
  examine({ version, refusal }) {
    if (!isAtLeast(version, leastVersion)) return []; // it was not asked
    if (refusal === undefined) return [fine('all that routing asks')];
    return [
      problem(
        refusal,
        'Let this role run the functions pg_control_system, pg_control_checkpoint, pg_control_recovery and those of pg_wal, as Postgres does as it comes.',
      ),
    ];
  },
};
