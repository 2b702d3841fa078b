import { describe, expect, it } from 'vitest';
import { createKernel } from '../kernel/kernel.js';
import { CacheFleet, latch } from '../testing/cache-fleet.js';
import { createFakeClock } from '../testing/fake-clock.js';
import { createCache } from './index.js';

/** Nothing here lets time pass: what waits for itself would never end. */
const setup = async () => {
  const fleet = new CacheFleet({ clock: createFakeClock() });
  return (await fleet.instance()).cache;
};

const cycle = (key: string, way: string) => ({
  code: 'PANDO_CACHE_CYCLE',
  retryable: false,
  message: expect.stringContaining(`Loading "${key}" needs "${key}" itself: ${way}.`),
});

describe('a loader that comes to need the value that it loads', () => {
  it('fails at once where it asks for its own key', async () => {
    const cache = await setup();
    const load = (): Promise<number> => cache.getOrLoad('a', load);
    await expect(cache.getOrLoad('a', load)).rejects.toMatchObject(cycle('a', 'a → a'));
  });

  it('fails at once where other loaders lead back to it, in whichever namespace', async () => {
    const cache = await setup();
    const posts = cache.namespace<number>('posts', { version: '2' });
    const author = (): Promise<number> => cache.getOrLoad('author', () => posts.getOrLoad('1', post));
    const post = (): Promise<number> => cache.getOrLoad('tags', author);
    await expect(author()).rejects.toMatchObject(cycle('author', 'author → posts#2:1 → tags → author'));
  });

  it('fails at once where it asks for a key of its batch', async () => {
    const cache = await setup();
    const loaded: string[] = [];
    const values = cache.getOrLoadMany(['a', 'b', 'c'], async (missing) => {
      const entries = missing.map(async (key) => [key, await cache.getOrLoad(key, () => loaded.push(key))]);
      return new Map((await Promise.all(entries)) as [string, number][]);
    });
    await expect(values).rejects.toMatchObject(cycle('a', 'a and 2 more → a'));
    expect(loaded).toEqual([]);
  });

  it('fails at once by way of a batch', async () => {
    const cache = await setup();
    const post = (): Promise<number> =>
      cache.getOrLoad('post', async () => {
        const all = await cache.getOrLoadMany(['x', 'y'], async () => new Map([['x', await post()]]));
        return all.size;
      });
    await expect(post()).rejects.toMatchObject(cycle('post', 'post → x and 1 more → post'));
  });

  it('fails at once through another cache', async () => {
    const cache = await setup();
    await using other = createCache();
    await other.start();
    const load = (): Promise<number> => cache.getOrLoad('a', () => other.getOrLoad('b', load));
    await expect(load()).rejects.toMatchObject(cycle('a', 'a → a'));
  });

  it('is no reason to serve what is stale: nothing is kept, and the next load runs', async () => {
    const clock = createFakeClock();
    const { cache } = await new CacheFleet({ clock }).instance();
    const terms = { ttlMs: 10, jitterRatio: 0, staleIfErrorMs: 1_000 };
    await cache.getOrLoad('a', () => 1, terms);
    await clock.advance(20);
    const load = (): Promise<number> => cache.getOrLoad('a', load, terms);
    await expect(load()).rejects.toMatchObject({ code: 'PANDO_CACHE_CYCLE' });
    expect(await cache.getOrLoad('a', () => 2, terms)).toBe(2);
  });
});

describe('two requests whose loaders need what the other one loads', () => {
  it('both fail at once', async () => {
    const cache = await setup();
    const [aBegun, bBegun] = [latch(), latch()];
    const a = (): Promise<number> =>
      cache.getOrLoad('a', async () => {
        aBegun.open();
        await bBegun.promise;
        return cache.getOrLoad('b', b);
      });
    const b = (): Promise<number> =>
      cache.getOrLoad('b', async () => {
        bBegun.open();
        await aBegun.promise;
        return cache.getOrLoad('a', a);
      });
    const settled = await Promise.allSettled([a(), b()]);
    for (const outcome of settled) {
      expect(outcome).toMatchObject({ reason: { code: 'PANDO_CACHE_CYCLE' } });
    }
  });

  it('have what both batches need of each other loaded once more, since no value needs itself', async () => {
    const cache = await setup();
    const [leftBegun, rightBegun] = [latch(), latch()];
    let loads = 0;
    const value = (key: string) => cache.getOrLoad(key, () => `${key}${++loads}`);
    const left = cache.getOrLoadMany(['a', 'c'], async () => {
      leftBegun.open();
      await rightBegun.promise;
      return new Map([
        ['a', await value('b')],
        ['c', 'c'],
      ]);
    });
    const right = cache.getOrLoadMany(['b', 'd'], async () => {
      rightBegun.open();
      await leftBegun.promise;
      return new Map([
        ['b', 'b'],
        ['d', await value('c')],
      ]);
    });
    const all = await Promise.all([left, right]);
    expect(loads).toBe(1);
    expect(all.map((values) => [...values.keys()])).toEqual([
      ['a', 'c'],
      ['b', 'd'],
    ]);
  });
});

describe('a loader may', () => {
  it('ask for one value several times, and for one that others are loading', async () => {
    const cache = await setup();
    const held = latch();
    const shared = () => cache.getOrLoad('shared', () => held.promise.then(() => 2));
    const sum = (key: string) =>
      cache.getOrLoad(key, async () => {
        const parts = await Promise.all([shared(), shared(), cache.getOrLoad(`${key}:own`, shared)]);
        return parts.reduce((all, part) => all + part);
      });
    const sums = Promise.all([sum('a'), sum('b'), shared()]);
    held.open();
    expect(await sums).toEqual([6, 6, 2]);
  });

  it('leave something behind that asks for its key when it has ended', async () => {
    const cache = await setup();
    const ended = latch();
    let later: Promise<number> | undefined;
    const value = await cache.getOrLoad('a', () => {
      later = ended.promise.then(async () => {
        await cache.invalidate(['a']);
        return cache.getOrLoad('a', () => 2);
      });
      return 1;
    });
    ended.open();
    expect([value, await later]).toEqual([1, 2]);
  });

  it('load the same key of another cache of its kit', async () => {
    const kernel = createKernel({ clock: createFakeClock() });
    await using one = createCache({ name: 'one' }, { kernel });
    await using other = createCache({ name: 'other' }, { kernel });
    await Promise.all([one.start(), other.start()]);
    expect(await one.getOrLoad('a', () => other.getOrLoad('a', () => 1))).toBe(1);
  });
});
