import { describe, expect, it, vi } from 'vitest';
import { createKernel } from '../kernel/kernel.js';
import { cacheToken, emptyToken, mergeTokens } from '../kernel/token.js';
import { CacheFleet, latch } from '../testing/cache-fleet.js';
import { createFakeClock } from '../testing/fake-clock.js';
import { createCache } from './index.js';

const setup = async (
  instances: number,
  options: Partial<ConstructorParameters<typeof CacheFleet>[0]> = {},
) => {
  const clock = createFakeClock();
  const fleet = new CacheFleet({ clock, ...options });
  const made = [];
  for (let index = 0; index < instances; index++) made.push(await fleet.instance());
  const [a, b] = made;
  if (a === undefined) throw new Error('a fleet has at least one instance');
  return { clock, fleet, a, b: b ?? a };
};

/** Waits with the fake clock's help. */
const within = async <T>(clock: ReturnType<typeof createFakeClock>, work: Promise<T>): Promise<T> => {
  let settled = false;
  const done = work.finally(() => {
    settled = true;
  });
  done.catch(() => undefined);
  for (let turn = 0; turn < 1_000 && !settled; turn++) await clock.advance(settled ? 0 : 1);
  return done;
};

describe('getOrLoad', () => {
  it('loads once, then serves the value to everybody on every instance', async () => {
    const { a, b } = await setup(2);
    const load = vi.fn(() => ({ title: 'aspen' }));
    expect(await a.cache.getOrLoad('post:1', load)).toEqual({ title: 'aspen' });
    expect(await a.cache.getOrLoad('post:1', load)).toEqual({ title: 'aspen' });
    expect(await b.cache.getOrLoad('post:1', load)).toEqual({ title: 'aspen' });
    expect(await b.cache.getOrLoad('post:1', load)).toEqual({ title: 'aspen' });
    expect(load).toHaveBeenCalledTimes(1);
  });

  it('works without anything around it', async () => {
    await using cache = createCache();
    await cache.start();
    const load = vi.fn(() => [1, 2]);
    await cache.getOrLoad('k', load, { tags: ['t'] });
    expect(await cache.getOrLoad('k', load)).toEqual([1, 2]);
    expect(load).toHaveBeenCalledTimes(1);
    expect(await cache.invalidate(['t'])).toMatchObject({ confirmed: true });
    await cache.getOrLoad('k', load);
    expect(load).toHaveBeenCalledTimes(2);
    expect(cache.checks()).toEqual([]);
  });

  it('gives the first caller what later ones get: the value as the codec leaves it', async () => {
    const { a } = await setup(1);
    const load = () => ({ at: new Date(0) as unknown });
    const first = await a.cache.getOrLoad('k', load);
    expect(first).toEqual({ at: '1970-01-01T00:00:00.000Z' });
    expect(await a.cache.getOrLoad('k', load)).toBe(first);
  });

  it('keeps null and false, but not undefined', async () => {
    const { a } = await setup(1);
    for (const [value, loads] of [
      [null, 1],
      [false, 1],
      [undefined, 2],
    ] as const) {
      const load = vi.fn(() => value);
      expect(await a.cache.getOrLoad(`k:${value}`, load)).toBe(value);
      expect(await a.cache.getOrLoad(`k:${value}`, load)).toBe(value);
      expect(load).toHaveBeenCalledTimes(loads);
    }
  });

  it('keeps for a time of its own that there is nothing, on every level', async () => {
    for (const nothing of [undefined, null]) {
      const { clock, a, b } = await setup(2, { options: { jitterRatio: 0 } });
      const load = vi.fn(() => nothing);
      const get = ({ cache }: typeof a) =>
        cache.getOrLoad('k', load, { negativeTtlMs: 1_000, staleMs: 60_000 });
      for (const instance of [a, b, a, b]) expect(await get(instance)).toBe(nothing);
      await clock.advance(999);
      for (const instance of [a, b]) expect(await get(instance)).toBe(nothing);
      expect(load).toHaveBeenCalledTimes(1);
      await clock.advance(1);
      for (const instance of [a, b]) expect(await get(instance)).toBe(nothing);
      expect(load).toHaveBeenCalledTimes(2);
      await b.cache.invalidate(['k']);
      expect(await a.cache.getOrLoad<unknown>('k', () => 'something')).toBe('something');
    }
  });

  it('does not answer with nothing who wants none kept', async () => {
    const { a, b } = await setup(2);
    await a.cache.getOrLoad('k', () => undefined, { negativeTtlMs: 1_000 });
    expect(await b.cache.getOrLoad<unknown>('k', () => 1)).toBe(1);
  });

  it('loads again when the time is up, on every level', async () => {
    const { clock, a, b } = await setup(2, { options: { jitterRatio: 0 } });
    const load = vi.fn(() => 1);
    await a.cache.getOrLoad('k', load, { ttlMs: 1_000 });
    await clock.advance(999);
    await b.cache.getOrLoad('k', load, { ttlMs: 1_000 });
    expect(load).toHaveBeenCalledTimes(1);
    await clock.advance(1); // what b has copied lives no longer than the original
    await b.cache.getOrLoad('k', load, { ttlMs: 1_000 });
    await a.cache.getOrLoad('k', load, { ttlMs: 1_000 });
    expect(load).toHaveBeenCalledTimes(2);
  });

  it('spreads lifetimes over the jitter, downwards only', async () => {
    const { clock, a } = await setup(1, { options: { jitterRatio: 0.1 }, random: () => 1 });
    const load = vi.fn(() => 1);
    await a.cache.getOrLoad('k', load, { ttlMs: 1_000 });
    await clock.advance(899);
    await a.cache.getOrLoad('k', load);
    expect(load).toHaveBeenCalledTimes(1);
    await clock.advance(1);
    await a.cache.getOrLoad('k', load);
    expect(load).toHaveBeenCalledTimes(2);
  });

  it('refuses a lifetime that is none before it loads', async () => {
    const { a } = await setup(1);
    const load = vi.fn(() => 1);
    expect(() => a.cache.getOrLoad('k', load, { ttlMs: -1 })).toThrow(/cache\.getOrLoad\.ttlMs/);
    expect(load).not.toHaveBeenCalled();
  });

  it('passes a jump of the wall clock on to lifetimes only', async () => {
    const { clock, a, b } = await setup(2);
    await a.read('x');
    clock.jump(-3_600_000);
    expect((await b.read('x')).value).toBe(0);
    await a.write('x', 1);
    expect((await b.read('x')).value).toBe(1);
    clock.jump(7_200_000);
    await b.write('x', 2);
    expect((await a.read('x')).value).toBe(2);
  });

  it('works without a local level', async () => {
    const { a } = await setup(1, { options: { local: false } });
    const load = vi.fn(() => 1);
    await a.cache.getOrLoad('k', load);
    await a.cache.getOrLoad('k', load);
    expect(load).toHaveBeenCalledTimes(1);
  });

  it('refuses keys and tags that cannot be ones', async () => {
    const { a } = await setup(1);
    const code = 'PANDO_CACHE_KEY';
    expect(() => a.cache.getOrLoad('', () => 1)).toThrow(expect.objectContaining({ code }));
    expect(() => a.cache.getOrLoad('x'.repeat(513), () => 1)).toThrow(expect.objectContaining({ code }));
    expect(() => a.cache.getOrLoad('k', () => 1, { tags: [''] })).toThrow(expect.objectContaining({ code }));
    expect(() => a.cache.invalidate([7 as never])).toThrow(/tag must be a text of 1 to 512.*got number/);
  });

  it('refuses unknown options at once', () => {
    expect(() => createCache({ ttl: 5 } as never)).toThrow(
      /unknown option "ttl" in cache. Did you mean "ttlMs"/,
    );
    expect(() => createCache({ local: { maxEntires: 5 } } as never)).toThrow(/Did you mean "maxEntries"/);
    expect(() => createCache({ ttlMs: 0 })).toThrow(/cache.ttlMs/);
    expect(() => createCache({ codec: {} as never })).toThrow(/cache.codec must be a codec/);
  });

  it('is closed once and for all', async () => {
    const { a } = await setup(1);
    await a.cache.close();
    await a.cache.close();
    await expect(a.cache.getOrLoad('k', () => 1)).rejects.toMatchObject({ code: 'PANDO_CLOSED' });
    await expect(a.cache.invalidate(['k'])).rejects.toMatchObject({ code: 'PANDO_CLOSED' });
    await expect(a.cache.start()).rejects.toMatchObject({ code: 'PANDO_CLOSED' });
  });
});

