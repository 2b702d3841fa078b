import { PandoError } from '../kernel/errors.js';
import { nearestOf } from '../kernel/nearest.js';

/**
 * There is no group of that name in `overload.groups`. Thrown at once; adapters throw it when the route is set up.
 *
 * Correct the name, to the nearest that the message gives, or add the group.
 */
export class UnknownGroupError extends PandoError {
  constructor(name: string, known: Iterable<string>) {
    const names = [...known];
    const nearest = nearestOf(name, names);
    super({
      code: 'PANDO_OVERLOAD_GROUP_UNKNOWN',
      message: `There is no overload group "${name}". ${nearest === undefined ? `There are: ${names.sort().join(', ')}.` : `Did you mean "${nearest}"?`}`,
    });
  }
}
