import { readFileSync } from 'node:fs';
import { createLimits, type Limits, type LimitsOptions } from '@pando/core/limits';
import { waitFor } from '@pando/core/testing';
import { Redis } from 'ioredis';
import { Redis as Redis5 } from 'ioredis5';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { RedisFloor, RedisScript } from '../../../packages/core/src/redis/index.js';
import { testRedis } from '../../infra/context.js';
import { floorsOfThisFile } from '../redis/floors.js';

const { open, closeLater } = floorsOfThisFile();

/** Long enough that a busy machine makes no decision without Redis. */
const decisionTimeoutMs = 5_000;

const spend: RedisScript = {
  name: 'spend',
  source: readFileSync(
    new URL('../../../packages/core/src/limits/drivers/lua/spend-1.lua', import.meta.url),
    'utf8',
  ),
  keyCount: 1,
};

async function startLimits(options: LimitsOptions): Promise<Limits> {
  const limits = createLimits({ decisionTimeoutMs, ...options });
  onTestFinished(() => limits.close());
  await limits.start();
  return limits;
}

describe('two instances', () => {
  it('together never let more than the limit pass in a window, over several windows and under a flood', async () => {
    const { url, name } = testRedis();
    const limit = 20;
    const windowMs = 300;
    const policies = { burst: { limit, windowMs } };
    const rooms = [
      await startLimits({ redis: url, name, policies }),
      await startLimits({ redis: url, name, policies }),
    ];
    const passed: { readonly askedAt: number; readonly answeredAt: number }[] = [];
    const endsAt = performance.now() + 4 * windowMs;
    const caller = async (room: Limits) => {
      while (performance.now() < endsAt) {
        const askedAt = performance.now();
        const decision = await room.consume('burst', 'ann');
        expect(decision.source).toBe('redis');
        if (decision.allowed) passed.push({ askedAt, answeredAt: performance.now() });
      }
    };
    await Promise.all(rooms.flatMap((room) => Array.from({ length: 8 }, () => caller(room))));

    // A window begins with a call that passes, so at most one more begins than fit between the first and the last.
    const first = Math.min(...passed.map(({ askedAt }) => askedAt));
    const last = Math.max(...passed.map(({ answeredAt }) => answeredAt));
    expect(passed.length).toBeLessThanOrEqual(limit * (Math.floor((last - first) / windowMs) + 1));
    expect(passed.length).toBeGreaterThanOrEqual(limit * 3);
  });

  it('share the count of every policy, with costs and several windows', async () => {
    const { url, name } = testRedis();
    const policies = { write: ['10/min', '15/h'] };
    const [a, b] = [
      await startLimits({ redis: url, name, policies }),
      await startLimits({ redis: url, name, policies }),
    ];
    expect(await a.consume('write', 'ann', { cost: 6 })).toMatchObject({
      allowed: true,
      limit: 10,
      remaining: 4,
    });
    expect(await b.consume('write', 'ann', { cost: 5 })).toMatchObject({
      allowed: false,
      limit: 10,
      remaining: 4,
    });
    expect(await b.consume('write', 'ann', { cost: 4 })).toMatchObject({ allowed: true, remaining: 0 });
    expect(await a.consume('write', 'ann')).toMatchObject({ allowed: false, source: 'redis' });
  });
});

describe.each([
  ['ioredis 5', (url: string) => new Redis5(url)],
  ['ioredis 6', (url: string) => new Redis(url)],
])('on a client of %s', (_, connect) => {
  it('decides, and leaves the client alone', async () => {
    const { url, name } = testRedis();
    const client = connect(url);
    closeLater(async () => client.disconnect());
    const limits = await startLimits({ redis: client, name, policies: { write: '2/min' } });
    const allowed: boolean[] = [];
    for (let call = 0; call < 4; call++) allowed.push((await limits.consume('write', 'ann')).allowed);
    expect(allowed).toEqual([true, true, false, false]);
    await limits.close();
    expect(await client.ping()).toBe('PONG');
    expect('rlflxIncr' in client).toBe(false);
  });
});

