import { waitFor } from '@pando/core/testing';
import { expect, it } from 'vitest';
import { Site, type SocketFollower } from '../followers/site.js';
import { startTcpBalancer } from '../infra/balancers.js';
import { startRedis } from '../infra/redis.js';

const LOST = 7;

it.each([
  { failover: 'reset', present: ['failover'], away: ['failover'] },
  { failover: 'verify', present: ['history-lost'], away: [] },
] as const)(
  'a replica that takes over without the last writes: who has seen them is told, nobody skips anything in silence ($failover)',
  async ({ failover, present, away }) => {
    await using old = await startRedis();
    await using next = await startRedis({ args: ['--replicaof', old.host, String(old.port)] });
    await using address = await startTcpBalancer({ ports: [old.port] });
    await using site = await Site.start({
      redis: () => `redis://127.0.0.1:${address.port}`,
      realtime: { failover },
    });
    for (let n = 0; n < 3; n++) {
      site.followStream('eventsource', site.channels);
      site.followStream('undici', [site.channels[n] as string]);
      site.followLive(n % 2 === 0 ? 'sse' : 'ws');
      site.followSocket();
    }
    const travellers: SocketFollower[] = [site.followSocket(), site.followSocket(site.channels.slice(1))];
    await site.settled();
    for (const traveller of travellers) traveller.leave();
    await waitFor(() => travellers.every(({ ear }) => ear.endedAt.length > 0));

    await waitFor(async () => Number(await old.command('wait', 1, 1_000)) === 1);
    await next.command('replicaof', 'no', 'one');
    for (const channel of site.channels) {
      const positions = await site.publish(0, channel, { burst: LOST });
      for (const position of positions) site.verifier.lose(channel, position);
    }
    const others = site.ears
      .filter((ear) => !travellers.some((traveller) => traveller.ear === ear))
      .map(({ listener }) => listener);
    await waitFor(() => site.verifier.violations({ isCaughtUp: true, of: others }).length === 0, {
      message: 'those who are there to see what will be lost',
    });
    address.lead([next.port]);
    await old.kill();
    const load = site.load();
    await site.published(50);
    // Not before: an instance that does not know yet would show them, too, what is lost.
    await waitFor(
      () => others.every(({ resets }) => [...resets.values()].every(({ length }) => length > 0)),
      {
        message: 'those who are there to be told',
      },
    );
    for (const traveller of travellers) traveller.comeBack();
    await site.published(50);
    await load.stop();
    await site.caughtUp();
    expect(site.verifier.violations({ isCaughtUp: true })).toEqual([]);
    for (const { ear } of site.followers) {
      const expected = travellers.some((traveller) => traveller.ear === ear) ? away : present;
      for (const reasons of ear.listener.resets.values())
        expect(reasons, ear.listener.name).toEqual(expected);
    }
  },
);
