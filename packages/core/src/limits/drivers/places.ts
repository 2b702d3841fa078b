import { slotOf } from '../../redis/slot.js';

const slotCount = 16_384;

/** Hash tags whose slots lie in as many equal stretches of a cluster's slots, one in each. */
export function evenTags(count: number): readonly string[] {
  const tags: (string | undefined)[] = Array.from({ length: count });
  for (let number = 0, found = 0; found < count; number++) {
    const tag = number.toString(36);
    const stretch = Math.floor((slotOf(tag) * count) / slotCount);
    if (tags[stretch] !== undefined) continue;
    tags[stretch] = tag;
    found++;
  }
  return tags as string[];
}
