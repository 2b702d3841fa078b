import { createLimits, type Limits } from '@pando/core/limits';
import { waitFor } from '@pando/core/testing';
import { banStoreSuite } from '@pando/core/testing/suites';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createRedisBans } from '../../../packages/core/src/limits/drivers/redis-bans.js';
import { testRedis } from '../../infra/context.js';
import { floorsOfThisFile } from '../redis/floors.js';

const { open, closeLater } = floorsOfThisFile();
const policies = { write: '60/min' };

let worlds = 0;
banStoreSuite('a store of bans in Redis', async () => {
  const { url, name } = testRedis();
  const world = `${name}-${++worlds}`;
  return {
    async store() {
      const store = createRedisBans(await open(url, { name: world }));
      closeLater(() => store.close());
      return store;
    },
  };
});

async function startLimits(name: string): Promise<Limits> {
  const limits = createLimits({ redis: testRedis().url, name, policies, decisionTimeoutMs: 5_000 });
  onTestFinished(() => limits.close());
  await limits.start();
  return limits;
}

describe('a ban', () => {
  it('holds on every instance, and on one that starts later, without a word to Redis', async () => {
    const { url, name } = testRedis();
    const [a, b] = [await startLimits(`${name}-fleet`), await startLimits(`${name}-fleet`)];
    await a.ban('203.0.113.0/24', { forMs: 3_600_000, reason: 'scraping' });
    await a.ban('user:7');
    await waitFor(() => b.bans().length === 2);
    const c = await startLimits(`${name}-fleet`);
    const floor = await open(url, { name: `${name}-fleet` });
    for (const limits of [a, b, c]) {
      const bans = limits.bans().toSorted((one, other) => one.subject.localeCompare(other.subject));
      expect(bans).toMatchObject([{ subject: '203.0.113.0/24', reason: 'scraping' }, { subject: 'user:7' }]);
      expect((await limits.consume('write', 'user:9', { address: '203.0.113.9' })).source).toBe('ban');
      expect((await limits.consume('write', 'user:7')).source).toBe('ban');
    }
    const counters = await floor.call(['KEYS', floor.keys.spread('limits', '*')]);
    expect(counters).toEqual([]);
    await b.unban('203.0.113.0/24');
    await waitFor(() => [a, b, c].every((limits) => limits.bans().length === 1));
    expect((await c.consume('write', 'user:9', { address: '203.0.113.9' })).source).toBe('redis');
  });

  it('of instances that all ban at once is refused by each as soon as it has been told, and by all in the end', async () => {
    const { name } = testRedis();
    const rooms = [await startLimits(`${name}-crowd`), await startLimits(`${name}-crowd`)];
    const subjects = Array.from({ length: 200 }, (_, index) => `user:${index}`);
    await Promise.all(
      subjects.map(async (subject, index) => {
        const limits = rooms[index % 2] as Limits;
        await limits.ban(subject, { forMs: 3_600_000 });
        expect((await limits.consume('write', subject)).source).toBe('ban');
      }),
    );
    await waitFor(() => rooms.every((limits) => limits.bans().length === subjects.length));
    await Promise.all(
      subjects.map(async (subject, index) => {
        const limits = rooms[(index + 1) % 2] as Limits;
        await limits.unban(subject);
        expect((await limits.consume('write', subject)).source).toBe('redis');
      }),
    );
    await waitFor(() => rooms.every((limits) => limits.bans().length === 0));
  });

  it('expires in Redis with the last of the list, unless one has no end', async () => {
    const { url, name } = testRedis();
    const limits = await startLimits(`${name}-ends`);
    const floor = await open(url, { name: `${name}-ends` });
    const keys = ['bans', 'bans:values'].map((key) => floor.keys.atomic('limits', key));
    const ttls = () => Promise.all(keys.map(async (key) => Number(await floor.call(['PTTL', key]))));
    await limits.ban('user:7', { forMs: 60_000 });
    await limits.ban('user:8', { forMs: 30_000 });
    for (const ttl of await ttls()) expect(ttl).toSatisfy((ms: number) => ms > 30_000 && ms <= 60_000);
    await limits.ban('user:9');
    expect(await ttls()).toEqual([-1, -1]);
    await limits.unban('user:9');
    for (const ttl of await ttls()) expect(ttl).toBeGreaterThan(30_000);
    await limits.unban('user:8');
    await limits.unban('user:7');
    expect(await ttls()).toEqual([-2, -2]);
  });

  it('is read in pages, of as many as there are', async () => {
    const { url, name } = testRedis();
    const floor = await open(url, { name: `${name}-many` });
    const store = createRedisBans(floor);
    const subjects = Array.from({ length: 3_000 }, (_, number) => `10.${number >> 8}.${number & 255}.1`);
    const ban = (subject: string) =>
      store.change({ subject, isBanned: true, forMs: undefined, reason: undefined });
    for (let page = 0; page < subjects.length; page += 100)
      await Promise.all(subjects.slice(page, page + 100).map(ban));
    const limits = await startLimits(`${name}-many`);
    expect(new Set(limits.bans().map(({ subject }) => subject))).toEqual(new Set(subjects));
    expect((await limits.consume('write', 'ip:10.11.183.1')).source).toBe('ban');
    expect((await limits.consume('write', 'ip:10.11.184.1')).source).toBe('redis');
  });
});
