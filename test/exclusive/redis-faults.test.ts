import type { Socket } from 'node:net';
import { createTcpProxy, waitFor } from '@pando/core/testing';
import { Redis as Redis5 } from 'ioredis5';
import { beforeEach, describe, expect, it } from 'vitest';
import type { RedisFloor, RedisOption } from '../../packages/core/src/redis/index.js';
import { type RedisServer, startRedis } from '../infra/redis.js';
import { floorsOfThisFile, recordAnnouncements, recordEvents } from '../integration/redis/floors.js';

const { open, closeLater } = floorsOfThisFile();

/** What a busy machine may add to a promised deadline. */
const SLACK_MS = 250;
const DEADLINE_MS = 150;

let redis: RedisServer;
beforeEach(async () => {
  redis = await startRedis({ args: ['--enable-debug-command', 'yes'] });
  closeLater(() => redis.close());
});

const healed = (floor: RedisFloor) =>
  waitFor(() => floor.isUp && floor.isLive, { message: 'the floor to heal' });

/** Keeps calling until stopped; gives how long the slowest call took to settle, and how many did each way. */
function keepCalling(floor: RedisFloor) {
  const tally = { answered: 0, failed: 0, slowestMs: 0, codes: new Set<string>() };
  let stopped = false;
  const caller = async () => {
    while (!stopped) {
      const startedAt = performance.now();
      await floor.call(['INCR', floor.keys.atomic('test', 'count')]).then(
        () => tally.answered++,
        (error) => {
          tally.failed++;
          tally.codes.add(error.code);
        },
      );
      tally.slowestMs = Math.max(tally.slowestMs, performance.now() - startedAt);
      await new Promise((resolve) => setImmediate(resolve));
    }
  };
  const callers = Array.from({ length: 8 }, caller);
  return {
    tally,
    async stop() {
      stopped = true;
      await Promise.all(callers);
      return tally;
    },
  };
}

const clients: Record<string, () => RedisOption> = {
  'a URL': () => redis.url,
  'an ioredis 5 client': () => {
    const client = new Redis5(redis.url);
    client.on('error', () => undefined);
    closeLater(async () => client.disconnect());
    return client;
  },
};

describe.each(Object.entries(clients))('a floor on %s', (_, option) => {
  it('survives the death of Redis, refuses at once, and heals by itself when Redis is back without its data', async () => {
    const floor = await open(option());
    const channel = floor.keys.atomic('test', 'channel');
    const heard = await recordAnnouncements(floor, channel);
    const events = recordEvents(floor);
    const epoch = floor.epoch;
    const calling = keepCalling(floor);
    await waitFor(() => calling.tally.answered > 20);

    await redis.kill();
    await waitFor(() => !floor.isUp && !floor.isLive);
    expect([...events].sort()).toEqual(['blind', 'down']);
    const startedAt = performance.now();
    await expect(floor.call(['PING'])).rejects.toMatchObject({
      code: 'PANDO_REDIS_UNAVAILABLE',
      sent: false,
    });
    expect(performance.now() - startedAt).toBeLessThan(SLACK_MS);

    await redis.restart();
    await healed(floor);
    expect(events.slice(2)).toEqual(['up', 'live']);
    expect(floor.epoch).not.toBe(epoch);
    await floor.publish(channel, 'after');
    await waitFor(() => heard.includes('after'));

    const { slowestMs, codes, failed } = await calling.stop();
    expect(failed).toBeGreaterThan(0);
    expect([...codes]).toEqual(['PANDO_REDIS_UNAVAILABLE']);
    expect(slowestMs).toBeLessThan(DEADLINE_MS + SLACK_MS);
  });

  it('keeps every deadline while Redis is frozen, gives the connection up, and goes on when it thaws', async () => {
    const floor = await open(option());
    const epoch = floor.epoch;
    const events = recordEvents(floor);
    const calling = keepCalling(floor);
    await waitFor(() => calling.tally.answered > 20);

    redis.freeze();
    const frozenAt = performance.now();
    await waitFor(() => !floor.isUp, { message: 'the floor to notice' });
    expect(performance.now() - frozenAt).toBeLessThan(3 * DEADLINE_MS + 2 * SLACK_MS);
    await waitFor(() => !floor.isLive);

    redis.thaw();
    await healed(floor);
    expect(floor.epoch).toBe(epoch);
    expect(events.filter((event) => event === 'up' || event === 'down')).toEqual(['down', 'up']);
    expect(events.at(-1)).toBe('live');

    const { slowestMs, codes } = await calling.stop();
    expect([...codes]).toEqual(['PANDO_REDIS_UNAVAILABLE']);
    expect(slowestMs).toBeLessThan(DEADLINE_MS + SLACK_MS);
  });
});

