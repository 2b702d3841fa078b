import { randomBytes } from 'node:crypto';
import { brokerSuite, brokerSuiteRetention, presenceStoreSuite } from '@pando/core/testing/suites';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createKernel } from '../../../packages/core/src/kernel/kernel.js';
import { RedisBroker } from '../../../packages/core/src/realtime/drivers/redis.js';
import { packMessage } from '../../../packages/core/src/realtime/packing.js';
import type { Retention } from '../../../packages/core/src/realtime/ports.js';
import { compareIds, originId } from '../../../packages/core/src/realtime/position.js';
import { createRedisFloor } from '../../../packages/core/src/redis/index.js';
import { testRedis } from '../../infra/context.js';
import { startRedis } from '../../infra/redis.js';

const open: AsyncDisposable[] = [];
afterEach(async () => {
  for (const thing of open.splice(0).reverse()) await thing[Symbol.asyncDispose]();
});

const silent = { onRestored: () => undefined, onBlind: () => undefined };

async function join(
  url: string,
  name: string,
  retention: Retention = brokerSuiteRetention,
): Promise<RedisBroker> {
  const floor = createRedisFloor({ url, commandTimeoutMs: 2_000 }, createKernel({ name }));
  const broker = new RedisBroker(floor, retention, { ownsFloor: true });
  open.push(broker);
  await broker.start(silent);
  return broker;
}

brokerSuite('the Redis broker', async () => {
  const { url, name } = testRedis();
  return { broker: () => join(url, name) };
});

presenceStoreSuite('the presence of the Redis broker', async () => {
  const { url, name } = testRedis();
  return { broker: () => join(url, name) };
});

