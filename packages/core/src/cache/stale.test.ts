import { AsyncLocalStorage } from 'node:async_hooks';
import { describe, expect, it, vi } from 'vitest';
import { CacheFleet, latch } from '../testing/cache-fleet.js';
import { createFakeClock } from '../testing/fake-clock.js';
import type { CacheOptions } from './index.js';

const lifetime = { ttlMs: 1_000, staleMs: 5_000, jitterRatio: 0 };

const setup = async (options: CacheOptions = {}) => {
  const clock = createFakeClock();
  const fleet = new CacheFleet({ clock, options: { ...lifetime, ...options } });
  return { clock, fleet, a: await fleet.instance(), b: await fleet.instance() };
};

describe('a value past its time', () => {
  it('is served at once while one load in the fleet replaces it', async () => {
    const { clock, a, b } = await setup();
    const gate = latch();
    let version = 1;
    const load = vi.fn(async () => {
      const loaded = version++;
      if (loaded > 1) await gate.promise;
      return loaded;
    });
    const get = ({ cache }: typeof a) => cache.getOrLoad('k', load);
    expect([await get(a), await get(b)]).toEqual([1, 1]);
    await clock.advance(1_000);
    expect(await Promise.all([get(a), get(b), get(a), get(b)])).toEqual([1, 1, 1, 1]);
    await clock.advance(100); // whoever looks again meanwhile begins no load
    expect([await get(a), await get(b)]).toEqual([1, 1]);
    expect(load).toHaveBeenCalledTimes(2);
    gate.open();
    await clock.advance(0);
    expect(await get(a)).toBe(2);
    await clock.advance(50);
    await get(b); // looks again, and finds what was stored
    await clock.advance(0);
    expect(await get(b)).toBe(2);
    expect(load).toHaveBeenCalledTimes(2);
  });

  it.each([
    ['on the local level', {}],
    ['on the shared level', { local: false }],
  ] as const)('is served for so long and no longer %s', async (_, options) => {
    const { clock, a } = await setup(options);
    await a.cache.getOrLoad('k', () => 1);
    const failing = () =>
      a.cache.getOrLoad<number>('k', () => Promise.reject(new Error('away')), { staleIfErrorMs: 0 });
    await clock.advance(5_999);
    expect(await failing()).toBe(1);
    await clock.advance(1);
    await expect(failing()).rejects.toThrow('away');
  });

  it('is not served to a call that wants none', async () => {
    const { clock, a, b } = await setup();
    await a.cache.getOrLoad('k', () => 1);
    await b.cache.getOrLoad('k', () => 1);
    await clock.advance(1_500);
    expect(await a.cache.getOrLoad('k', () => 2, { staleMs: 400 })).toBe(2);
    await clock.advance(1_500);
    expect(await b.cache.getOrLoad('k', () => 3, { staleMs: 0 })).toBe(3);
  });

  it('is not served when whoever stored it has granted no time for that', async () => {
    const { clock, a } = await setup({ staleMs: 0 });
    await a.cache.getOrLoad('k', () => 1);
    await clock.advance(1_000);
    expect(await a.cache.getOrLoad('k', () => 2, { staleMs: 5_000 })).toBe(2);
  });

  it('is not served stale by a get without a loader', async () => {
    const { clock, a } = await setup();
    await a.cache.getOrLoad('k', () => 1);
    await clock.advance(1_000);
    expect([a.cache.peek('k'), await a.cache.get('k')]).toEqual([undefined, undefined]);
  });

  it.each([
    ['on the local level', {}],
    ['on the shared level', { local: false }],
  ] as const)('is served to a get that allows for it, for as long as was granted, %s', async (_, options) => {
    const { clock, a } = await setup({ ...options, staleMs: 0 });
    const get = () => a.cache.get('k', { allowStale: true });
    const load = vi.fn(() => 1);
    await a.cache.getOrLoad('k', load, { staleMs: 5_000, staleIfErrorMs: 9_000 });
    await clock.advance(5_999);
    expect(await get()).toBe(1);
    const inside = await a.cache.getOrLoad('outer', async () => String(await get()));
    expect(inside).toBe('undefined'); // what is made of a stale value could not be stored
    await clock.advance(1);
    expect(await get()).toBeUndefined();
    await a.cache.getOrLoad('k', load, { staleMs: 5_000 });
    await a.cache.invalidate(['k']);
    expect([await get(), load.mock.calls.length]).toEqual([undefined, 2]);
  });

  it('makes the loader of another value wait for the fresh one', async () => {
    const { clock, a } = await setup();
    let version = 1;
    const inner = () => a.cache.getOrLoad('inner', () => version);
    await inner();
    await clock.advance(1_000);
    version = 2;
    const load = vi.fn(inner);
    expect(await a.cache.getOrLoad('outer', load)).toBe(2);
    expect(await a.cache.getOrLoad('outer', load)).toBe(2);
    expect(load).toHaveBeenCalledTimes(1);
  });

  it('is dropped when it turns out to be no more', async () => {
    const { clock, a, b } = await setup();
    let value: number | undefined = 1;
    const get = ({ cache }: typeof a) => cache.getOrLoad('k', () => value);
    await get(a);
    await clock.advance(1_000);
    value = undefined;
    expect(await get(a)).toBe(1);
    await clock.advance(0);
    expect([await get(a), await get(b)]).toEqual([undefined, undefined]);
  });
});