describe('a floor', () => {
  it('begins a new epoch when Redis restarts with its data: the last writes may be lost', async () => {
    const floor = await open(redis.url);
    const key = floor.keys.atomic('test', 'kept');
    await floor.call(['SET', key, 'value']);
    const epoch = floor.epoch;
    const changes: unknown[] = [];
    floor.events.on('up', (change) => void changes.push(change));

    await redis.restart({ keepData: true });
    await waitFor(() => changes.length > 0);
    await healed(floor);

    expect(await floor.call(['GET', key])).toBe('value');
    expect(floor.epoch).not.toBe(epoch);
    expect(changes).toEqual([{ epoch: floor.epoch, previousEpoch: epoch }]);
  });

  it('agrees with all others on the epoch that begins with a restart', async () => {
    const name = 'together';
    const floors = await Promise.all([1, 2, 3].map(() => open(redis.url, { name })));
    const before = floors[0]?.epoch;
    await redis.restart();
    await Promise.all(floors.map(healed));
    await waitFor(() => new Set(floors.map(({ epoch }) => epoch)).size === 1);
    expect(floors[0]?.epoch).not.toBe(before);
  });

  it('starts while Redis is away, and is there once Redis is', async () => {
    await redis.kill();
    const floor = await open({ url: redis.url, startTimeoutMs: 100 });
    const channel = floor.keys.atomic('test', 'channel');
    const heard = await recordAnnouncements(floor, channel);
    expect(floor.isUp).toBe(false);
    await redis.restart();
    await healed(floor);
    await floor.publish(channel, 'hello');
    await waitFor(() => heard.length === 1);
  });

  it('starts while Redis is frozen, in bounded time', async () => {
    redis.freeze();
    const startedAt = performance.now();
    const floor = await open({ url: redis.url, startTimeoutMs: 300 });
    expect(performance.now() - startedAt).toBeLessThan(300 + SLACK_MS);
    redis.thaw();
    await healed(floor);
  });

  it('closes in bounded time while Redis is frozen, and settles what is under way', async () => {
    const floor = await open(redis.url);
    redis.freeze();
    const call = expect(floor.call(['PING'])).rejects.toMatchObject({
      code: 'PANDO_REDIS_UNAVAILABLE',
      sent: true,
    });
    const startedAt = performance.now();
    await floor.close();
    // Leaving the fleet, QUIT, and cutting the connection are bounded one by one.
    expect(performance.now() - startedAt).toBeLessThan(DEADLINE_MS + 500 + 250 + SLACK_MS);
    await call;
  });

  it('is blind from the loss of its subscriber until that is back, and commands go on', async () => {
    const floor = await open(redis.url);
    const channels = Array.from({ length: 2_500 }, (_, index) => floor.keys.atomic('test', String(index)));
    const heard: string[] = [];
    await Promise.all(channels.map((channel) => floor.subscribe(channel, () => void heard.push(channel))));
    await waitFor(() => floor.isLive); // so many subscriptions can hold up the proof
    const epoch = floor.epoch;
    const events = recordEvents(floor);

    expect(await redis.command('CLIENT', 'KILL', 'TYPE', 'pubsub')).toBe(1);
    await waitFor(() => events.includes('blind'));
    expect(await floor.call(['PING'])).toBe('PONG');
    await waitFor(() => floor.isLive);
    for (const channel of channels) await floor.publish(channel, '');
    await waitFor(() => heard.length === channels.length);

    expect(events).toEqual(['blind', 'live']);
    expect(heard).toEqual(channels);
    expect(floor.epoch).toBe(epoch);
  });

  it('keeps its epoch and its ears when only the command connection is lost', async () => {
    const floor = await open(redis.url);
    const epoch = floor.epoch;
    const events = recordEvents(floor);
    await redis.command('CLIENT', 'KILL', 'TYPE', 'normal');
    await waitFor(() => events.includes('up'));
    expect(events).toEqual(['down', 'up']);
    expect(floor).toMatchObject({ isUp: true, isLive: true, epoch });
  });

  it('leaves a server that is demoted, and does not take a replica for a master', async () => {
    const floor = await open(redis.url);
    const events = recordEvents(floor);
    await redis.command('REPLICAOF', '127.0.0.1', '1');
    const write = floor.call(['SET', floor.keys.atomic('test', 'x'), '1']);
    await expect(write).rejects.toMatchObject({ code: 'PANDO_REDIS_UNAVAILABLE', sent: false });
    await waitFor(() => events.includes('down'));
    // Each attempt ends with the server's refusal to write; two of them must have been made by the time of the second.
    const refusals = async () => {
      const stats = String(await redis.command('INFO', 'errorstats'));
      return Number(/errorstat_READONLY:count=(\d+)/.exec(stats)?.[1]);
    };
    const before = await refusals();
    await waitFor(async () => (await refusals()) >= before + 2);
    expect(events).not.toContain('up');
    expect(floor.isUp).toBe(false);

    await redis.command('REPLICAOF', 'NO', 'ONE');
    await healed(floor);
    expect(await floor.call(['SET', floor.keys.atomic('test', 'x'), '1'])).toBe('OK');
  });

  it('does not give up a server that is slow now and then', async () => {
    const floor = await open(redis.url);
    const events = recordEvents(floor);
    for (let round = 0; round < 3; round++) {
      const slow = redis.command('DEBUG', 'SLEEP', String((DEADLINE_MS * 1.7) / 1_000));
      const missed = await waitFor(
        () =>
          floor.call(['PING']).then(
            () => false,
            () => true,
          ),
        { intervalMs: 1 },
      );
      expect(missed).toBe(true);
      await slow;
    }
    expect(await floor.call(['PING'])).toBe('PONG');
    expect(events).toEqual([]);
  });
});