describe('concurrent callers', () => {
  it('share one load in a process', async () => {
    const { a } = await setup(1);
    const gate = latch();
    const load = vi.fn(async () => {
      await gate.promise;
      return 1;
    });
    const callers = Array.from({ length: 1_000 }, () => a.cache.getOrLoad('k', load));
    await vi.waitFor(() => expect(load).toHaveBeenCalled());
    gate.open();
    expect(new Set(await Promise.all(callers))).toEqual(new Set([1]));
    expect(load).toHaveBeenCalledTimes(1);
  });

  it('share one load among instances', async () => {
    const { clock, a, b } = await setup(2);
    const gate = latch();
    const load = vi.fn(async () => {
      await gate.promise;
      return 1;
    });
    const both = Promise.all([a.cache.getOrLoad('k', load), b.cache.getOrLoad('k', load)]);
    await clock.advance(100);
    expect(load).toHaveBeenCalledTimes(1);
    gate.open();
    expect(await within(clock, both)).toEqual([1, 1]);
    expect(load).toHaveBeenCalledTimes(1);
  });

  it('do not wait longer for another instance than they are told to', async () => {
    const { clock, a, b } = await setup(2, { options: { waitMs: 200, leaseMs: 60_000 } });
    const hung = a.cache.getOrLoad('k', () => new Promise<number>(() => undefined));
    hung.catch(() => undefined);
    await clock.advance(1);
    const load = vi.fn(() => 2);
    const reading = b.cache.getOrLoad('k', load);
    await clock.advance(199);
    expect(load).not.toHaveBeenCalled();
    await clock.advance(100);
    expect(await reading).toBe(2);
  });

  it('take over when the instance that loads has died', async () => {
    const { clock, a, b } = await setup(2, { options: { waitMs: 60_000, leaseMs: 500 } });
    a.cache.getOrLoad('k', () => new Promise<number>(() => undefined)).catch(() => undefined);
    await clock.advance(1);
    const reading = b.cache.getOrLoad('k', () => 2);
    await clock.advance(600);
    expect(await reading).toBe(2);
  });

  it('all get the loader’s error; nothing is kept, and the next one loads at once', async () => {
    const { clock, a, b } = await setup(2);
    const failure = new Error('no such table');
    const load = vi.fn(async (): Promise<number> => {
      throw failure;
    });
    const callers = [a.cache.getOrLoad('k', load), a.cache.getOrLoad('k', load)];
    for (const outcome of await Promise.allSettled(callers)) {
      expect(outcome).toEqual({ status: 'rejected', reason: failure });
    }
    expect(load).toHaveBeenCalledTimes(1);
    await clock.advance(1);
    expect(await b.cache.getOrLoad('k', () => 2)).toBe(2); // the lease is free
    expect(await a.cache.getOrLoad('k', () => 3)).toBe(2);
  });

  it('leave alone: the load goes on for the others, and ends with the last one', async () => {
    const { a } = await setup(1);
    const gate = latch();
    const signals: AbortSignal[] = [];
    const load = async ({ signal }: { readonly signal: AbortSignal }) => {
      signals.push(signal);
      await gate.promise;
      return 1;
    };
    const [one, other] = [new AbortController(), new AbortController()];
    const first = a.cache.getOrLoad('k', load, { signal: one.signal });
    const second = a.cache.getOrLoad('k', load, { signal: other.signal });
    await vi.waitFor(() => expect(signals).toHaveLength(1));
    one.abort(new Error('left'));
    await expect(first).rejects.toThrow('left');
    expect(signals[0]?.aborted).toBe(false);
    gate.open();
    expect(await second).toBe(1);
    expect(signals[0]?.aborted).toBe(false);

    const hung = a.cache.getOrLoad(
      'l',
      ({ signal }) => {
        signals.push(signal);
        return new Promise(() => undefined);
      },
      { signal: other.signal },
    );
    await vi.waitFor(() => expect(signals).toHaveLength(2));
    other.abort(new Error('left too'));
    await expect(hung).rejects.toThrow('left too');
    expect(signals[1]?.aborted).toBe(true);
    expect(await a.cache.getOrLoad('l', () => 3)).toBe(3);
  });

  it('are not kept for ever by a loader that hangs', async () => {
    const { clock, a } = await setup(1, { options: { loadTimeoutMs: 1_000 } });
    const hung = a.cache.getOrLoad('k', () => new Promise(() => undefined));
    hung.catch(() => undefined);
    await clock.advance(1_000);
    await expect(hung).rejects.toMatchObject({ code: 'PANDO_CACHE_LOAD_TIMEOUT', retryable: true });
    expect(await a.cache.getOrLoad('k', () => 1)).toBe(1);
  });

  it('hear of a value that cannot be stored', async () => {
    const { a } = await setup(1);
    await expect(a.cache.getOrLoad('k', () => 1n)).rejects.toMatchObject({ code: 'PANDO_CACHE_VALUE' });
  });
});

