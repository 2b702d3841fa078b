import { type Check, fine, problem } from '../check.js';
import { type DatabaseGreeting, leastVersion } from '../database-server.js';
import { isAtLeast } from '../words.js';

/** Whether the server tells what Pando asks it. */
export const dbVersion: Check<DatabaseGreeting> = {
  name: 'db.version',
  why: 'Postgres before 14 does not tell what routing and recovery ask of it.',
  examine({ version }) {
    const found = `Postgres ${version.split(' ')[0]}`;
    return [
      isAtLeast(version, leastVersion) ? fine(found) : problem(found, 'Update it to Postgres 14 or later.'),
    ];
  },
};
