import { type Check, fine, note, unknown } from '../check.js';
import type { FleetSight } from '../fleet-sight.js';
import { count } from '../words.js';

/** Who belongs to the fleet. */
export const fleetMembers: Check<FleetSight> = {
  name: 'fleet.members',
  why: 'Who holds a lease in Redis shares its limits, channels, cache and jobs with the others.',
  examine({ name, isRedisGiven, members }) {
    if (!isRedisGiven) return [];
    if (members === undefined)
      return [unknown('Redis could not be asked who is there', 'See what stands above of Redis.')];
    if (members.length > 0)
      return [
        fine(
          `${count(members.length, 'instance')}: ${members
            .map(({ id }) => id)
            .sort()
            .join(', ')}`,
        ),
      ];
    return [
      note(
        `nobody is called "${name}" there`,
        'Start the app, or give the name option of its kit with --name.',
      ),
    ];
  },
};
