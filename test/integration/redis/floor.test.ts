import { randomUUID } from 'node:crypto';
import { freePort, waitFor } from '@pando/core/testing';
import { Redis as Redis6 } from 'ioredis';
import { Redis as RedisLowest } from 'ioredis-lowest';
import { Redis as Redis5 } from 'ioredis5';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { RedisOption, RedisScript } from '../../../packages/core/src/redis/index.js';
import { testRedis } from '../../infra/context.js';
import { floorsOfThisFile, patiently, recordAnnouncements, recordEvents } from './floors.js';

const { url, name } = testRedis();
const { make, open, closeLater } = floorsOfThisFile();

const admin = new Redis6(url, { lazyConnect: true });
beforeAll(() => admin.connect());
afterAll(() => admin.quit());

function given<Client extends { quit(): Promise<unknown> }>(client: Client): Client {
  closeLater(() => client.quit());
  return client;
}

const options = {
  'a URL': () => url,
  'host and port': () => ({ host: '127.0.0.1', port: Number(new URL(url).port) }),
  'an ioredis 6 client': () => given(new Redis6(url)),
  'an ioredis 5 client': () => given(new Redis5(url)),
  'an ioredis 5.4.0 client': () => given(new RedisLowest(url)),
} satisfies Record<string, () => RedisOption>;

describe.each(Object.entries(options))('a floor on %s', (_, option) => {
  it('is up and live after its start, with an epoch', async () => {
    const floor = await open(patiently(option()));
    expect(floor).toMatchObject({ isUp: true, isLive: true, epoch: expect.stringMatching(/./) });
  });

  it('carries out commands and passes replies on as the server sends them', async () => {
    const floor = await open(patiently(option()));
    const key = floor.keys.atomic('test', randomUUID());
    expect(await floor.call(['hset', key, 'field', 'wért', 'n', 1])).toBe(2);
    expect(await floor.call(['HGETALL', key])).toEqual(['field', 'wért', 'n', '1']);
    expect(await floor.call(['HGET', key, 'field'], { buffers: true })).toEqual(Buffer.from('wért'));
  });

  it('carries binary values both ways unchanged', async () => {
    const floor = await open(patiently(option()));
    const key = floor.keys.spread('test', randomUUID());
    const bytes = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
    await floor.call(['SET', key, bytes]);
    expect(await floor.call(['GET', key], { buffers: true })).toEqual(bytes);
    const commands = [
      ['GET', key],
      ['STRLEN', key],
    ] as const;
    expect(await floor.batch(commands, { buffers: true })).toEqual([bytes, 256]);
  });

  it('runs a script that the server does not know, and again by its hash', async () => {
    const floor = await open(patiently(option()));
    const source = `-- ${randomUUID()}\nreturn {KEYS[1], ARGV[1], 7}`;
    const script: RedisScript = { name: 'test', keyCount: 1, source };
    const key = floor.keys.atomic('test', 'script');
    expect(await floor.run(script, [key], ['a'])).toEqual([key, 'a', 7]);
    expect(await floor.run(script, [key], ['b'], { buffers: true })).toEqual([
      Buffer.from(key),
      Buffer.from('b'),
      7,
    ]);
  });

  it('delivers binary announcements to every listener of a channel, in order', async () => {
    const floor = await open(patiently(option()));
    const channel = floor.keys.atomic('test', randomUUID());
    const heard: [string, Buffer][] = [];
    await floor.subscribe(channel, (payload) => void heard.push(['a', payload]));
    await floor.subscribe(channel, (payload) => void heard.push(['b', payload]));
    const payloads = [Buffer.from([0, 255, 10, 13]), Buffer.from('two'), Buffer.alloc(0)];
    for (const payload of payloads) await floor.publish(channel, payload);
    await waitFor(() => heard.length === 6);
    expect(heard).toEqual(
      payloads.flatMap((payload) => [
        ['a', payload],
        ['b', payload],
      ]),
    );
  });
});

describe('a given client', () => {
  it.each([
    ['6', () => given(new Redis6(url, { db: 3, keyPrefix: 'theirs:' }))],
    ['5', () => given(new Redis5(url, { db: 3, keyPrefix: 'theirs:' }))],
    ['5.4.0', () => given(new RedisLowest(url, { db: 3, keyPrefix: 'theirs:' }))],
  ])('of ioredis %s is duplicated, and left as it was', async (_, connect) => {
    const client = connect();
    await client.set('before', '1');
    const optionsBefore = { ...client.options };
    const listenersBefore = client.eventNames();

    const floor = await open(patiently(client), { name });
    await floor.call(['SET', floor.keys.spread('test', 'where'), 'here']);
    await floor.close();

    expect(client.options).toEqual(optionsBefore);
    expect(client.eventNames()).toEqual(listenersBefore);
    expect(client.status).toBe('ready');
    expect(await client.get('before')).toBe('1');
    // The same database, but keys of our own: a foreign prefix would not reach channels or scripts.
    expect(await client.get(`pando:${name}:test:where`)).toBeNull();
    await admin.select(3);
    expect(await admin.get(`pando:${name}:@3:test:where`)).toBe('here');
    await admin.select(0);
  });
});

