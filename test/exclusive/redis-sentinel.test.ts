import { waitFor } from '@pando/core/testing';
import { Redis as Redis5 } from 'ioredis5';
import { describe, expect, it } from 'vitest';
import type { RedisFloor } from '../../packages/core/src/redis/index.js';
import { startSentinel } from '../infra/redis.js';
import { floorsOfThisFile, recordAnnouncements, recordEvents } from '../integration/redis/floors.js';

const { open, closeLater } = floorsOfThisFile();

const healed = (floor: RedisFloor) =>
  waitFor(() => floor.isUp && floor.isLive, { timeoutMs: 20_000, message: 'the floor to heal' });

function given(client: Redis5): Redis5 {
  client.on('error', () => undefined);
  closeLater(async () => client.disconnect());
  return client;
}

describe('a floor behind sentinels', () => {
  it.each([
    ['kill', 'sentinels'],
    ['freeze', 'sentinels'],
    ['kill', 'an ioredis 5 client'],
  ] as const)('follows the failover after a %s of the master, to a new epoch, on %s', async (fault, kind) => {
    const group = await startSentinel();
    closeLater(() => group.close());
    const sentinels = { sentinels: group.nodes, name: group.name };
    const redis = kind === 'sentinels' ? sentinels : given(new Redis5(sentinels));
    const [floor, other] = await Promise.all([open(redis, { name: 'kit' }), open(redis, { name: 'kit' })]);
    const channel = floor.keys.atomic('test', 'channel');
    const heard = await recordAnnouncements(floor, channel);
    const events = recordEvents(floor);
    const epoch = floor.epoch;
    expect(other.epoch).toBe(epoch);

    await group.primary[fault]();
    await waitFor(async () => (await group.currentPrimary()) !== group.primary, { timeoutMs: 20_000 });
    await waitFor(() => floor.epoch !== epoch, { timeoutMs: 20_000, message: 'a new epoch' });
    await Promise.all([healed(floor), healed(other)]);

    await waitFor(() => other.epoch === floor.epoch);
    expect(events.filter((event) => event === 'blind' || event === 'down').length).toBeGreaterThanOrEqual(2);
    expect(events.lastIndexOf('up')).toBeLessThan(events.lastIndexOf('live'));
    await other.publish(channel, 'from the other side');
    await waitFor(() => heard.includes('from the other side'));
    expect(await floor.call(['SET', floor.keys.atomic('test', 'x'), '1'])).toBe('OK');
  });

  it('follows a failover by hand, and is not fooled by the old master that still answers', async () => {
    const group = await startSentinel();
    closeLater(() => group.close());
    const floor = await open({ sentinels: group.nodes, name: group.name });
    const channel = floor.keys.atomic('test', 'channel');
    const heard = await recordAnnouncements(floor, channel);
    const epoch = floor.epoch;
    const failover = performance.now();
    await group.sentinels[0]?.command('SENTINEL', 'FAILOVER', group.name);
    await waitFor(() => floor.epoch !== epoch, { timeoutMs: 20_000, message: 'a new epoch' });
    // The old master is demoted ten seconds after the promotion: until then it takes writes that will be lost.
    expect(performance.now() - failover).toBeLessThan(8_000);
    expect(await group.primary.command('ROLE')).toMatchObject({ 0: 'master' });
    await healed(floor);
    const primary = await group.currentPrimary();
    await primary.command('PUBLISH', channel, 'from the new master');
    await waitFor(() => heard.includes('from the new master'));
  });

  it('starts without sentinels in bounded time, and finds them later', async () => {
    const group = await startSentinel({ sentinels: 1 });
    closeLater(() => group.close());
    const [sentinel] = group.sentinels;
    await sentinel?.kill();
    const floor = await open({ sentinels: group.nodes, name: group.name, startTimeoutMs: 200 });
    expect(floor.isUp).toBe(false);
    await sentinel?.restart();
    await healed(floor);
  });
});
