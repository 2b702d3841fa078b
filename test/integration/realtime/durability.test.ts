import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { createKernel } from '../../../packages/core/src/kernel/kernel.js';
import { RedisBroker } from '../../../packages/core/src/realtime/drivers/redis.js';
import { packMessage } from '../../../packages/core/src/realtime/packing.js';
import { originId } from '../../../packages/core/src/realtime/position.js';
import { createRedisFloor } from '../../../packages/core/src/redis/index.js';
import { waitFor } from '../../../packages/core/src/testing/index.js';
import { brokerSuiteRetention } from '../../../packages/core/src/testing/suites/realtime.js';
import { type RedisServer, startRedis } from '../../infra/redis.js';

const name = 'durable';
const log = (channel: string) => `pando:{${name}}:realtime:log:${channel}`;
const message = (id?: string) => ({ id, packed: packMessage('', '1') });

let master: RedisServer;
let replica: RedisServer;
let broker: RedisBroker;
beforeAll(async () => {
  master = await startRedis({ args: ['--repl-diskless-sync-delay', '0'] });
  replica = await startRedis();
  broker = new RedisBroker(
    createRedisFloor({ url: master.url, commandTimeoutMs: 10_000 }, createKernel({ name })),
    brokerSuiteRetention,
    { ownsFloor: true },
  );
  await broker.start({ onRestored: () => undefined, onBlind: () => undefined });
});
afterAll(async () => {
  await broker?.close();
  await replica?.close();
  await master?.close();
});
afterEach(() => replica.command('REPLICAOF', 'NO', 'ONE'));

const follow = async () => {
  await replica.command('REPLICAOF', master.host, master.port);
  await waitFor(async () => String(await master.command('INFO', 'replication')).includes('state=online'), {
    message: 'the replica to be in step',
  });
};

it('resolves a durable append when a replica has it, with and without ids', async () => {
  await follow();
  const durability = { replicas: 1, timeoutMs: 10_000 };
  for (let n = 1; n <= 5; n++) {
    await broker.append('both', [message(n % 2 ? `row:${n}` : undefined)], { durability });
    expect(await replica.command('XLEN', log('both'))).toBe(n);
  }
});

it('rejects one that too few replicas have, although it is written: repeated with its id it is there once', async () => {
  const outcome = broker.append('few', [message('row:1')], { durability: { replicas: 1, timeoutMs: 50 } });
  await expect(outcome).rejects.toMatchObject({
    code: 'PANDO_REALTIME_UNAVAILABLE',
    retryable: true,
    cause: { message: expect.stringContaining('0 of 1 replicas') },
  });
  expect((await broker.read('few', { from: originId, limit: 10 })).entries).toHaveLength(1);
  await follow();
  const again = await broker.append('few', [message('row:1')], {
    durability: { replicas: 1, timeoutMs: 10_000 },
  });
  expect(again).toMatchObject([{ duplicate: true }]);
  expect(await replica.command('XLEN', log('few'))).toBe(1);
});

it('holds up nothing else while it waits', async () => {
  const order: string[] = [];
  const waiting = broker
    .append('slow', [message()], { durability: { replicas: 1, timeoutMs: 60_000 } })
    .finally(() => order.push('durable'));
  // Written, so that it waits for replicas from here on.
  await waitFor(async () => (await broker.read('slow', { from: originId, limit: 10 })).entries.length === 1);
  await broker.append('slow', [message()]);
  order.push('other');
  await follow();
  await waiting;
  expect(order).toEqual(['other', 'durable']);
});