describe('a floor behind a network that fails in silence', () => {
  it('notices that its connections are half open, and makes new ones', async () => {
    const proxy = await createTcpProxy({ target: { host: redis.host, port: redis.port } });
    closeLater(() => proxy.close());
    const floor = await open({ url: proxy.url('redis'), probeIntervalMs: 100 });
    const channel = floor.keys.atomic('test', 'channel');
    const heard = await recordAnnouncements(floor, channel);
    const events = recordEvents(floor);

    proxy.halfOpen();
    await waitFor(() => events.includes('down') && events.includes('blind'));
    await healed(floor);
    expect(events.indexOf('up')).toBeLessThan(events.indexOf('live'));
    await floor.publish(channel, 'through');
    await waitFor(() => heard.includes('through'));
  });

  it('goes on counting the others when all leases have ended in an outage, until they had time to come back', async () => {
    const [gone, floor] = await Promise.all(
      ['gone', 'here'].map((instanceId) => open({ url: redis.url, leaseMs: 300 }, { name: 'f', instanceId })),
    );
    const count = () => floor?.fleet.instances().length;
    await waitFor(() => count() === 2);
    await redis.kill();
    await waitFor(() => !floor?.isUp && !gone?.isUp);
    await gone?.close(); // could not take leave
    await redis.restart();
    let renewals = 0;
    const counts = new Set<number | undefined>();
    await waitFor(
      async () => {
        const listed = await floor?.call(['ZCARD', floor.keys.atomic('fleet')]);
        if (listed === 1 && count() === 2) renewals++; // Redis knows one, the floor still counts two
        counts.add(count());
        return count() === 1;
      },
      { intervalMs: 5 },
    );
    expect(renewals).toBeGreaterThan(0);
    expect([...counts]).toEqual([2, 1]);
  });

  it('leaves a connection that takes nothing any more although it has not ended, and keeps nobody else from going on', async () => {
    const floor = await open(redis.url);
    redis.freeze();
    const calling = floor.call(['PING']);
    (floor.client as unknown as { readonly stream: Socket }).stream.end(); // nobody answers that, either
    await expect(calling).rejects.toMatchObject({ code: 'PANDO_REDIS_UNAVAILABLE', sent: true });
    await waitFor(() => !floor.isUp);
    redis.thaw();
    await healed(floor);
    expect(await floor.call(['PING'])).toBe('PONG');
  });

  it('notices that only announcements are lost', async () => {
    const proxy = await createTcpProxy({ target: { host: redis.host, port: redis.port } });
    closeLater(() => proxy.close());
    const direct = await open(redis.url, { name: 'split' });
    const floor = await open({ url: proxy.url('redis'), probeIntervalMs: 100 }, { name: 'split' });
    const heard = await recordAnnouncements(floor, 'news');
    const events = recordEvents(floor);

    proxy.halfOpen();
    // Commands find out first and come back; the subscriber must not be believed because they work.
    await waitFor(() => events.includes('up'));
    await waitFor(() => events.includes('blind'));
    const blindAt = performance.now();
    expect(blindAt - floor.heardAt).toBeLessThan(3 * 100 + 2 * SLACK_MS);
    await waitFor(() => floor.isLive);
    await direct.publish('news', 'after');
    await waitFor(() => heard.includes('after'));
  });

  it('keeps deadlines in a black hole', async () => {
    const proxy = await createTcpProxy({ target: { host: redis.host, port: redis.port } });
    closeLater(() => proxy.close());
    const floor = await open(proxy.url('redis'));
    const calling = keepCalling(floor);
    await waitFor(() => calling.tally.answered > 20);
    proxy.blackHole();
    await waitFor(() => !floor.isUp);
    await proxy.heal();
    await healed(floor);
    const { slowestMs } = await calling.stop();
    expect(slowestMs).toBeLessThan(DEADLINE_MS + SLACK_MS);
  });
});
