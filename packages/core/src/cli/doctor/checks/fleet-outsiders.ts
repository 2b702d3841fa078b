import { type Check, fine, note, problem } from '../check.js';
import { type FleetSight, seenIds } from '../fleet-sight.js';
import { count } from '../words.js';

/** Which instances answer requests and share nothing. */
export const fleetOutsiders: Check<FleetSight> = {
  name: 'fleet.per-process',
  why: 'An instance outside the fleet counts its own limits, caches what others have changed, and reaches only its own clients.',
  examine(sight) {
    const { isRedisGiven, members, sightings } = sight;
    const seen = seenIds(sight);
    if (seen.length === 0) return [];
    const alone = new Set(sightings.filter(({ hasRedis }) => hasRedis === false).map(({ id }) => id));
    if (alone.size > 0) {
      const found = `without Redis: ${[...alone].join(', ')}; cache, limits, channels and jobs are per process`;
      const todo = 'Give createPando the same redis on all instances.';
      return [seen.length > 1 || isRedisGiven ? problem(found, todo) : note(found, todo)];
    }
    if (members === undefined) {
      if (seen.length === 1) return [];
      return [
        note(
          `${count(seen.length, 'instance')} answer`,
          'Name their Redis with --redis, to see whether they share it.',
        ),
      ];
    }
    const known = new Set(members.map(({ id }) => id));
    const outside = seen.filter((id) => !known.has(id));
    if (outside.length === 0)
      return [fine(`all of ${count(seen.length, 'instance')} that answered are in it`)];
    return [
      problem(
        `not in the fleet: ${outside.join(', ')}`,
        'Give them this redis, and the same name as the others; or name theirs with --redis and --name.',
      ),
    ];
  },
};
