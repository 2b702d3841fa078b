import { createLimits, type Limits, type LimitsOptions } from '@pando/core/limits';
import { waitFor } from '@pando/core/testing';
import { Redis } from 'ioredis';
import { Redis as Redis5 } from 'ioredis5';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { RedisFloor } from '../../../packages/core/src/redis/index.js';
import { testRedis } from '../../infra/context.js';
import { floorsOfThisFile } from '../redis/floors.js';

const { open, closeLater } = floorsOfThisFile();

/** Long enough that a busy machine makes no decision without Redis. */
const decisionTimeoutMs = 5_000;

async function startLimits(options: LimitsOptions): Promise<Limits> {
  const limits = createLimits({ decisionTimeoutMs, ...options });
  onTestFinished(() => limits.close());
  await limits.start();
  return limits;
}

describe('two instances', () => {
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

  it('decide many calls of one turn together, and each as if it were alone', async () => {
    const { url, name } = testRedis();
    const policies = { write: '3/h', read: ['5/h', '100/day'] };
    const limits = await startLimits({ redis: url, name, policies });
    const calls = Array.from({ length: 600 }, (_, call) => ({ policy: call % 2 ? 'write' : 'read', call }));
    const decisions = await Promise.all(
      calls.map(({ policy, call }) => limits.consume(policy, `user-${call % 50}`)),
    );
    const passed = (policy: string) =>
      decisions.filter((decision) => decision.policy === policy && decision.allowed).length;
    expect(passed('write')).toBe(25 * 3);
    expect(passed('read')).toBe(25 * 5);
    expect(new Set(decisions.map(({ source }) => source))).toEqual(new Set(['redis']));
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
    expect(stored).toHaveLength(keys.length);
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

  it('a counter that somebody made immortal ends in time all the same', async () => {
    const { url, name } = testRedis();
    const policies = { write: { windows: '1/200ms', algorithm: 'fixed' } } as const;
    const limits = await startLimits({ redis: url, name, policies });
    const floor = await open(url, { name });
    await limits.consume('write', 'ann');
    const [key = ''] = await keysOf(floor);
    expect(await floor.call(['PERSIST', key])).toBe(1);
    await waitFor(async () => (await limits.consume('write', 'ann')).allowed, { intervalMs: 5 });
    expect(await floor.call(['PTTL', key])).toBeGreaterThan(0);
  });

  it.each([
    ['LPUSH', '1/min'],
    ['LPUSH', ['1/min', '9/h']],
    ['SET', '1/min'],
    ['SET', ['1/min', '9/h']],
  ])('what is no counter of ours is replaced (%s, under %s)', async (command, windows) => {
    const { url, name } = testRedis();
    const limits = await startLimits({ redis: url, name, policies: { write: windows } });
    const floor = await open(url, { name });
    await limits.consume('write', 'ann');
    const [key = ''] = await keysOf(floor);
    await floor.call(['DEL', key]);
    await floor.call([command, key, 'x']);
    expect(await limits.consume('write', 'ann')).toMatchObject({ allowed: true, source: 'redis' });
    expect(await limits.consume('write', 'ann')).toMatchObject({ allowed: false, source: 'redis' });
  });
});

describe('a reset', () => {
  it('is heard by an instance that refuses without asking', async () => {
    const { url, name } = testRedis();
    const policies = { write: '1/h' };
    const [a, b] = [
      await startLimits({ redis: url, name, policies }),
      await startLimits({ redis: url, name, policies }),
    ];
    for (const source of ['redis', 'redis', 'denied'])
      expect((await a.consume('write', 'ann')).source).toBe(source);
    await b.reset('write', 'ann');
    const beganAt = performance.now();
    expect(await waitFor(async () => (await a.consume('write', 'ann')).allowed)).toBe(true);
    expect(performance.now() - beganAt).toBeLessThan(9_000); // by itself it would have asked again after ten seconds
  });
});

describe('what an instance was lent', () => {
  const policies = {
    read: { windows: '1000/h', algorithm: 'fixed', lease: { forMs: 10_000 } },
  } as const;

  /** Two instances, of which the first holds part of what a key may spend. */
  const startHolding = async () => {
    const { url, name } = testRedis();
    const a = await startLimits({ redis: url, name: `${name}-${++holders}`, policies });
    const b = await startLimits({ redis: url, name: `${name}-${holders}`, policies });
    let spent = 0;
    const isHolding = async () => (await b.peek('read', 'ann')).remaining < 1_000 - spent;
    while (!(await isHolding())) {
      await a.consume('read', 'ann');
      spent++;
    }
    return { a, b, spent };
  };
  let holders = 0;

  it('goes back when it closes', async () => {
    const { a, b, spent } = await startHolding();
    await a.close();
    expect(await b.peek('read', 'ann')).toMatchObject({ remaining: 1_000 - spent });
  });

  it('goes back when another instance penalizes the key', async () => {
    const { b, spent } = await startHolding();
    await b.penalize('read', 'ann', 100);
    const beganAt = performance.now();
    await waitFor(async () => (await b.peek('read', 'ann')).remaining === 1_000 - spent - 100);
    expect(performance.now() - beganAt).toBeLessThan(9_000); // by itself it would have gone back after ten seconds
  });

  it('is forgotten when another instance resets the key', async () => {
    const { a, b } = await startHolding();
    await b.reset('read', 'ann');
    const beganAt = performance.now();
    await waitFor(async () => (await a.consume('read', 'ann')).source === 'redis');
    expect(performance.now() - beganAt).toBeLessThan(9_000);
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
