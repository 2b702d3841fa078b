import { type Check, fine, note } from '../check.js';
import type { DatabaseGreeting } from '../database-server.js';

/** Whether Pando talks to the server itself. */
export const dbPooler: Check<DatabaseGreeting> = {
  name: 'db.pooler',
  why: 'A pooler hides which server answered, and the proof that a read is fresh rests on that.',
  examine({ isPooled }) {
    if (!isPooled) return [fine('none in between')];
    return [
      note(
        'a pooler stands before the server',
        'Point db.primary and db.replicas at the servers themselves.',
      ),
    ];
  },
};