describe('invalidate', () => {
  it('makes values with the tag or key unusable on all instances', async () => {
    const { a, b } = await setup(2);
    let version = 1;
    const load = () => version;
    const get = (instance: typeof a, key: string) =>
      instance.cache.getOrLoad(key, load, { tags: ['posts', `about:${key}`] });
    for (const key of ['one', 'two']) for (const instance of [a, b]) await get(instance, key);
    version = 2;
    await a.cache.invalidate(['about:one']);
    expect([await get(a, 'one'), await get(b, 'one'), await get(b, 'two')]).toEqual([2, 2, 1]);
    version = 3;
    await b.cache.invalidate(['two']);
    expect([await get(a, 'one'), await get(a, 'two')]).toEqual([2, 3]);
    version = 4;
    await b.cache.invalidate(['posts']);
    expect([await get(a, 'one'), await get(a, 'two')]).toEqual([4, 4]);
  });

  it('gives a token, and puts it into the running context', async () => {
    const { a } = await setup(1);
    const { value, token } = await a.request(() => a.cache.invalidate(['x']));
    expect(value.confirmed).toBe(true);
    expect(value.token.cache).toHaveLength(1);
    expect(token).toEqual(value.token);
  });

  it('does nothing for no tags', async () => {
    const { a } = await setup(1);
    expect(await a.cache.invalidate([])).toEqual({ token: emptyToken, confirmed: true });
  });

  it('is carried out even when its caller has left', async () => {
    const { a, b } = await setup(2);
    await b.read('x');
    const leaving = AbortSignal.abort(new Error('left'));
    await expect(a.cache.invalidate(['x'], { signal: leaving })).rejects.toThrow('left');
    const load = vi.fn(() => 9);
    expect(await b.cache.getOrLoad('x', load)).toBe(9);
  });

  it('counts as carried out for what the state has forgotten, wherever nobody knows better', async () => {
    const { fleet, a, b } = await setup(2, { maxTags: 10 });
    const load = vi.fn(() => 1);
    await a.cache.getOrLoad('k', load);
    for (let index = 0; index < 50; index++) await a.cache.invalidate([`other:${index}`]);
    await b.cache.getOrLoad('k', load); // has heard all of them
    expect(load).toHaveBeenCalledTimes(1);
    const late = await fleet.instance();
    await late.cache.getOrLoad('k', load);
    expect(load).toHaveBeenCalledTimes(2);
    await (await fleet.instance()).cache.getOrLoad('k', load);
    expect(load).toHaveBeenCalledTimes(2);
  });

  it('lets an instance that begins later use what is there', async () => {
    const { fleet, a } = await setup(1);
    const load = vi.fn(() => 1);
    await a.cache.invalidate(['k', 'other']);
    await a.cache.getOrLoad('k', load);
    await a.cache.invalidate(['other', 'another']);
    const late = await fleet.instance();
    await late.cache.getOrLoad('k', load);
    expect(load).toHaveBeenCalledTimes(1);
    await late.cache.getOrLoad('k', load, { tags: ['another'] });
    expect(load).toHaveBeenCalledTimes(1); // a local copy is checked against the tags it was stored with
    const later = await fleet.instance();
    await later.cache.getOrLoad('k', load, { tags: ['another'] });
    expect(load).toHaveBeenCalledTimes(2); // who knows of more tags is not served what they make invalid
  });
});