describe('in Redis', () => {
  const keysOf = (floor: RedisFloor) =>
    floor.call(['KEYS', floor.keys.spread('limits', '*')]) as Promise<string[]>;

  it('every counter expires, and no key is longer than a bound, whatever callers send', async () => {
    const { url, name } = testRedis();
    const limits = await startLimits({ redis: url, name, policies: { write: ['5/min', '9/h'] } });
    const keys = ['ann', 'x'.repeat(1_000_000), 'a\r\nb', '{tag}', '\0', '__proto__', '*'];
    for (const key of keys) expect((await limits.consume('write', key)).source).toBe('redis');
    const floor = await open(url, { name });
    const stored = await keysOf(floor);
    expect(stored).toHaveLength(2 * keys.length);
    for (const key of stored) {
      expect(key.length).toBeLessThan(200);
      expect(await floor.call(['PTTL', key])).toBeGreaterThan(0);
    }
  });

  it('a lost script and lost counters disturb nobody', async () => {
    const { url, name } = testRedis();
    const limits = await startLimits({ redis: url, name, policies: { write: '3/min' } });
    const floor = await open(url, { name });
    await limits.consume('write', 'ann');
    await floor.call(['SCRIPT', 'FLUSH']);
    expect(await limits.consume('write', 'ann')).toMatchObject({ source: 'redis', remaining: 1 });
    await floor.call(['DEL', ...(await keysOf(floor))]);
    expect(await limits.consume('write', 'ann')).toMatchObject({ source: 'redis', remaining: 2 });
  });

  it('a counter that somebody made immortal begins a new window', async () => {
    const { url, name } = testRedis();
    const limits = await startLimits({ redis: url, name, policies: { write: '1/min' } });
    const floor = await open(url, { name });
    await limits.consume('write', 'ann');
    const [key = ''] = await keysOf(floor);
    await floor.call(['PERSIST', key]);
    expect(await limits.consume('write', 'ann')).toMatchObject({ allowed: true, remaining: 0 });
    expect(await floor.call(['PTTL', key])).toBeGreaterThan(0);
  });
});

describe('the script', () => {
  const run = async (floor: RedisFloor, key: string, ...args: number[]) =>
    (await floor.run(spend, [key], args)) as [spent: number, leftMs: number];

  it('gives back to the window that the cost was spent in', async () => {
    const floor = await open(testRedis().url);
    const key = floor.keys.spread('limits', 'test');
    const [, leftMs] = await run(floor, key, 3, 60_000, 10);
    expect((await run(floor, key, -2, leftMs, 10))[0]).toBe(1);
    expect((await run(floor, key, 1, 60_000, 10))[0]).toBe(2);
  });

  it('owes the next window nothing', async () => {
    const floor = await open(testRedis().url);
    const key = floor.keys.spread('limits', 'test');
    const [, before] = await run(floor, key, 3, 100, 10);
    await waitFor(async () => (await floor.call(['EXISTS', key])) === 0, { intervalMs: 2 });
    await run(floor, key, -3, before, 10);
    expect(await floor.call(['EXISTS', key])).toBe(0);
    await run(floor, key, 4, 60_000, 10);
    expect((await run(floor, key, -3, before, 10))[0]).toBe(4);
  });
});

it('without the kit a room opens and closes its own connection', async () => {
  const { url, name } = testRedis();
  const limits = createLimits({ redis: url, name, policies: { write: '1/min' }, decisionTimeoutMs });
  expect((await limits.consume('write', 'ann')).source).toBe('local');
  await limits.start();
  expect((await limits.consume('write', 'ann')).source).toBe('redis');
  await limits.close();
  await limits.close();
  const floor = await open(url, { name });
  const clients = String(await floor.call(['CLIENT', 'LIST']));
  expect(clients.match(new RegExp(`name=pando:${name}:commands `, 'g'))).toHaveLength(1);
});
