import { randomBytes } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { createRealtime, type Presence, type Realtime } from '@pando/core/realtime';
import { waitFor } from '@pando/core/testing';
import { EventSource } from 'eventsource';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import WebSocket from 'ws';
import { type InstanceGroup, startInstances } from '../infra/instances.js';
import { type RedisServer, startRedis } from '../infra/redis.js';
import { PresentList } from '../integration/realtime/present-list.js';

const entry = fileURLToPath(new URL('../fixtures/presence-app.ts', import.meta.url));
const LEASE_MS = 3_000;
const LEAVE_MS = 300;
/** Renewals are a third of a lease apart; the rest is what a busy machine may add. */
const BOUND_MS = LEASE_MS + LEASE_MS / 3 + 4_000;

let redis: RedisServer;
let kit: string;
let instances: InstanceGroup;
let observer: Realtime;
let list: PresentList;
const clients: { close(): void }[] = [];

beforeEach(async () => {
  kit = `presence-${randomBytes(4).toString('hex')}`;
  redis = await startRedis();
  instances = await startInstances({
    count: 3,
    entry,
    env: { KIT: kit, REDIS_URL: redis.url, LEASE_MS: String(LEASE_MS), LEAVE_MS: String(LEAVE_MS) },
  });
  observer = createRealtime({ redis: redis.url, name: kit, presence: { leaseMs: LEASE_MS } });
  await observer.start();
  list = await PresentList.keep(observer, 'c');
});
afterEach(async () => {
  for (const client of clients.splice(0)) client.close();
  await list?.[Symbol.asyncDispose]();
  await observer?.close();
  await instances?.close();
  await redis?.close();
});

/** A browser on one instance, which never comes back by itself to another. */
function arrive(index: number, id: string): void {
  const stream = new EventSource(`${instances.urls[index]}/channels/c?id=${id}`);
  stream.addEventListener('error', () => stream.close());
  clients.push(stream);
}

async function idsSeenBy(index: number): Promise<readonly string[]> {
  const response = await waitFor(async () => {
    const answer = await fetch(`${instances.urls[index]}/presence/c`);
    return answer.ok && answer; // the instance may not have found Redis again
  });
  return ((await response.json()) as Presence).members.map(({ id }) => id);
}

const everyone = ['ann', 'bob', 'eve', 'kim', 'lou', 'max'];
const arriveAll = async () => {
  for (const [n, id] of everyone.entries()) arrive(n % 3, id);
  await waitFor(() => list.ids.length === everyone.length, { message: 'all to be present' });
};
const instance = (index: number) => instances.instances[index] as (typeof instances.instances)[number];

describe('an instance that is killed', () => {
  it('is missed within a bound: each of its users leaves once, and nobody else', async () => {
    await arriveAll();
    await instance(1).kill();
    const killedAt = performance.now();
    await waitFor(() => list.ids.length === 4, { message: 'two to leave' });
    expect(performance.now() - killedAt).toBeLessThan(BOUND_MS);
    for (const index of [0, 2]) expect(await idsSeenBy(index)).toEqual(['ann', 'eve', 'kim', 'max']);
    // Another event comes after everything that was told before it.
    arrive(0, 'zoe');
    await waitFor(() => list.ids.includes('zoe'));
    expect(list.told.filter((told) => told.startsWith('leave')).sort()).toEqual(['leave bob', 'leave lou']);
    expect(list.told.filter((told) => told.startsWith('join'))).toHaveLength(everyone.length + 1);
  });

  it('and is started again under its name at once does not keep those alive whom it has lost', async () => {
    await arriveAll();
    await instance(1).kill();
    await instance(1).restart();
    arrive(1, 'zoe');
    await waitFor(() => list.ids.includes('zoe') && list.ids.length === 5, { message: 'two to leave' });
    expect(list.ids).toEqual(['ann', 'eve', 'kim', 'max', 'zoe']);
  });

  it('and whose users are elsewhere, too, is not missed at all', async () => {
    await arriveAll();
    arrive(0, 'bob');
    arrive(2, 'lou');
    await waitFor(async () => (await observer.presence('c')).connections === 8, { message: 'two more' });
    await instance(1).kill();
    await waitFor(async () => (await observer.presence('c')).connections === 6, { message: 'the sweep' });
    arrive(0, 'zoe');
    await waitFor(() => list.ids.includes('zoe'));
    expect(list.told.filter((told) => told.startsWith('leave'))).toEqual([]);
    expect(await idsSeenBy(0)).toEqual([...everyone, 'zoe']);
  });
});