describe('a refresh in the background', () => {
  it('is no part of the request that gave rise to it, nor is it ended by its end', async () => {
    const { clock, a } = await setup();
    const app = new AsyncLocalStorage<string>();
    const leaving = new AbortController();
    const inside: unknown[] = [];
    let version = 0;
    const load = async ({ signal }: { readonly signal: AbortSignal }) => {
      const { load: record, token } = a.kernel.contexts.current();
      inside.push({ app: app.getStore(), isLoad: record !== undefined, seen: token.cache[0]?.sequence });
      await Promise.resolve();
      signal.throwIfAborted();
      return ++version;
    };
    const { token } = await a.write('elsewhere', 1);
    const get = () => app.run('request', () => a.cache.getOrLoad('k', load, { signal: leaving.signal }));
    await a.request(get, token);
    await clock.advance(1_000);
    await a.request(get, token);
    leaving.abort(new Error('left'));
    await clock.advance(0);
    expect(inside[1]).toEqual({ app: undefined, isLoad: true, seen: 1 });
    expect(await a.cache.getOrLoad('k', () => 9)).toBe(2);
  });

  it('that fails leaves the value where it is, and is tried again after a while', async () => {
    const { clock, a } = await setup();
    await a.cache.getOrLoad('k', () => 1);
    await clock.advance(1_000);
    const load = vi.fn(() => Promise.reject(new Error('away')));
    const get = () => a.cache.getOrLoad<number>('k', load);
    for (let turn = 0; turn < 10; turn++) {
      expect(await get()).toBe(1);
      await clock.advance(1);
    }
    expect(load).toHaveBeenCalledTimes(1);
    await clock.advance(1_000);
    await get();
    await clock.advance(0);
    expect(load).toHaveBeenCalledTimes(2);
  });

  it('begins only while few enough run', async () => {
    const { clock, a } = await setup({ maxLoads: 2 });
    const keys = ['one', 'two', 'three'];
    for (const key of keys) await a.cache.getOrLoad(key, () => 1);
    await clock.advance(1_000);
    const load = vi.fn(() => new Promise<number>(() => undefined));
    for (const key of keys) expect(await a.cache.getOrLoad(key, load)).toBe(1);
    await clock.advance(0);
    expect(load).toHaveBeenCalledTimes(2);
  });

  it('is joined by whoever needs the fresh value', async () => {
    const { clock, a } = await setup();
    const gate = latch();
    await a.cache.getOrLoad('k', () => 1);
    await clock.advance(1_000);
    const load = vi.fn(async () => {
      await gate.promise;
      return 2;
    });
    expect(await a.cache.getOrLoad('k', load)).toBe(1);
    await clock.advance(0);
    const waiting = a.cache.getOrLoad('k', load, { staleMs: 0 });
    await clock.advance(0);
    gate.open();
    expect(await waiting).toBe(2);
    expect(load).toHaveBeenCalledTimes(1);
  });

  it('ends with the cache', async () => {
    const { clock, a } = await setup();
    await a.cache.getOrLoad('k', () => 1);
    await clock.advance(1_000);
    const signals: AbortSignal[] = [];
    await a.cache.getOrLoad('k', ({ signal }) => {
      signals.push(signal);
      return new Promise<number>(() => undefined);
    });
    await clock.advance(0);
    expect(signals.map(({ aborted }) => aborted)).toEqual([false]);
    await a.cache.close();
    expect(signals.map(({ aborted }) => aborted)).toEqual([true]);
  });
});

