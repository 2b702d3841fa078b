import { describe, expect, it, vi } from 'vitest';
import { CacheFleet } from '../testing/cache-fleet.js';
import { createFakeClock } from '../testing/fake-clock.js';

const setup = async () => {
  const clock = createFakeClock();
  const fleet = new CacheFleet({ clock, options: { jitterRatio: 0 } });
  return { clock, a: await fleet.instance(), b: await fleet.instance() };
};

describe('a wrapped function', () => {
  it('is called once for each key, and its results are shared by all instances', async () => {
    const { a, b } = await setup();
    const add = vi.fn((x: number, y: number) => x + y);
    const [here, there] = [a, b].map(({ cache }) => cache.wrap(add, { key: (x, y) => `sum:${x}:${y}` }));
    expect([await here?.(1, 2), await there?.(1, 2), await there?.(2, 2)]).toEqual([3, 3, 4]);
    expect(add.mock.calls).toEqual([
      [1, 2],
      [2, 2],
    ]);
  });

  it('forgets results by their arguments, and by tags made of them', async () => {
    const { a } = await setup();
    const find = vi.fn(async (author: string, page: number) => [author, page]);
    const posts = a.cache.wrap(find, {
      key: (author, page) => `posts:${author}:${page}`,
      tags: (author) => [`author:${author}`],
    });
    expect(posts.keyOf('ada', 1)).toBe('posts:ada:1');
    await Promise.all([posts('ada', 1), posts('ada', 2), posts('bob', 1)]);
    await posts.invalidate('ada', 1);
    await posts('ada', 1);
    expect(find).toHaveBeenCalledTimes(4);
    await a.cache.invalidate(['author:ada']);
    await Promise.all([posts('ada', 1), posts('ada', 2), posts('bob', 1)]);
    expect(find).toHaveBeenCalledTimes(6);
  });

  it('has a lifetime of its own', async () => {
    const { clock, a } = await setup();
    const now = vi.fn(() => 1);
    const wrapped = a.cache.wrap(now, { key: () => 'now', ttlMs: 100 });
    await wrapped();
    await clock.advance(100);
    await wrapped();
    expect(now).toHaveBeenCalledTimes(2);
  });

  it('passes the mistakes of its function on, and refuses options that cannot be when it is made', async () => {
    const { a } = await setup();
    const fail = (): number => {
      throw new Error('no such post');
    };
    await expect(a.cache.wrap(fail, { key: () => 'k' })()).rejects.toThrow('no such post');
    expect(() => a.cache.wrap(fail, {} as never)).toThrow(/cache\.wrap\.key must be a function/);
    expect(() => a.cache.wrap(fail, { key: () => 'k', ttlMs: 0 })).toThrow(/cache\.wrap\.ttlMs/);
    expect(() => a.cache.wrap(fail, { key: () => 'k', ttl: 5 } as never)).toThrow(/Did you mean "ttlMs"/);
    expect(() => a.cache.wrap(fail, { key: () => '' })()).toThrow(/A cache key must be/);
  });
});
