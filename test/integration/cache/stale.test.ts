import { type Cache, type CacheOptions, createCache } from '@pando/core/cache';
import { waitFor } from '@pando/core/testing';
import { expect, it, onTestFinished, vi } from 'vitest';
import { type TestRedis, testRedis } from '../../infra/context.js';

/** Soon past their time, and then of use for long. */
const lifetime = { ttlMs: 50, staleMs: 600_000, jitterRatio: 0 };

/** An instance with connections of its own, which leaves leases to whoever has them. */
async function instanceOn({ url, name }: TestRedis, options: CacheOptions = {}): Promise<Cache> {
  const cache = createCache({ redis: url, name, ...lifetime, doubtMs: 1, leaseMs: 60_000, ...options });
  onTestFinished(() => cache.close());
  await cache.start();
  return cache;
}

/** Waits until nobody is served the key as fresh. */
const pastTime = (caches: readonly Cache[], key: string) =>
  waitFor(async () =>
    (await Promise.all(caches.map((cache) => cache.get(key)))).every((v) => v === undefined),
  );

it.each([
  ['memory and Redis', {}],
  ['Redis alone', { local: false }],
] as const)(
  'instances serve a value past its time at once, from %s, while one load replaces it',
  async (_, options) => {
    const redis = testRedis();
    const [a, b] = [await instanceOn(redis, options), await instanceOn(redis, options)];
    let open = () => {};
    const gate = new Promise<void>((resolve) => {
      open = resolve;
    });
    let version = 0;
    const load = vi.fn(async () => {
      const loaded = ++version;
      if (loaded > 1) await gate;
      return loaded;
    });
    const get = (cache: Cache) => cache.getOrLoad('k', load);
    expect(await get(a)).toBe(1);
    await get(b);
    await pastTime([a, b], 'k');
    await waitFor(async () => {
      expect(await Promise.all([a, b, a, b].map(get))).toEqual([1, 1, 1, 1]);
      return load.mock.calls.length === 2;
    });
    for (let turn = 0; turn < 20; turn++) expect(await Promise.all([a, b].map(get))).toEqual([1, 1]);
    expect(load).toHaveBeenCalledTimes(2);
    open();
    await waitFor(async () => (await get(a)) > 1 && (await get(b)) > 1);
  },
);

it('a value past its time is served instead of an error, until an instance has invalidated it', async () => {
  const redis = testRedis();
  const options = { staleMs: 0, staleIfErrorMs: 600_000 };
  const [a, b] = [await instanceOn(redis, options), await instanceOn(redis, options)];
  await a.getOrLoad('k', () => 1, { tags: ['t'] });
  await pastTime([a, b], 'k');
  const failing = (cache: Cache) => cache.getOrLoad<number>('k', () => Promise.reject(new Error('away')));
  expect(await Promise.all([a, b].map(failing))).toEqual([1, 1]);
  expect(await a.invalidate(['t'])).toMatchObject({ confirmed: true });
  await expect(failing(a)).rejects.toThrow('away');
  await waitFor(() =>
    failing(b).then(
      () => false,
      () => true,
    ),
  );
});

it('instances know of each other’s that there is nothing', async () => {
  const redis = testRedis();
  const options = { negativeTtlMs: 600_000 };
  const [a, b] = [await instanceOn(redis, options), await instanceOn(redis, options)];
  const load = vi.fn(() => undefined);
  await a.getOrLoad('k', load);
  await waitFor(async () => {
    const before = load.mock.calls.length;
    await b.getOrLoad('k', load);
    return load.mock.calls.length === before;
  });
  await b.invalidate(['k']);
  await waitFor(async () => (await a.getOrLoad<unknown>('k', () => 'something')) === 'something');
});

it('an expired value is served once more to whoever has not seen its expiry, and never to who has', async () => {
  const redis = testRedis();
  const options = { ttlMs: 600_000 };
  const [a, b] = [await instanceOn(redis, options), await instanceOn(redis, options)];
  let version = 1;
  const load = vi.fn(async () => version);
  const get = (cache: Cache) => cache.getOrLoad('k', load, { tags: ['t'] });
  expect([await get(a), await get(b)]).toEqual([1, 1]);
  version = 2;
  expect(await a.expire(['t'])).toMatchObject({ confirmed: true });
  expect(await get(a)).toBe(2); // the context of the caller has the token
  await waitFor(async () => (await get(b)) === 2);
  await b.invalidate(['t']);
  version = 3;
  await waitFor(async () => (await get(a)) === 3);
});