describe('epochs', () => {
  it('are the same for all instances of a kit, and differ between kits', async () => {
    const [a, b, other] = await Promise.all([
      open(patiently(url), { name }),
      open(patiently(url), { name }),
      open(patiently(url)),
    ]);
    expect(a.epoch).toBe(b.epoch);
    expect(a.epoch).not.toBe(other.epoch);
  });

  it('are renewed once, however many instances ask, and all hear of it', async () => {
    const floors = await Promise.all([
      open(patiently(url), { name }),
      open(patiently(url), { name }),
      open(patiently(url), { name }),
    ]);
    const seen = floors[0].epoch as string;
    const changes: { epoch: string; previousEpoch: string | undefined }[] = [];
    for (const floor of floors) floor.events.on('up', (change) => void changes.push(change));

    const [one, two] = await Promise.all([floors[0].renewEpoch(seen), floors[1].renewEpoch(seen)]);

    expect(one).toBe(two);
    expect(one).not.toBe(seen);
    await waitFor(() => floors.every((floor) => floor.epoch === one && floor.isLive));
    expect(changes).toEqual(Array(3).fill({ epoch: one, previousEpoch: seen }));
    expect(await admin.hget(floors[0].epochKey, 'id')).toBe(one);
  });

  it('are not renewed by who saw an older one', async () => {
    const floor = await open(patiently(url));
    const first = floor.epoch as string;
    const second = await floor.renewEpoch(first);
    expect(await floor.renewEpoch(first)).toBe(second);
    expect(floor.epoch).toBe(second);
  });

  it('distrust announcements until they are proven again', async () => {
    const floor = await open(patiently(url));
    const events = recordEvents(floor);
    await floor.renewEpoch(floor.epoch as string);
    await waitFor(() => floor.isLive);
    expect(events).toEqual(['blind', 'up', 'live']);
  });
});

describe('subscriptions', () => {
  const listeners = async (channel: string) => (await admin.pubsub('NUMSUB', channel))[1];

  it('end one by one, and the channel with the last', async () => {
    const floor = await open(patiently(url));
    const channel = floor.keys.atomic('test', 'channel');
    const heard: string[] = [];
    const a = await floor.subscribe(channel, () => void heard.push('a'));
    const b = await floor.subscribe(channel, () => void heard.push('b'));
    await a.close();
    await a.close();
    await floor.publish(channel, '');
    await waitFor(() => heard.length > 0);
    expect(heard).toEqual(['b']);
    expect(await listeners(channel)).toBe(1);
    await b.close();
    expect(await listeners(channel)).toBe(0);
  });

  it('survive being ended and begun again at once', async () => {
    const floor = await open(patiently(url));
    const channel = floor.keys.atomic('test', 'channel');
    const first = await floor.subscribe(channel, () => undefined);
    const ended = first.close();
    const heard = await recordAnnouncements(floor, channel);
    await ended;
    await floor.publish(channel, 'again');
    await waitFor(() => heard.length === 1);
  });

  it('shield listeners from each other', async () => {
    const floor = await open(patiently(url));
    const channel = floor.keys.atomic('test', 'channel');
    await floor.subscribe(channel, () => {
      throw new Error('a listener with a fault');
    });
    const heard = await recordAnnouncements(floor, channel);
    await floor.publish(channel, 'still here');
    await waitFor(() => heard.length === 1);
  });

  it('are given up when aborted', async () => {
    const floor = await open(patiently(url));
    const reason = new Error('gone');
    const signal = AbortSignal.abort(reason);
    await expect(floor.subscribe('x', () => undefined, { signal })).rejects.toBe(reason);
  });

  it('may begin before the start', async () => {
    const floor = make(url);
    const channel = floor.keys.atomic('test', 'channel');
    const heard = await recordAnnouncements(floor, channel);
    await floor.start();
    await floor.publish(channel, 'first');
    await waitFor(() => heard.length === 1);
  });
});

