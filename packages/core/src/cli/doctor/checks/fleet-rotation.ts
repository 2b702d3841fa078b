import { type Check, fine, note } from '../check.js';
import { type FleetSight, seenIds } from '../fleet-sight.js';

/** For each member: by chance alone one of four is left out by one look in two hundred. */
const leastVisits = 6;

/** Whether requests reach all instances. */
export const fleetRotation: Check<FleetSight> = {
  name: 'fleet.rotation',
  why: 'Instances that get no requests carry no load. Pando needs no sticky sessions.',
  examine(sight) {
    const { members = [], sightings } = sight;
    const balanced = sightings.filter(({ isDirect }) => !isDirect);
    const asked = balanced.length;
    const seen = seenIds({ ...sight, sightings: balanced }).filter((id) =>
      members.some((member) => member.id === id),
    );
    if (members.length < 2 || asked === 0) return [];
    const idle = members.filter(({ id }) => !seen.includes(id)).map(({ id }) => id);
    const found = `${seen.length} of ${members.length} answered ${asked} requests`;
    if (idle.length === 0) return [fine(found)];
    if (asked < members.length * leastVisits) return []; // chance alone leaves one out of many
    return [
      note(
        `${found}; not ${idle.join(', ')}`,
        'Look whether the balancer has them all, and sends requests to one by turns.',
      ),
    ];
  },
};
