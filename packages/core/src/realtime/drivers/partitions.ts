import { slotOf } from '../../redis/slot.js';

/** Slots of a cluster that share one partition: 128 partitions, each with 128 of the 16,384 slots. */
const SLOTS = 128;
const PARTITIONS = 16_384 / SLOTS;
/** A partition's own slot is at least this far from both ends of its range. */
const MARGIN = 48;

/**
 * The partition that a channel belongs to: for ever, whatever the cluster looks like. It is the one in whose range of slots
 * the bare name would lie.
 */
export function partitionOf(channel: string): number {
  return Math.floor(slotOf(channel) / SLOTS);
}

/**
 * The hash tags of a kit's partitions.
 *
 * Each lies in the middle of a range of its own, so that masters that share the slots evenly share the partitions evenly,
 * too. Numbers counted up one by one would not: of six masters, one would have 15 partitions and another 26.
 */
export function partitionTags(kit: string): readonly string[] {
  const tags: string[] = [];
  for (let number = 0, missing = PARTITIONS; missing > 0; number++) {
    const tag = `${kit}.${number}`; // no name of a kit has a dot in it
    const slot = slotOf(tag);
    const partition = Math.floor(slot / SLOTS);
    const offset = slot % SLOTS;
    if (tags[partition] !== undefined || offset < MARGIN || offset >= SLOTS - MARGIN) continue;
    tags[partition] = tag;
    missing--;
  }
  return tags;
}
