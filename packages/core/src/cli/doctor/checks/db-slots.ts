import { type Check, type Finding, fine, note, problem } from '../check.js';
import type { DatabaseServer, SlotRow } from '../database-server.js';
import { count } from '../words.js';

/** Whether the primary keeps the log for its standbys, and for nobody else. */
export const dbSlots: Check<DatabaseServer> = {
  name: 'db.slots',
  why: 'Without a slot the primary removes log that a standby still needs, which then has to be cloned anew. A slot that nobody uses keeps log until the disk is full.',
  examine({ slots, slotless, standbys, keptLog, isArchived }) {
    const findings = slots.flatMap(findingsOf);
    if (slotless > 0) {
      const found = `${count(slotless, 'standby connection')} without a slot`;
      const todo = 'Make a slot for each standby and name it there as primary_slot_name.';
      findings.push(
        keptLog === '0' && !isArchived
          ? problem(`${found}, and wal_keep_size is 0`, todo)
          : note(`${found}; wal_keep_size is ${keptLog}${isArchived ? ', and log is archived' : ''}`, todo),
      );
    }
    if (findings.length > 0) return findings;
    return [
      fine(
        standbys === 0
          ? 'no standby streams from here'
          : `${count(standbys, 'standby connection')}, with slots`,
      ),
    ];
  },
};

function findingsOf({ name, active, kept, status }: SlotRow): readonly Finding[] {
  if (status === 'lost')
    return [
      problem(`slot ${name} has lost the log of its standby`, 'Clone that standby anew; drop the slot.'),
    ];
  if (status === 'unreserved')
    return [
      problem(
        `slot ${name} is about to lose the log of its standby`,
        'Look at what holds that standby up; raise max_slot_wal_keep_size.',
      ),
    ];
  if (active) return [];
  return [
    note(
      `nobody uses slot ${name}, for which ${kept ?? 'log'} is kept`,
      `Bring its standby back, or run: select pg_drop_replication_slot('${name}')`,
    ),
  ];
}
