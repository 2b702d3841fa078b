import { hostname } from 'node:os';
import { createPando, type Pando } from '@pando/core';
import { waitFor } from '@pando/core/testing';
import { expect, it, onTestFinished } from 'vitest';
import { testRedis } from '../../infra/context.js';

async function kit(
  instanceId: string,
  redis?: { readonly url: string; readonly name: string },
): Promise<Pando> {
  const pando = await createPando({
    name: redis?.name,
    instanceId,
    redis: redis && { url: redis.url, leaseMs: 3_000 },
    health: { version: '1.2.3' },
    lifecycle: { signals: false, readinessDelayMs: 0 },
  });
  onTestFinished(() => pando.close());
  return pando;
}

it('every instance lists all of them, with what each says of itself now', async () => {
  const redis = testRedis();
  const a = await kit('a', redis);
  const b = await kit('b', redis);
  const statesSeenBy = async (pando: Pando) => (await pando.fleet()).map(({ id, state }) => `${id} ${state}`);
  await waitFor(async () => (await statesSeenBy(b)).join() === 'a starting,b starting');
  expect(await a.fleet()).toContainEqual({
    id: 'b',
    version: '1.2.3',
    host: hostname(),
    pid: process.pid,
    startedAt: expect.any(Number),
    state: 'starting',
    connections: 0,
  });
  a.lifecycle.ready();
  await waitFor(async () => (await statesSeenBy(b)).join() === 'a ready,b starting');
  await a.close();
  await waitFor(async () => (await statesSeenBy(b)).join() === 'b starting');
});

it('an instance that was killed goes with its lease', async () => {
  const redis = testRedis();
  const a = await kit('a', redis);
  const { redis: floor } = a;
  const leases = floor?.keys.atomic('fleet') ?? '';
  // What a process leaves behind that is killed; its lease ends soon.
  await floor?.call(['ZADD', leases, Date.now() + 500, 'killed']);
  await waitFor(async () => (await a.fleet()).some(({ id }) => id === 'killed'));
  expect((await a.fleet()).find(({ id }) => id === 'killed')).toEqual({ id: 'killed' });
  await waitFor(async () => (await a.fleet()).every(({ id }) => id !== 'killed'));
});

it('without Redis a process is all there is', async () => {
  const pando = await kit('alone');
  expect(await pando.fleet()).toMatchObject([{ id: 'alone', state: 'starting', connections: 0 }]);
});