describe('the Redis broker', () => {
  const message = (id?: string) => ({ id, packed: packMessage('', '1') });
  const channel = 'c';
  let url: string;
  let name: string;
  beforeEach(() => {
    url = testRedis().url;
    name = `broker-${randomBytes(4).toString('hex')}`;
  });

  it('keeps a log to its size, about, and tells that it was trimmed', async () => {
    const broker = await join(url, name, { ...brokerSuiteRetention, historyEntries: 10 });
    for (let n = 0; n < 300; n++) await broker.append(channel, [message()]);
    const { entries } = await broker.read(channel, { from: originId, limit: 1_000 });
    expect(entries.length).toBeGreaterThanOrEqual(10);
    expect(entries.length).toBeLessThan(300);
    expect(entries[0]?.prev).not.toBe(originId);
  });

  it('expires everything that it writes', async () => {
    await using server = await startRedis();
    const broker = await join(server.url, name);
    await broker.append(channel, [message('k')]);
    const keys = (await server.command('KEYS', 'pando:*realtime*')) as string[];
    expect(keys).toHaveLength(3); // the log, its head, an idempotency key
    for (const key of keys) expect(Number(await server.command('PTTL', key)), key).toBeGreaterThan(0);
  });

  it('continues the chain after the log has expired, even if the clock was set back meanwhile', async () => {
    await using server = await startRedis();
    const broker = await join(server.url, name);
    const head = `pando:{${name}}:realtime:head:${channel}`;
    await broker.append(channel, [message()]);
    // As if it had been written an hour from now.
    const future = `${Date.now() + 3_600_000}-7`;
    await server.command('SET', head, future);
    await server.command('DEL', `pando:{${name}}:realtime:log:${channel}`);
    const [place] = await broker.append(channel, [message()]);
    expect(compareIds(place?.id ?? '', future)).toBeGreaterThan(0);
    const page = await broker.read(channel, { from: future, limit: 9 });
    expect(page.entries).toMatchObject([{ id: place?.id, prev: future }]);
    const [next] = await broker.append(channel, [message()]);
    expect(compareIds(next?.id ?? '', place?.id ?? '')).toBeGreaterThan(0);
  });

  it('finds the head in the log when only the head was evicted', async () => {
    await using server = await startRedis();
    const broker = await join(server.url, name);
    const [first] = await broker.append(channel, [message()]);
    await server.command('DEL', `pando:{${name}}:realtime:head:${channel}`);
    expect((await broker.read(channel, { from: undefined, limit: 0 })).head).toBe(first?.id);
    await broker.append(channel, [message()]);
    expect((await broker.read(channel, { from: originId, limit: 9 })).entries[1]?.prev).toBe(first?.id);
  });

  it('remembers each idempotency key for its time, alone and in a packet', async () => {
    await using server = await startRedis();
    const broker = await join(server.url, name, { ...brokerSuiteRetention, idempotencyMs: 60_000 });
    await broker.append(channel, [message('one')]);
    await broker.append(channel, [message('two'), { ...message('three'), isHeld: true }]);
    const lifeOf = async (id: string) =>
      Number(await server.command('PTTL', `pando:{${name}}:realtime:id:${channel} ${id}`));
    for (const id of ['one', 'two']) {
      expect(await lifeOf(id), id).toBeGreaterThan(30_000);
      expect(await lifeOf(id), id).toBeLessThanOrEqual(60_000);
    }
    expect(await lifeOf('three')).toBeGreaterThan(brokerSuiteRetention.heldIdMs - 30_000);
  });

  it('knows a key however it was appended, with others or alone', async () => {
    await using server = await startRedis();
    const broker = await join(server.url, name);
    const [alone] = await broker.append(channel, [message('alone')]);
    const packet = await broker.append(channel, [message('first'), message('alone'), message('last')]);
    expect(packet[1]).toEqual({ ...alone, duplicate: true });
    for (const [at, id] of ['first', 'alone', 'last'].entries())
      expect(await broker.append(channel, [message(id)])).toEqual([{ ...packet[at], duplicate: true }]);
  });

  it('takes keys of two channels apart, whatever is in them', async () => {
    await using server = await startRedis();
    const broker = await join(server.url, name);
    await broker.append('a', [message('b:c d')]);
    for (const [other, id] of [
      ['a:b', 'c d'],
      ['a', 'b:c'],
      ['a', ''],
    ] as const)
      expect(await broker.append(other, [message(id)]), id).toMatchObject([{ duplicate: false }]);
  });

  it('remembers held keys until they are released, and a while from then on', async () => {
    await using server = await startRedis();
    const broker = await join(server.url, name);
    const key = (id: string) => `pando:{${name}}:realtime:id:${channel} ${id}`;
    const held = { ...message('row'), isHeld: true };
    const [first] = await broker.append(channel, [held]);
    await broker.release([{ channel, id: 'row' }]);
    expect(await broker.append(channel, [held])).toEqual([{ ...first, duplicate: true }]);
    expect(Number(await server.command('PTTL', key('row')))).toBeLessThanOrEqual(
      brokerSuiteRetention.idempotencyMs,
    );
    await server.command('PEXPIRE', key('row'), 0); // as when that time has passed
    expect(await broker.append(channel, [held])).toMatchObject([{ duplicate: false }]);
  });

  it('begins a new lineage when Redis was emptied under it', async () => {
    await using server = await startRedis();
    const broker = await join(server.url, name);
    const [before] = await broker.append(channel, [message()]);
    await server.command('FLUSHALL');
    const [after] = await broker.append(channel, [message()]);
    expect(after?.lineage).not.toBe(before?.lineage);
    expect(await broker.heads([channel])).toMatchObject([{ lineage: after?.lineage }]);
    await server.command('FLUSHALL');
    await expect(broker.heads([channel])).rejects.toMatchObject({
      code: 'PANDO_REALTIME_UNAVAILABLE',
      retryable: true,
    });
    expect(await broker.heads([channel])).toMatchObject([{ id: originId }]);
  });

  it('rejects with an error that says what failed and what to do, while Redis is away', async () => {
    await using server = await startRedis();
    const broker = await join(server.url, name);
    await server.kill();
    await expect(broker.append(channel, [message()])).rejects.toMatchObject({
      code: 'PANDO_REALTIME_UNAVAILABLE',
      message: expect.stringMatching(/^publishing to channel "c" failed: .*Try again; with the same id/),
      retryable: true,
      status: 503,
    });
  });
});
