import { describe, expect, it, vi } from 'vitest';
import { CacheFleet, type FleetInstance, latch } from '../testing/cache-fleet.js';
import { createFakeClock, type FakeClock } from '../testing/fake-clock.js';
import type { ManyLoader } from './index.js';
import type { CacheRules } from './rules.js';

interface Stage {
  readonly clock: FakeClock;
  readonly fleet: CacheFleet;
  readonly a: FleetInstance;
  readonly b: FleetInstance;
}

const setup = async (rules?: Partial<CacheRules>): Promise<Stage> => {
  const clock = createFakeClock();
  const fleet = new CacheFleet({ clock, rules });
  return { clock, fleet, a: await fleet.instance(), b: await fleet.instance() };
};

const tags = () => ['x'];

describe('tags that only the value can tell', () => {
  it('make it unusable when they are invalidated, on all instances', async () => {
    const { a, b } = await setup();
    let author = 'ann';
    const get = ({ cache }: FleetInstance) =>
      cache.getOrLoad('post', () => ({ author }), { tags: (post) => [`author:${post.author}`] });
    await get(a);
    await get(b);
    author = 'ben';
    await b.cache.invalidate(['author:ann']);
    expect([await get(a), await get(b)]).toEqual([{ author }, { author }]);
    await a.cache.invalidate(['author:ann']);
    const load = vi.fn(() => ({ author: 'eve' }));
    expect(await b.cache.getOrLoad('post', load)).toEqual({ author });
    expect(load).not.toHaveBeenCalled();
  });

  it('cost no second load while none of them has moved', async () => {
    const { fleet, a } = await setup();
    await a.write('x', 1);
    const load = vi.fn(() => fleet.registers.read(a.kernel, 'x'));
    expect(await a.cache.getOrLoad('latest', load, { tags })).toBe(1);
    expect(await a.cache.getOrLoad('latest', load, { tags })).toBe(1);
    expect(load).toHaveBeenCalledTimes(1);
  });

  it('have the value loaded again where one was invalidated meanwhile; then it is kept', async () => {
    const { fleet, clock, a, b } = await setup();
    await a.write('x', 1);
    const goOn = latch();
    const load = vi.fn(async () => {
      const value = fleet.registers.read(a.kernel, 'x');
      await goOn.promise;
      return value;
    });
    const loading = a.cache.getOrLoad('latest', load, { tags });
    await clock.advance(0);
    await b.write('x', 2);
    goOn.open();
    expect(await loading).toBe(2);
    expect(await a.cache.getOrLoad('latest', load, { tags })).toBe(2);
    expect(load).toHaveBeenCalledTimes(2);
  });

  it('are unknown where there is nothing, which is not kept', async () => {
    const { a } = await setup();
    const load = vi.fn((): { author: string } | undefined => undefined);
    const get = () =>
      a.cache.getOrLoad('post', load, { tags: (post) => [`author:${post?.author}`], negativeTtlMs: 1_000 });
    expect([await get(), await get()]).toEqual([undefined, undefined]);
    expect(load).toHaveBeenCalledTimes(2);
  });

  it('must be ones', async () => {
    const { a } = await setup();
    const get = a.cache.getOrLoad('post', () => 1, { tags: () => [''] });
    await expect(get).rejects.toMatchObject({ code: 'PANDO_CACHE_KEY' });
  });
});

describe('tags that only the values of many keys can tell', () => {
  const authors = (author: string) =>
    vi.fn<ManyLoader<{ author: string }>>(
      (missing) => new Map(missing.map((key) => [key, { author: `${author} of ${key}` }])),
    );
  const tagsOf = ({ author }: { author: string }, key: string) => [author, `about:${key}`];

  it('make each unusable by itself', async () => {
    const { a, b } = await setup();
    const load = authors('ann');
    const get = ({ cache }: FleetInstance) => cache.getOrLoadMany(['x', 'y', 'z'], load, { tags: tagsOf });
    await get(a);
    await b.cache.invalidate(['ann of x']);
    await get(b);
    await a.cache.invalidate(['about:y']);
    expect(Object.keys(Object.fromEntries(await get(a)))).toEqual(['x', 'y', 'z']);
    expect(load.mock.calls.map(([missing]) => missing)).toEqual([['x', 'y', 'z'], ['x'], ['y']]);
  });

  it('are asked about once, and have by one call loaded again what was invalidated meanwhile', async () => {
    const { a, b } = await setup();
    const keys = Array.from({ length: 20 }, (_, index) => `k${index}`);
    const load = authors('ben');
    load.mockImplementationOnce(async (missing) => {
      await b.cache.invalidate(['ann of k3', 'about:k7']);
      return new Map(missing.map((key) => [key, { author: `ann of ${key}` }]));
    });
    const begin = vi.spyOn(a.level, 'begin');
    const values = await a.cache.getOrLoadMany(keys, load, { tags: tagsOf });
    expect([values.get('k3'), values.get('k7')]).toEqual([{ author: 'ben of k3' }, { author: 'ben of k7' }]);
    expect(load.mock.calls.map(([missing]) => missing)).toEqual([keys, ['k3', 'k7']]);
    expect(begin).toHaveBeenCalledTimes(3); // before the load, behind it, and before the second one
    load.mockClear();
    expect((await b.cache.getOrLoadMany(keys, load, { tags: tagsOf })).size).toBe(20);
    expect(load).not.toHaveBeenCalled();
  });

  it('leave out what there is nothing for, which is not kept', async () => {
    const { a } = await setup();
    const load = vi.fn(() => new Map<string, { author: string }>());
    const options = { tags: tagsOf, negativeTtlMs: 1_000 };
    for (let call = 0; call < 2; call++)
      expect((await a.cache.getOrLoadMany(['x'], load, options)).size).toBe(0);
    expect(load).toHaveBeenCalledTimes(2);
  });
});

/** Each is served 2, unless the rule is switched off. */
const races: readonly {
  readonly name: string;
  readonly off: Partial<CacheRules>;
  run(stage: Stage): Promise<number>;
}[] = [
  {
    name: 'a value read behind the write that the invalidation of a late tag followed',
    off: { coversWritten: () => true },
    run: async ({ fleet, a, b }) => {
      await a.write('x', 1);
      fleet.registers.replicates = false;
      await a.write('x', 2);
      return b.cache.getOrLoad('latest', () => fleet.registers.read(b.kernel, 'x'), { tags });
    },
  },
  {
    name: 'to who came after the invalidation of a late tag, a value whose load began before it',
    off: { check: () => 'valid' },
    run: async ({ fleet, clock, a, b }) => {
      await a.write('x', 1);
      const goOn = latch();
      const page = () =>
        a.cache.getOrLoad('page', async () => {
          const value = await a.cache.getOrLoad('x', () => fleet.registers.read(a.kernel, 'x'));
          await goOn.promise;
          return value;
        });
      void page();
      await clock.advance(0);
      await b.write('x', 2);
      const joining = page();
      await clock.advance(0);
      goOn.open();
      return joining;
    },
  },
];

describe.each(races)('$name', ({ run, off }) => {
  it('is not served', async () => {
    expect(await run(await setup())).toBe(2);
  });

  it('would be served without the rule', async () => {
    expect(await run(await setup(off))).toBe(1);
  });
});
