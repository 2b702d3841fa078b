import { waitFor } from '@pando/core/testing';
import { EventSource } from 'eventsource';
import { afterAll, beforeAll, expect, it } from 'vitest';
import WebSocket from 'ws';
import { startHaproxy, startNginx } from '../infra/balancers.js';
import { testRedis } from '../infra/context.js';
import type { InstanceGroup } from '../infra/instances.js';
import { FleetClient, startFleet } from './fleet.js';

const redis = testRedis();
let fleet: InstanceGroup;

beforeAll(async () => {
  fleet = await startFleet({ kit: redis.name, redisUrl: redis.url });
});
afterAll(() => fleet?.close());

it.each([
  // Without configuration nginx passes no upgrades on, and buffers answers that do not ask it not to.
  {
    name: 'nginx as it comes',
    upgrades: false,
    start: () => startNginx({ ports: fleet.ports, config: 'plain' }),
  },
  { name: 'nginx', upgrades: true, start: () => startNginx({ ports: fleet.ports, config: 'streaming' }) },
  { name: 'haproxy', upgrades: true, start: () => startHaproxy({ ports: fleet.ports }) },
])('behind $name events arrive one by one as they are published, without sticky sessions', async (proxy) => {
  await using balancer = await proxy.start();
  const channel = proxy.name.replaceAll(' ', '-');
  const clients = [await followSse(balancer.url, channel)];
  if (proxy.upgrades) clients.push(await followWs(balancer.url, channel));
  try {
    // Each event is published only when the one before it has arrived: a proxy that holds one back stops the test.
    for (let n = 1; n <= 5; n++) {
      await new FleetClient(redis.name).publish(`${balancer.url}/channels/${channel}`, { n });
      await waitFor(() => clients.every(({ received }) => received.at(-1) === n), { message: `event ${n}` });
    }
    for (const { received } of clients) expect(received).toEqual([1, 2, 3, 4, 5]);
    expect(await whoHolds(`${balancer.url}/channels/${channel}`, 6)).toHaveLength(3);
  } finally {
    for (const client of clients) client.close();
  }
});

/** The instances that hold so many streams opened at once: the balancer spreads what stays open. */
async function whoHolds(url: string, count: number): Promise<readonly (string | null)[]> {
  const leaving = new AbortController();
  const streams = await Promise.all(
    Array.from({ length: count }, () => fetch(url, { signal: leaving.signal })),
  );
  const names = streams.map(({ headers }) => headers.get('x-pando-instance'));
  leaving.abort();
  return [...new Set(names)];
}

/** Somebody who follows a channel, and what has reached them. */
interface Follower {
  readonly received: readonly number[];
  close(): void;
}

async function followSse(url: string, channel: string): Promise<Follower> {
  const received: number[] = [];
  const source = new EventSource(`${url}/channels/${channel}`);
  source.onmessage = ({ data }) => received.push(JSON.parse(data).n);
  await waitFor(() => source.readyState === EventSource.OPEN, { message: 'the stream is open' });
  return { received, close: () => source.close() };
}

async function followWs(url: string, channel: string): Promise<Follower> {
  const received: number[] = [];
  const frames: string[] = [];
  const socket = new WebSocket(`${url.replace('http', 'ws')}/ws`, 'pando.v1');
  socket.on('message', (text) => {
    const { t, d } = JSON.parse(String(text));
    frames.push(t);
    if (t === 'm') received.push(d.n);
  });
  await waitFor(() => socket.readyState === WebSocket.OPEN, { message: 'the socket is open' });
  socket.send(JSON.stringify({ t: 'sub', id: 1, c: [channel] }));
  await waitFor(() => frames.includes('sub'), { message: 'the subscription is acknowledged' });
  return { received, close: () => socket.terminate() };
}
