import { databaseDefaults } from '../../../db/options.js';
import { type Check, fine, note, problem } from '../check.js';
import type { ReplicaOf } from './replica-role.js';

/** Above it reads right after a write go to the primary more often than not. */
const longMs = 1_000;

/** Whether a replica keeps up. */
export const replicaLag: Check<ReplicaOf> = {
  name: 'replica.lag',
  why: 'Reads that need more than a replica has wait for it, and go to the primary when it takes longer. Beyond db.maxLagMs it serves nobody.',
  examine({ replica, primary }) {
    if (primary === undefined || replica.system !== primary.system || !replica.isStandby) return [];
    if (primary.isStandby) return []; // which is told of: nobody knows how far its own primary is
    if (replica.isReplayPaused)
      return [problem('its replay is paused', 'Run there: select pg_wal_replay_resume()')];
    const { caughtUpMs } = replica;
    const { maxLagMs } = databaseDefaults;
    const todo = 'Look at what holds replay up there: long queries, a slow disk, recovery_min_apply_delay.';
    if (caughtUpMs === undefined)
      return [problem(`more than ${maxLagMs / 1_000} s behind the primary`, todo)];
    const found = `has what the primary had within ${Math.ceil(caughtUpMs)} ms`;
    return [caughtUpMs > longMs ? note(found, todo) : fine(found)];
  },
};
