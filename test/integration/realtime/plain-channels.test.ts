import { createPando, type Pando } from '@pando/core';
import { waitFor } from '@pando/core/testing';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { TestOutlet, TestSocket } from '../../../packages/core/src/testing/suites/realtime/wires.js';
import { testRedis } from '../../infra/context.js';

const { url, name } = testRedis();
/** Bare names are shared by all that use this Redis. */
const channel = `${name}:chat`;
const kits: Pando[] = [];
const service = new Redis(url);
const listening = new Redis(url);

beforeAll(async () => {
  for (let kit = 0; kit < 2; kit++) {
    kits.push(
      await createPando({
        name,
        redis: url,
        realtime: { channels: { [`${name}:*`]: { plain: true } } },
        lifecycle: { signals: false, readinessDelayMs: 0 },
      }),
    );
  }
});
afterAll(async () => {
  for (const kit of kits) await kit.close();
  service.disconnect();
  listening.disconnect();
});

const open = async () => {
  const [one, two] = kits as [Pando, Pando];
  const heard: unknown[] = [];
  const [stream, socket] = [new TestOutlet(), new TestSocket()];
  await one.realtime.subscribe(channel, ({ data, position, token }) => heard.push({ data, position, token }));
  await two.realtime.openSse(stream, { channels: [channel], format: 'envelope' });
  two.realtime.openSocket(socket, { protocol: 'raw', channels: [channel] });
  await waitFor(async () => (await service.pubsub('NUMSUB', channel))[1] === 2);
  return { one, two, heard, stream, socket };
};

it('what a service in another language publishes reaches every client, once', async () => {
  const { one, heard, stream, socket } = await open();
  await service.publish(channel, '{"text": "from\\n elsewhere"}');
  await service.publish(channel, 'not JSON');
  await service.publish(channel, '7');
  const message = { text: 'from\n elsewhere' };
  await waitFor(() => heard.length === 2 && socket.received.length === 2);
  expect(heard).toEqual([
    { data: message, position: '', token: undefined },
    { data: 7, position: '', token: undefined },
  ]);
  const streamed = () => stream.client.events.filter(({ type }) => type === 'message');
  await waitFor(() => streamed().length === 2);
  expect(streamed().map(({ data }) => JSON.parse(data))).toEqual([
    { c: channel, i: '', d: message },
    { c: channel, i: '', d: 7 },
  ]);
  expect(await one.metrics.expose()).toContain('pando_realtime_unreadable_messages_total 1');
});

it('what is published here reaches such a service as bare JSON, and our own clients once', async () => {
  const { one, two, heard, socket } = await open();
  const told: string[] = [];
  listening.on('message', (_, payload) => told.push(payload));
  await listening.subscribe(channel);
  await Promise.all([one.realtime.publish(channel, { n: 1 }), one.realtime.publish(channel, { n: 2 })]);
  expect(await two.realtime.publish(channel, 'three')).toEqual({ position: '', duplicate: false });
  await waitFor(() => told.length === 3 && heard.length === 3 && socket.received.length === 3);
  expect(told).toEqual(['{"n":1}', '{"n":2}', '"three"']);
  expect(heard.map((message) => (message as { data: unknown }).data)).toEqual([{ n: 1 }, { n: 2 }, 'three']);
});
