import type { RedisFloor } from '../../redis/ports.js';
import { isPandosOwn } from '../channel-name.js';
import { partitionOf, partitionTags } from './partitions.js';
import { RedisChannels } from './redis-channels.js';
import { RedisSlots } from './redis-slots.js';

/**
 * Which place each channel is kept in: in a cluster the channels of applications are shared among places, so that all masters
 * carry them. Pando's own stay at home, beside what they tell of.
 */
export class RedisPartitions {
  readonly home: RedisChannels;
  readonly slots: RedisSlots;
  readonly #floor: RedisFloor;
  readonly #opened: (channels: RedisChannels) => void;
  readonly #parts: (RedisChannels | undefined)[] = [];
  #tags: readonly string[] | undefined;
  /** Whether there is no other place than the home. */
  #isWhole = false;

  /** @param opened - is told of each place but the home when it is first used. */
  constructor(floor: RedisFloor, opened: (channels: RedisChannels) => void) {
    this.slots = new RedisSlots(floor);
    this.#floor = floor;
    this.#opened = opened;
    this.home = new RedisChannels(floor);
  }

  /** Whether announcements arrive in each place that somebody listens to. */
  get areLive(): boolean {
    const isLive = ({ place }: RedisChannels) => place.isUp && place.isLive;
    return (
      isLive(this.home) &&
      this.#parts.every((part) => part === undefined || part.listeners === 0 || isLive(part))
    );
  }

  of(channel: string): RedisChannels {
    if (this.#isWhole || isPandosOwn(channel)) return this.home;
    const partition = partitionOf(channel);
    return this.#parts[partition] ?? this.#open(partition);
  }

  /** The same by place, each with the channels that are in it. */
  group<T extends { readonly channel: string }>(
    items: readonly T[],
  ): ReadonlyMap<RedisChannels, readonly T[]> {
    const groups = new Map<RedisChannels, T[]>();
    for (const item of items) {
      const part = this.of(item.channel);
      const group = groups.get(part);
      if (group === undefined) groups.set(part, [item]);
      else group.push(item);
    }
    return groups;
  }

  #open(partition: number): RedisChannels {
    this.#tags ??= partitionTags(this.#floor.tag);
    const place = this.#floor.place(this.#tags[partition] as string);
    if (place === this.#floor) {
      this.#isWhole = true;
      return this.home;
    }
    const part = new RedisChannels(place, this.slots);
    this.#parts[partition] = part;
    this.#opened(part);
    return part;
  }
}