describe('instead of an error', () => {
  const failing = { ttlMs: 1_000, staleMs: 0, staleIfErrorMs: 5_000 };

  it.each([
    ['from the local level', {}],
    ['from the shared level', { local: false }],
  ] as const)('a value past its time is served to all who wait %s', async (_, options) => {
    const { clock, a } = await setup({ ...failing, ...options });
    await a.cache.getOrLoad('k', () => 1);
    await clock.advance(5_999);
    const load = vi.fn(async (): Promise<number> => {
      throw new Error('away');
    });
    const get = () => a.cache.getOrLoad('k', load);
    expect(await Promise.all([get(), get(), get()])).toEqual([1, 1, 1]);
    expect(load).toHaveBeenCalledTimes(1);
    await clock.advance(1);
    await expect(get()).rejects.toThrow('away');
  });

  it('it is served when the load takes too long, too', async () => {
    const { clock, a } = await setup({ ...failing, loadTimeoutMs: 500 });
    await a.cache.getOrLoad('k', () => 1);
    await clock.advance(1_000);
    const waiting = a.cache.getOrLoad('k', () => new Promise<number>(() => undefined));
    await clock.advance(500);
    expect(await waiting).toBe(1);
  });

  it('nothing is served that was invalidated while the loader ran', async () => {
    const { clock, a, b } = await setup(failing);
    await a.cache.getOrLoad('k', () => 1);
    await clock.advance(1_000);
    const gate = latch();
    const waiting = a.cache.getOrLoad('k', async (): Promise<number> => {
      await gate.promise;
      throw new Error('away');
    });
    await clock.advance(0);
    await b.cache.invalidate(['k']);
    gate.open();
    await expect(waiting).rejects.toThrow('away');
  });

  it('what is built from it is not stored', async () => {
    const { clock, a } = await setup(failing);
    await a.cache.getOrLoad('inner', () => 1);
    await clock.advance(1_000);
    let isAway = true;
    const outer = () =>
      a.cache.getOrLoad('outer', () =>
        a.cache.getOrLoad('inner', () => (isAway ? Promise.reject(new Error('away')) : 2)),
      );
    expect(await outer()).toBe(1);
    isAway = false;
    expect(await outer()).toBe(2);
  });

  it('a value that cannot be stored is reported all the same', async () => {
    const { clock, a } = await setup(failing);
    await a.cache.getOrLoad<unknown>('k', () => 1);
    await clock.advance(1_000);
    await expect(a.cache.getOrLoad('k', () => 1n)).rejects.toMatchObject({ code: 'PANDO_CACHE_VALUE' });
  });
});

describe('a value that is asked for in the last part of its time', () => {
  const lastFifth = { ttlMs: 1_000, staleMs: 0, refreshAheadRatio: 0.8 };

  it.each([
    ['on the local level', {}],
    ['on the shared level', { local: false }],
  ] as const)('is replaced ahead of it, by one instance, and nobody waits: %s', async (_, options) => {
    const { clock, a, b } = await setup({ ...lastFifth, ...options });
    const gate = latch();
    let version = 1;
    const load = vi.fn(async () => {
      const loaded = version++;
      if (loaded > 1) await gate.promise;
      return loaded;
    });
    const get = ({ cache }: typeof a) => cache.getOrLoad('k', load);
    for (const instance of [a, b]) expect(await get(instance)).toBe(1);
    await clock.advance(799);
    for (const instance of [a, b]) expect(await get(instance)).toBe(1);
    await clock.advance(0);
    expect(load).toHaveBeenCalledTimes(1);
    await clock.advance(1);
    for (const instance of [a, b, a, b]) expect(await get(instance)).toBe(1);
    expect(await a.cache.get('k')).toBe(1);
    await clock.advance(50);
    expect(load).toHaveBeenCalledTimes(2);
    gate.open();
    await clock.advance(0);
    expect(await get(a)).toBe(2);
    await get(b);
    await clock.advance(0);
    expect(await get(b)).toBe(2);
    await clock.advance(799);
    expect([await get(a), await get(b)]).toEqual([2, 2]);
    expect(load).toHaveBeenCalledTimes(2);
  });

  it('is left alone by a call that wants none replaced', async () => {
    const { clock, a } = await setup(lastFifth);
    const load = vi.fn(() => 1);
    await a.cache.getOrLoad('k', load);
    await clock.advance(900);
    await a.cache.getOrLoad('k', load, { refreshAheadRatio: false });
    await clock.advance(0);
    expect(load).toHaveBeenCalledTimes(1);
  });

  it('goes into other values, which are stored', async () => {
    const { clock, a } = await setup({ ...lastFifth, local: false });
    await a.cache.getOrLoad('inner', () => 1);
    await clock.advance(900);
    const load = vi.fn(() => a.cache.getOrLoad('inner', () => 2));
    await a.cache.getOrLoad('outer', load);
    await a.cache.getOrLoad('outer', load);
    expect(load).toHaveBeenCalledTimes(1);
  });
});