describe('an instance that stands still', () => {
  it('loses its users, and brings them back when it goes on', async () => {
    await arriveAll();
    instance(2).freeze();
    await waitFor(() => list.ids.length === 4, { message: 'two to leave' });
    instance(2).thaw();
    await waitFor(() => list.ids.length === 6, { message: 'two to come back' });
    expect(list.told.slice(everyone.length).sort()).toEqual([
      'join eve',
      'join max',
      'leave eve',
      'leave max',
    ]);
    expect(await idsSeenBy(0)).toEqual(everyone);
  });
});

describe('an instance that is told to end', () => {
  it('is missed by those of its users only who are nowhere else', async () => {
    await arriveAll();
    arrive(1, 'ann');
    await waitFor(async () => (await observer.presence('c')).connections === 7, { message: 'one more' });
    await instance(0).terminate();
    await waitFor(() => !list.ids.includes('kim'), { message: 'kim to leave' });
    expect(list.told.filter((told) => told.startsWith('leave'))).toEqual(['leave kim']);
    expect(await idsSeenBy(1)).toEqual(everyone.filter((id) => id !== 'kim'));
  });
});

describe('Redis', () => {
  it.each([
    ['with its data', true],
    ['without its data', false],
  ])('that ends and comes back %s has the whole list again, without anybody’s doing', async (_, keepData) => {
    await arriveAll();
    await redis.restart({ keepData });
    await waitFor(() => list.resets > 0 && list.ids.length === everyone.length, {
      message: () => `the list to be whole again: ${list.ids}`,
    });
    await waitFor(async () => (await observer.presence('c')).connections === everyone.length);
    for (const index of [0, 1, 2]) expect(await idsSeenBy(index)).toEqual(everyone);
    expect(list.infos).toMatchObject({ ann: { via: '1' }, bob: { via: '2' } });
    // Nobody is counted twice: who leaves now is gone.
    for (const client of clients.splice(0)) client.close();
    await waitFor(() => list.ids.length === 0, { message: 'all to leave' });
  });

  it('that loses its data under standing connections has the whole list again', async () => {
    await arriveAll();
    await redis.command('FLUSHALL');
    await waitFor(
      async () => (await observer.presence('c').catch(() => undefined))?.users === everyone.length,
      {
        message: 'all to be present',
      },
    );
    for (const index of [0, 1, 2]) expect(await idsSeenBy(index)).toEqual(everyone);
  });

  it('that stands still loses nobody, and those who went away meanwhile leave', async () => {
    await arriveAll();
    redis.freeze();
    clients.shift()?.close(); // ann
    const response = await fetch(`${instances.urls[1]}/presence/c`);
    expect(response.status).toBe(503);
    redis.thaw();
    await waitFor(() => !list.ids.includes('ann'), { message: 'ann to leave' });
    expect(await idsSeenBy(1)).toEqual(everyone.filter((id) => id !== 'ann'));
    expect(list.told.slice(everyone.length)).toEqual(['leave ann']);
  });
});

describe('a WebSocket of a raw route', () => {
  it('is present as its route says, and may change what is shown', async () => {
    const url = `${instances.urls[0]?.replace('http', 'ws')}/channels/c/ws`;
    const [named, guest] = [new WebSocket(url, { headers: { 'x-user': 'ann' } }), new WebSocket(url)];
    clients.push(named, guest);
    await waitFor(() => list.ids.includes('ann'));
    expect(list.infos).toEqual({ ann: { in: 'c', on: 'c' } });
    await waitFor(async () => (await observer.presence('c')).connections === 2);
    expect((await observer.presence('c')).users).toBe(1);
    named.send('away');
    await waitFor(() => list.infos.ann === 'away');
    named.close();
    await waitFor(() => list.ids.length === 0);
    expect(list.told).toEqual(['join ann', 'update ann', 'leave ann']);
  });
});
