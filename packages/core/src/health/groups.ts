import { PandoOptionsError } from '../kernel/errors.js';
import { nearestOf } from '../kernel/nearest.js';

/** Refuses a group that names what nobody looks at: it would be healthy for ever. */
export function checkGroups(
  groups: ReadonlyMap<string, readonly string[]>,
  known: ReadonlySet<string>,
): void {
  for (const [group, components] of groups) {
    const stranger = components.find((component) => !known.has(component));
    if (stranger === undefined) continue;
    const nearest = nearestOf(stranger, known);
    const hint =
      nearest === undefined ? `There are ${[...known].join(', ') || 'none'}.` : `Did you mean "${nearest}"?`;
    throw new PandoOptionsError({
      code: 'PANDO_HEALTH_OPTIONS',
      message: `health.groups.${group} names "${stranger}", a component that nothing looks at. ${hint}`,
    });
  }
}