describe('error replies', () => {
  it('reject with their kind', async () => {
    const floor = await open(patiently(url));
    const key = floor.keys.spread('test', randomUUID());
    await floor.call(['SET', key, 'text']);
    const error = { code: 'PANDO_REDIS_REPLY', kind: 'WRONGTYPE', retryable: false };
    await expect(floor.call(['LPUSH', key, 'x'])).rejects.toMatchObject(error);
    await expect(
      floor.batch([
        ['GET', key],
        ['LPUSH', key, 'x'],
      ]),
    ).rejects.toMatchObject(error);
    expect(floor.isUp).toBe(true);
  });

  it('keep the code that a script gave them', async () => {
    const floor = await open(patiently(url));
    const source = "return redis.error_reply('PANDO_STALE someone was faster')";
    const outcome = floor.run({ name: 'test', keyCount: 0, source }, [], []);
    await expect(outcome).rejects.toMatchObject({ kind: 'PANDO_STALE' });
  });
});

describe('the fleet', () => {
  it('knows who is here, and forgets who takes leave', async () => {
    const redis = { url, leaseMs: 300, commandTimeoutMs: 3_000 };
    const a = await open(redis, { name: `${name}-fleet`, instanceId: 'a' });
    const b = await open(redis, { name: `${name}-fleet`, instanceId: 'b' });
    await waitFor(() => [a, b].every(({ fleet }) => fleet.instances().join() === 'a,b'));
    await b.close();
    await waitFor(() => a.fleet.instances().join() === 'a');
    expect(a.fleet.self).toBe('a');
  });

  it('forgets who stops renewing', async () => {
    const floor = await open({ url, leaseMs: 300, commandTimeoutMs: 3_000 }, { instanceId: 'here' });
    await admin.zadd(floor.keys.atomic('fleet'), Date.now() + 2_000, 'dead');
    await waitFor(() => floor.fleet.instances().includes('dead'));
    await waitFor(() => !floor.fleet.instances().includes('dead'));
    expect(floor.fleet.instances()).toEqual(['here']);
  });
});

describe('without Redis', () => {
  it('starts after a bounded wait, refuses commands at once and takes subscriptions', async () => {
    const floor = make({ host: '127.0.0.1', port: await freePort(), startTimeoutMs: 200 });
    await floor.start();
    expect(floor).toMatchObject({ isUp: false, isLive: false, epoch: undefined });
    const error = { code: 'PANDO_REDIS_UNAVAILABLE', retryable: true, status: 503, sent: false };
    await expect(floor.call(['GET', 'x'])).rejects.toMatchObject(error);
    await expect(floor.publish('x', 'y')).rejects.toMatchObject(error);
    await floor.subscribe('x', () => undefined);
  });

  it('stops waiting when aborted', async () => {
    const floor = make({ host: '127.0.0.1', port: await freePort() });
    const controller = new AbortController();
    const started = floor.start({ signal: controller.signal });
    controller.abort(new Error('never mind'));
    await expect(started).rejects.toThrow('never mind');
  });
});

describe('closing', () => {
  it('is repeatable, ends the connections and refuses what comes later', async () => {
    const floor = await open(patiently(url), { instanceId: 'leaving' });
    await Promise.all([floor.close(), floor.close()]);
    await floor.close();
    await expect(floor.call(['GET', 'x'])).rejects.toMatchObject({ code: 'PANDO_CLOSED' });
    await expect(floor.subscribe('x', () => undefined)).rejects.toMatchObject({ code: 'PANDO_CLOSED' });
    await expect(floor.start()).rejects.toMatchObject({ code: 'PANDO_CLOSED' });
    expect(await admin.zscore(floor.keys.atomic('fleet'), 'leaving')).toBeNull();
    expect(await admin.client('LIST')).not.toContain(`pando:${floor.keys.name}`);
  });

  it('may happen before or during the start', async () => {
    await make(url).close();
    const floor = make(url);
    const started = floor.start();
    const outcome = expect(started).rejects.toMatchObject({ code: 'PANDO_CLOSED' });
    await floor.close();
    await outcome;
  });
});

describe('silence', () => {
  it('is broken by announcements to ourselves', async () => {
    const floor = await open({ url, probeIntervalMs: 100, commandTimeoutMs: 3_000 });
    const events = recordEvents(floor);
    const before = floor.heardAt;
    await waitFor(() => floor.heardAt > before + 400);
    expect(events).toEqual([]);
    expect(floor.isLive).toBe(true);
  });
});

describe('deadlines', () => {
  it('do not blame Redis for a process that was busy itself', async () => {
    const floor = await open(url);
    const call = floor.call(['PING']);
    const busyUntil = performance.now() + 400;
    while (performance.now() < busyUntil);
    // Timer and reply are both due when the loop runs again, and timers come first.
    expect(await call).toBe('PONG');
  });
});

describe('aborted commands', () => {
  it('reject with the reason of the signal', async () => {
    const floor = await open(patiently(url));
    const reason = new Error('the client has gone');
    await expect(floor.call(['PING'], { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    const controller = new AbortController();
    const outcome = floor.call(['PING'], { signal: controller.signal });
    controller.abort(reason);
    await expect(outcome).rejects.toBe(reason);
  });
});
