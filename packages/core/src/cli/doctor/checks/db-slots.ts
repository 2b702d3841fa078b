import { type Check, fine, note, problem } from '../check.js';
import type { DatabaseServer } from '../database-server.js';
import { count } from '../words.js';

/** Whether the primary keeps the log for its standbys, and for nobody else. */
export const dbSlots: Check<DatabaseServer> = {
  name: 'db.slots',
  why: 'Without a slot the primary removes log that a standby still needs, which then has to be cloned anew. A slot that nobody uses keeps log until the disk is full.',
  examine({ slots, slotless, standbys, keptLog }) {
    const findings = slots
      .filter(({ active }) => !active)
      .map(({ name, kept, status }) =>
        status === 'lost'
          ? problem(`slot ${name} has lost the log of its standby`, 'Clone that standby anew; drop the slot.')
          : note(
              `nobody uses slot ${name}, for which ${kept ?? 'log'} is kept`,
              `Bring its standby back, or run: select pg_drop_replication_slot('${name}')`,
            ),
      );
    if (slotless > 0) {
      const found = `${count(slotless, 'standby connection')} without a slot`;
      const todo = 'Make a slot for each standby and name it there as primary_slot_name.';
      findings.push(
        keptLog === '0'
          ? problem(`${found}, and wal_keep_size is 0`, todo)
          : note(`${found}; wal_keep_size is ${keptLog}`, todo),
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
