import { type Cache, type CacheOptions, createCache } from '@pando/core/cache';
import { waitFor } from '@pando/core/testing';
import { Redis } from 'ioredis';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { createKernel, type Kernel } from '../../../packages/core/src/kernel/kernel.js';
import { dbToken, emptyToken, isStrongToken, type Token } from '../../../packages/core/src/kernel/token.js';
import { createRedisFloor } from '../../../packages/core/src/redis/index.js';
import { type TestRedis, testRedis } from '../../infra/context.js';

interface Instance {
  readonly cache: Cache;
  readonly kernel: Kernel;
  as<T>(token: Token, code: () => Promise<T>): Promise<T>;
}

/** An instance with connections of its own. Long lifetimes: nothing here may depend on expiry. */
async function instanceOn({ url, name }: TestRedis, options: CacheOptions = {}): Promise<Instance> {
  const kernel = createKernel({ name });
  const redis = createRedisFloor(url, kernel);
  const cache = createCache({ ttlMs: 600_000, doubtMs: 1, ...options }, { kernel, redis });
  onTestFinished(async () => {
    await cache.close();
    await redis.close();
  });
  await redis.start();
  await cache.start();
  const as = <T>(token: Token, code: () => Promise<T>) => {
    const context = kernel.contexts.open({ id: 'test', signal: new AbortController().signal, token });
    return kernel.contexts.run(context, code);
  };
  return { cache, kernel, as };
}

async function pairOn(redis: TestRedis, options?: CacheOptions): Promise<[Instance, Instance]> {
  return [await instanceOn(redis, options), await instanceOn(redis, options)];
}

describe('two instances on one Redis', () => {
  it('share values', async () => {
    const [a, b] = await pairOn(testRedis());
    const value = { title: 'Pando', tags: ['ünï', '🌳'], nested: [null, 1.5, { deep: true }] };
    const load = vi.fn(() => value);
    expect(await a.cache.getOrLoad('post:1', load)).toEqual(value);
    await waitFor(async () => {
      expect(await b.cache.getOrLoad('post:1', load)).toEqual(value);
      return load.mock.calls.length === 1;
    });
  });

  it('see an invalidation on the other within a second, local copies and long lifetimes notwithstanding', async () => {
    const [a, b] = await pairOn(testRedis());
    let version = 0;
    const get = ({ cache }: Instance) => cache.getOrLoad('k', () => version, { tags: ['t'] });
    for (; version < 100; ) {
      await Promise.all([get(a), get(b), get(b)]);
      version++;
      const [writer, reader] = version % 2 ? [a, b] : [b, a];
      expect((await writer.cache.invalidate([version % 3 ? 'k' : 't'])).confirmed).toBe(true);
      expect(await get(writer)).toBe(version);
      await waitFor(async () => (await get(reader)) === version, { timeoutMs: 1_000, intervalMs: 1 });
    }
  });

  it('never serve a reader on the other less than his token says, at once', async () => {
    const [a, b] = await pairOn(testRedis());
    let version = 0;
    const get = ({ cache }: Instance) => cache.getOrLoad('k', () => version);
    for (; version < 300; ) {
      await Promise.all([get(a), get(b)]);
      version++;
      const { token } = await a.cache.invalidate(['k']);
      expect(await b.as(token, () => get(b))).toBe(version);
    }
  });

  it('load a value once between them, however many ask', async () => {
    const [a, b] = await pairOn(testRedis(), { waitMs: 10_000, leaseMs: 10_000 });
    const load = vi.fn(async () => {
      await new Promise((resolve) => setTimeout(resolve, 100));
      return 'value';
    });
    const callers = Array.from({ length: 1_000 }, (_, index) =>
      (index % 2 ? a : b).cache.getOrLoad('k', load),
    );
    expect(new Set(await Promise.all(callers))).toEqual(new Set(['value']));
    expect(load).toHaveBeenCalledTimes(1);
  });

  it('demand of loads what was written before the invalidation, on every instance', async () => {
    const [a, b] = await pairOn(testRedis());
    const written = { shard: 'main', system: '7312', timeline: 3, lsn: 0x1_6b37_4d48n };
    await a.cache.invalidate(['t'], { token: dbToken(written) });
    await waitFor(async () => {
      const seen = await b.as(emptyToken, () =>
        b.cache.getOrLoad(
          `k:${Math.random()}`,
          () => {
            const { token } = b.kernel.contexts.current();
            return { strong: isStrongToken(token), lsn: token.db.map(({ lsn }) => lsn.toString()) };
          },
          { tags: ['t'] },
        ),
      );
      expect(seen.lsn).toEqual([written.lsn.toString()]);
      return !seen.strong; // the doubt that a fresh state begins with has passed
    });
  });

  it('begin anew when the state is evicted, values notwithstanding', async () => {
    const redis = testRedis();
    const [a, b] = await pairOn(redis, { trustMs: 50 });
    let version = 1;
    const get = ({ cache }: Instance) => cache.getOrLoad('k', () => version);
    await Promise.all([get(a), get(b)]);
    version = 2;
    const client = new Redis(redis.url);
    onTestFinished(() => client.disconnect());
    await client.del(createKernel({ name: redis.name }).keys.atomic('cache', 'state'));
    await waitFor(async () => (await get(a)) === 2 && (await get(b)) === 2, { timeoutMs: 1_000 });
  });

  it('read what another release or somebody else has stored as absent', async () => {
    const redis = testRedis();
    const a = await instanceOn(redis, { local: false });
    const client = new Redis(redis.url);
    onTestFinished(() => client.disconnect());
    const key = createKernel({ name: redis.name }).keys.spread('cache', 'v', 'k');
    await a.cache.getOrLoad('k', () => 1);
    await waitFor(() => client.exists(key));
    for (const bytes of ['', 'text', Buffer.from([2, 1, 1, 1]), Buffer.alloc(100, 1)]) {
      await client.set(key, bytes);
      expect(await a.cache.getOrLoad('k', () => 'loaded')).toBe('loaded');
      await waitFor(async () => !(await client.getBuffer(key))?.equals(Buffer.from(bytes)));
    }
    const other = await instanceOn(redis, {
      codec: { name: 'other', encode: (value) => Buffer.from(String(value)), decode: String },
    });
    expect(await other.cache.getOrLoad('k', () => 'in another codec')).toBe('in another codec');
  });

  it('keep nested values apart from what they depend on no longer', async () => {
    const [a, b] = await pairOn(testRedis());
    let name = 'ann';
    const page = ({ cache }: Instance) =>
      cache.getOrLoad('page', async () => `by ${await cache.getOrLoad('author', () => name)}`);
    expect([await page(a), await page(b)]).toEqual(['by ann', 'by ann']);
    name = 'ben';
    const { token } = await b.cache.invalidate(['author']);
    expect([await a.as(token, () => page(a)), await page(b)]).toEqual(['by ben', 'by ben']);
  });
});

it('a cache that stands alone opens and closes a connection of its own', async () => {
  const { url, name } = testRedis();
  await using one = createCache({ redis: url, name });
  await using other = createCache({ redis: url, name });
  await Promise.all([one.start(), other.start()]);
  const load = vi.fn(() => 1);
  await one.getOrLoad('k', load);
  const { token } = await other.invalidate(['k']);
  expect(token.cache).toHaveLength(1);
  await waitFor(async () => (await one.getOrLoad('k', load)) === 1 && load.mock.calls.length === 2);
});
