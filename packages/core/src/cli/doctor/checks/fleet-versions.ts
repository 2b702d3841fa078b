import { type Check, fine, note } from '../check.js';
import { type FleetSight, saidBy } from '../fleet-sight.js';

/** Whether all instances run the same release. */
export const fleetVersions: Check<FleetSight> = {
  name: 'fleet.versions',
  why: 'Two releases side by side are meant for the time of a deploy.',
  examine({ members = [] }) {
    const versions = saidBy(members, 'version');
    if (versions.length === 0) return [];
    const found = versions.join(', ');
    return [
      versions.length === 1 ? fine(found) : note(found, 'Finish the deploy, or look for what holds it up.'),
    ];
  },
};