describe('inside a transaction', () => {
  it('the loader always runs, in the transaction’s own context, and nothing is stored', async () => {
    const { a } = await setup(1);
    await a.cache.getOrLoad('k', () => 'committed');
    await a.request(async () => {
      const inside = a.kernel.contexts.current().inside();
      const load = vi.fn(() => {
        expect(a.kernel.contexts.current()).toBe(inside);
        return 'uncommitted';
      });
      await a.kernel.contexts.run(inside, async () => {
        expect(await a.cache.getOrLoad('k', load)).toBe('uncommitted');
        expect(await a.cache.getOrLoad('k', load)).toBe('uncommitted');
      });
      expect(load).toHaveBeenCalledTimes(2);
    });
    expect(await a.cache.getOrLoad('k', () => 'again')).toBe('committed');
  });
});

describe('nested loads', () => {
  it('give their tags to the value around them', async () => {
    const { a, b } = await setup(2);
    let name = 'ann';
    const author = (cache: typeof a.cache) => cache.getOrLoad('author:7', () => name);
    const page = (cache: typeof a.cache) => cache.getOrLoad('page', async () => `by ${await author(cache)}`);
    expect(await page(a.cache)).toBe('by ann');
    expect(await page(b.cache)).toBe('by ann');
    name = 'ben';
    await b.cache.invalidate(['author:7']);
    expect([await page(a.cache), await page(b.cache)]).toEqual(['by ben', 'by ben']);
  });

  it('that were cached long before do not keep the value around them from being stored', async () => {
    const { a } = await setup(1);
    const author = () => a.cache.getOrLoad('author:7', () => 'ann');
    const load = vi.fn(async () => `by ${await author()}`);
    await author();
    await a.cache.invalidate(['page']);
    await a.cache.getOrLoad('page', load);
    await a.cache.getOrLoad('page', load);
    expect(load).toHaveBeenCalledTimes(1);
  });
});

describe('a load', () => {
  it('runs detached: it does not colour the request that began it, nor is it coloured by its end', async () => {
    const { a } = await setup(1);
    const mark = cacheToken({ epoch: 'elsewhere', sequence: 1 });
    const { token } = await a.request(() =>
      a.cache.getOrLoad('k', () => {
        a.kernel.contexts.current().observe(mark);
        return 1;
      }),
    );
    expect(token).toEqual(emptyToken);
  });

  it('sees at least what its caller has seen', async () => {
    const { fleet, a } = await setup(1);
    fleet.registers.replicates = false;
    const { token } = await a.write('x', 1);
    const unrelated = { ...token, cache: [] };
    expect((await a.read('y', unrelated)).value).toBe(0);
    expect((await a.read('x', unrelated)).value).toBe(1);
    expect(mergeTokens(unrelated, token)).toEqual(token);
  });
});

it('two caches on one world without a fleet are two instances', async () => {
  const kernel = createKernel();
  const { createMemoryWorld } = await import('./index.js');
  const world = createMemoryWorld();
  await using a = createCache({}, { kernel, world });
  await using b = createCache({}, { world });
  await a.getOrLoad('k', () => 1);
  expect(await b.getOrLoad('k', () => 2)).toBe(1);
});
