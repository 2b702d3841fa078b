import { describe, expect, it, vi } from 'vitest';
import { ClosedError } from '../kernel/errors.js';
import { CacheFleet, latch } from '../testing/cache-fleet.js';
import { createFakeClock } from '../testing/fake-clock.js';
import type { CacheOptions, LoaderOptions } from './index.js';

const setup = async (options: CacheOptions = {}) => {
  const clock = createFakeClock();
  const lifetime = { ttlMs: 1_000, staleMs: 5_000, jitterRatio: 0 };
  const fleet = new CacheFleet({ clock, options: { ...lifetime, ...options } });
  return { clock, a: await fleet.instance(), b: await fleet.instance() };
};

describe('a value past its time that its caller replaces', () => {
  const replacedBy = 'caller';

  it('makes one caller in the fleet wait, and is served to all others', async () => {
    const { clock, a, b } = await setup();
    const gate = latch();
    let version = 1;
    const load = vi.fn(async () => {
      const loaded = version++;
      if (loaded > 1) await gate.promise;
      return loaded;
    });
    const get = ({ cache }: typeof a) => cache.getOrLoad('k', load, { replacedBy });
    expect([await get(a), await get(b)]).toEqual([1, 1]);
    await clock.advance(1_000);
    const replacing = get(a);
    await clock.advance(0);
    expect(await Promise.all([get(b), get(a), get(b)])).toEqual([1, 1, 1]);
    gate.open();
    expect(await replacing).toBe(2);
    expect(await get(a)).toBe(2);
    expect(load).toHaveBeenCalledTimes(2);
  });

  it('runs the loader in the context of the caller, and ends with it', async () => {
    const { clock, a } = await setup();
    await a.cache.getOrLoad('k', () => 1);
    await clock.advance(1_000);
    const leaving = new AbortController();
    const replacing = a.cache.getOrLoad<number>(
      'k',
      ({ signal }) =>
        new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason))),
      { replacedBy, signal: leaving.signal },
    );
    await clock.advance(0);
    leaving.abort(new Error('left'));
    await expect(replacing).rejects.toThrow('left');
    expect(await a.cache.getOrLoad('k', () => 2, { replacedBy })).toBe(2); // its end was nobody's failure
  });

  it('is not waited for by who closes the cache', async () => {
    const { clock, a } = await setup();
    await a.cache.getOrLoad('k', () => 1);
    await clock.advance(1_000);
    let loading: AbortSignal | undefined;
    const load = ({ signal }: LoaderOptions) => {
      loading = signal;
      return new Promise<number>(() => undefined);
    };
    const replacing = a.cache.getOrLoad('k', load, { replacedBy });
    const refused = expect(replacing).rejects.toThrow(ClosedError);
    await clock.advance(0);
    await a.cache.close();
    await refused;
    expect(loading?.aborted).toBe(true);
  });

  it('is served instead of an error, and then for a while to all who ask', async () => {
    const { clock, a } = await setup();
    await a.cache.getOrLoad('k', () => 1);
    await clock.advance(1_000);
    const load = vi.fn(() => Promise.reject(new Error('away')));
    const get = () => a.cache.getOrLoad<number>('k', load, { replacedBy });
    expect([await get(), await get(), await get()]).toEqual([1, 1, 1]);
    expect(load).toHaveBeenCalledTimes(1);
  });
});

describe('a value that says itself for how long it is kept', () => {
  const lifetimeOf = (ttlMs: number) => ({ ttlMs });

  it('is kept for so long, and served past its time as it says', async () => {
    const { clock, a } = await setup({ staleMs: 0 });
    const get = (value: number, staleMs?: number) =>
      a.cache.getOrLoad('k', () => value, { lifetimeOf: (ttlMs) => ({ ttlMs, staleMs }) });
    await get(2_000, 3_000);
    await clock.advance(1_999);
    expect(await get(1)).toBe(2_000);
    await clock.advance(3_000);
    expect(await get(1)).toBe(2_000); // and is replaced
    await clock.advance(0);
    expect(await get(3)).toBe(1);
    await clock.advance(1);
    expect(await get(3)).toBe(3); // which grants nothing past its time
  });

  it('is not asked when there is none', async () => {
    const { a } = await setup();
    expect(await a.cache.getOrLoad<number | undefined>('k', () => undefined, { lifetimeOf: fail })).toBe(
      undefined,
    );
  });

  it('is refused when what it says cannot be right', async () => {
    const { a } = await setup();
    await expect(a.cache.getOrLoad('k', () => -1, { lifetimeOf })).rejects.toThrow(
      /getOrLoad\.lifetimeOf\.ttlMs/,
    );
  });
});

function fail(): never {
  throw new Error('nobody should ask');
}
