import { describe, expect, it } from 'vitest';
import type { RedisFloor, RedisPlace } from '../../redis/ports.js';
import { slotOf } from '../../redis/slot.js';
import { partitionOf } from './partitions.js';
import type { RedisChannels } from './redis-channels.js';
import { RedisPartitions } from './redis-partitions.js';

/** As much of a floor as says where channels are; a cluster has a place for each tag. */
function partitionsOf({ isCluster }: { readonly isCluster: boolean }) {
  const places = new Map<string, RedisPlace>();
  const floor: Pick<RedisFloor, 'tag' | 'place' | 'isUp' | 'isLive' | 'isSharded'> = {
    tag: 'app',
    isUp: true,
    isLive: true,
    isSharded: false,
    place: (tag) => {
      const place = { tag, isUp: true, isLive: false, isSharded: true } as RedisPlace;
      if (isCluster && !places.has(tag)) places.set(tag, place);
      return isCluster ? (places.get(tag) as RedisPlace) : (floor as RedisFloor);
    },
  };
  const opened: RedisChannels[] = [];
  const partitions = new RedisPartitions(floor as RedisFloor, (channels) => opened.push(channels));
  return { partitions, places, opened };
}

const names = Array.from({ length: 1_000 }, (_, number) => `room:${number}`);

describe('the places of channels', () => {
  it('are one where there is no cluster, and nobody is told of it', () => {
    const { partitions, opened } = partitionsOf({ isCluster: false });
    for (const name of names) expect(partitions.of(name)).toBe(partitions.home);
    expect([partitions.home.announce, opened]).toEqual(['PUBLISH', []]);
  });

  it('are as many as there are partitions in a cluster, each the same for ever, and each told of once', () => {
    const { partitions, places, opened } = partitionsOf({ isCluster: true });
    for (const name of [...names, ...names]) {
      const { place, announce } = partitions.of(name);
      expect([Math.floor(slotOf(place.tag) / 128), announce]).toEqual([partitionOf(name), 'SPUBLISH']);
    }
    expect([places.size, new Set(opened).size, opened.length]).toEqual([128, 128, 128]);
  });

  it('are at home for what is of Pando alone', () => {
    const { partitions, opened } = partitionsOf({ isCluster: true });
    for (const name of ['#orders', 'room:1#p']) expect(partitions.of(name)).toBe(partitions.home);
    expect(opened).toEqual([]);
  });

  it('are live when those are that somebody listens to', () => {
    const { partitions } = partitionsOf({ isCluster: true });
    const part = partitions.of('room:1');
    expect(partitions.areLive).toBe(true);
    part.listeners++;
    expect(partitions.areLive).toBe(false);
    part.listeners--;
    expect(partitions.areLive).toBe(true);
  });

  it('group what is asked of many channels', () => {
    const { partitions } = partitionsOf({ isCluster: true });
    const groups = partitions.group(names.map((channel) => ({ channel })));
    expect(groups.size).toBe(128);
    for (const [part, group] of groups)
      for (const { channel } of group) expect(partitions.of(channel)).toBe(part);
    expect([...groups.values()].flat()).toHaveLength(names.length);
  });
});
