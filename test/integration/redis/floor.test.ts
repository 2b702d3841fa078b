import { randomUUID } from 'node:crypto';
import { waitFor } from '@pando/core/testing';
import { Redis as Redis6 } from 'ioredis';
import { Redis as Redis5 } from 'ioredis5';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createKernel } from '../../../packages/core/src/kernel/kernel.js';
import {
  createRedisFloor,
  type RedisFloor,
  type RedisOption,
  type RedisScript,
} from '../../../packages/core/src/redis/index.js';
import { testRedis } from '../../infra/context.js';

const { url, name } = testRedis();
const kernel = createKernel({ name });

const opened: AsyncDisposable[] = [];
const open = async (option: RedisOption, instanceId?: string): Promise<RedisFloor> => {
  const floor = createRedisFloor(option, kernel, { instanceId });
  opened.push(floor);
  await floor.start();
  return floor;
};
const dispose = (close: () => unknown): void => {
  opened.push({ [Symbol.asyncDispose]: async () => void (await close()) });
};

afterEach(async () => {
  for (const one of opened.splice(0).reverse()) await one[Symbol.asyncDispose]();
});

const clients = {
  'a URL': () => url,
  'host and port': () => ({ host: '127.0.0.1', port: Number(new URL(url).port) }),
  'an ioredis 6 client': () => {
    const client = new Redis6(url);
    dispose(() => client.quit());
    return client;
  },
  'an ioredis 5 client': () => {
    const client = new Redis5(url);
    dispose(() => client.quit());
    return client;
  },
} satisfies Record<string, () => RedisOption>;

describe.each(Object.entries(clients))('a floor on %s', (_, option) => {
  it('is up and live after its start, with an epoch', async () => {
    const floor = await open(option());
    expect(floor).toMatchObject({ isUp: true, isLive: true, epoch: expect.stringMatching(/./) });
  });

  it('carries out commands and passes replies on as the server sends them', async () => {
    const floor = await open(option());
    const key = floor.keys.atomic('test', randomUUID());
    expect(await floor.call(['hset', key, 'field', 'wért', 'n', 1])).toBe(2);
    expect(await floor.call(['HGETALL', key])).toEqual(['field', 'wért', 'n', '1']);
    expect(await floor.call(['HGET', key, 'field'], { buffers: true })).toEqual(Buffer.from('wért'));
  });

  it('carries binary values both ways unchanged', async () => {
    const floor = await open(option());
    const key = floor.keys.spread('test', randomUUID());
    const bytes = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
    await floor.call(['SET', key, bytes]);
    expect(await floor.call(['GET', key], { buffers: true })).toEqual(bytes);
    expect(
      await floor.batch(
        [
          ['GET', key],
          ['STRLEN', key],
        ],
        { buffers: true },
      ),
    ).toEqual([bytes, 256]);
  });

  it('runs a script that the server does not know, and again by its hash', async () => {
    const floor = await open(option());
    const script: RedisScript = {
      name: 'test',
      keyCount: 1,
      source: `-- ${randomUUID()}\nreturn {KEYS[1], ARGV[1], 7}`,
    };
    const key = floor.keys.atomic('test', 'script');
    expect(await floor.run(script, [key], ['a'])).toEqual([key, 'a', 7]);
    expect(await floor.run(script, [key], ['b'], { buffers: true })).toEqual([
      Buffer.from(key),
      Buffer.from('b'),
      7,
    ]);
  });

  it('delivers binary announcements to every listener of a channel, in order', async () => {
    const floor = await open(option());
    const channel = floor.keys.atomic('test', randomUUID());
    const heard: [string, Buffer][] = [];
    await floor.subscribe(channel, (payload) => heard.push(['a', payload]));
    await floor.subscribe(channel, (payload) => heard.push(['b', payload]));
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
