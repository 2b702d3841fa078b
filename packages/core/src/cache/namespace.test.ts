import { describe, expect, it, vi } from 'vitest';
import { CacheFleet } from '../testing/cache-fleet.js';
import { createFakeClock } from '../testing/fake-clock.js';
import { copies } from './copies.js';
import { binaryCodec, type CacheNamespace, type Codec, compressed, createCache } from './index.js';

const setup = async () => {
  const clock = createFakeClock();
  const fleet = new CacheFleet({ clock, options: { jitterRatio: 0 } });
  return { clock, a: await fleet.instance(), b: await fleet.instance() };
};
const capitals = () =>
  vi.fn((missing: readonly string[]) => new Map(missing.map((key) => [key, key.toUpperCase()])));

describe('a namespace', () => {
  it('keeps its keys apart from others, and is invalidated by their whole names', async () => {
    const { a, b } = await setup();
    const [posts, users] = [a.cache.namespace<string>('posts'), a.cache.namespace<string>('users')];
    expect(await posts.getOrLoad('1', () => 'a post')).toBe('a post');
    expect(await users.getOrLoad('1', () => 'a user')).toBe('a user');
    expect([posts.name, posts.keyOf('1')]).toEqual(['posts', 'posts:1']);
    expect(await b.cache.get('posts:1')).toBe('a post');
    await b.cache.invalidate([posts.keyOf('1')]);
    expect([await posts.get('1'), await users.get('1')]).toEqual([undefined, 'a user']);
    expect([posts.peek('1'), users.peek('1')]).toEqual([undefined, 'a user']);
  });

  it('gives loaders keys of its own, and takes such', async () => {
    const { a } = await setup();
    const posts = a.cache.namespace<string>('posts', { version: '2' });
    const load = capitals();
    const values = await posts.getOrLoadMany(['a', 'b', 'a'], load, { tags: (_, key) => [`t:${key}`] });
    expect([...values]).toEqual([
      ['a', 'A'],
      ['b', 'B'],
    ]);
    await a.cache.invalidate(['t:a']);
    await posts.getOrLoadMany(['a', 'b'], load);
    await a.cache.invalidate(['posts:b']);
    await posts.getOrLoadMany(['a', 'b'], load);
    expect(load.mock.calls.map(([missing]) => missing)).toEqual([['a', 'b'], ['a'], ['b']]);
  });

  it('lets versions run side by side, and forgets the values of both', async () => {
    const { a, b } = await setup();
    const before = a.cache.namespace<unknown>('posts', { version: '1' });
    const after = b.cache.namespace<unknown>('posts', { version: '2' });
    const read = async () => [await before.get('1'), await after.get('1')];
    await before.getOrLoad('1', () => 'flat');
    await after.getOrLoad('1', () => ({ nested: true }));
    expect(await read()).toEqual(['flat', { nested: true }]);
    await a.cache.invalidate(['posts:1']);
    expect(await read()).toEqual([undefined, undefined]);
    await before.getOrLoad('1', () => 'flat');
    const { token } = await b.cache.invalidate(['x']);
    const set = await after.set('1', { nested: 'since' });
    expect(set).toMatchObject({ confirmed: true, stored: true });
    // One invalidation for all versions.
    expect(set.token.cache).toMatchObject([{ sequence: (token.cache[0]?.sequence ?? 0) + 1 }]);
    expect(await read()).toEqual([undefined, { nested: 'since' }]);
    await before.delete('1');
    expect(await read()).toEqual([undefined, undefined]);
  });

  it('has a lifetime of its own, which a call may override', async () => {
    const { clock, a } = await setup();
    const posts = a.cache.namespace<number>('posts', { ttlMs: 100 });
    await posts.getOrLoad('brief', () => 1);
    await posts.getOrLoad('long', () => 1, { ttlMs: 1_000 });
    await posts.set('set', 1);
    await posts.getOrLoadMany(['many'], () => new Map([['many', 1]]));
    await clock.advance(100);
    const keys = ['brief', 'long', 'set', 'many'];
    expect(await Promise.all(keys.map((key) => posts.get(key)))).toEqual([
      undefined,
      1,
      undefined,
      undefined,
    ]);
  });

  it('expires its keys', async () => {
    const { a, b } = await setup();
    const posts = a.cache.namespace<string>('posts', { staleMs: 10_000 });
    await posts.getOrLoad('1', () => 'old');
    await posts.expire('1');
    const read = () => b.cache.getOrLoad('posts:1', () => 'new', { staleMs: 10_000 });
    expect(await read()).toBe('old'); // once more, while it is replaced
    await vi.waitFor(async () => expect(await read()).toBe('new'));
  });

  it('wraps functions under keys of its own', async () => {
    const { a } = await setup();
    const find = vi.fn((id: number) => ({ id }));
    const post = a.cache.namespace<{ id: number }>('posts').wrap(find, { key: (id) => `${id}` });
    expect(await post(7)).toEqual({ id: 7 });
    expect(post.keyOf(7)).toBe('posts:7');
    expect(a.cache.peek('posts:7')).toEqual({ id: 7 });
    await post.invalidate(7);
    expect(a.cache.peek('posts:7')).toBeUndefined();
  });

  it('that is off loads whatever is asked for and stores nothing, but forgets what others have', async () => {
    const { a } = await setup();
    let enabled = true;
    const posts = a.cache.namespace<string>('posts', { enabled: () => enabled });
    const page = () => a.cache.getOrLoad('page', () => posts.getOrLoad('1', () => 'loaded'));
    await posts.set('1', 'stored');
    enabled = false;
    const load = capitals();
    expect(await posts.getOrLoad('1', () => 'loaded')).toBe('loaded');
    expect([...(await posts.getOrLoadMany(['1', '2'], load))].length).toBe(2);
    expect([posts.peek('1'), await posts.get('1')]).toEqual([undefined, undefined]);
    expect(await page()).toBe('loaded');
    expect(await a.cache.get('page')).toBeUndefined();
    expect(await posts.set('1', 'not stored')).toMatchObject({ confirmed: true, stored: false });
    enabled = true;
    expect(await posts.get('1')).toBeUndefined();
  });

  it('refuses what cannot be', async () => {
    const { a } = await setup();
    expect(() => a.cache.namespace('')).toThrow(/cache\.namespace\.name must be/);
    expect(() => a.cache.namespace('n', { enabled: 1 as never })).toThrow(
      /cache\.namespace\.enabled must be/,
    );
    expect(() => a.cache.namespace('n', { ttlMs: 0 })).toThrow(/cache\.namespace\.ttlMs/);
    expect(() => a.cache.namespace('n', { vresion: '1' } as never)).toThrow(/Did you mean "version"/);
  });

  it('has a codec of its own, by which everybody reads and stores its values', async () => {
    const { a, b } = await setup();
    const since = new Date(0);
    const both = [a, b].map(({ cache }) => cache.namespace<unknown>('events', { codec: binaryCodec }));
    const [here, there] = both as [CacheNamespace, CacheNamespace];
    expect(await here.getOrLoad('1', () => since)).toEqual(since);
    expect(await there.get('1')).toEqual(since);
    await there.set('2', since);
    expect([await a.cache.get('events:2'), (await a.cache.explain('events:2')).answer]).toEqual([
      since,
      'local',
    ]);
    const asText = since.toISOString();
    expect([await b.cache.getOrLoad('other:1', () => since), await a.cache.get('other:1')]).toEqual([
      asText,
      asText,
    ]);
    const values = await here.getOrLoadMany(['3'], () => new Map([['3', since]]));
    expect([values.get('3'), await b.cache.get('events:3')]).toEqual([since, since]);
    a.cache.namespace('events', { codec: binaryCodec, ttlMs: 5 });
    expect(() => a.cache.namespace('events', { codec: compressed() })).toThrow(/codec/);
    expect(() => a.cache.namespace('events', { codec: {} as Codec })).toThrow(/codec/);
  });

  it.each(copies.flatMap((own) => copies.map((whole) => [own, whole] as const)))(
    'gives values that are %s, in a cache whose values are %s',
    async (own, whole) => {
      await using cache = createCache({ copies: whole });
      await cache.start();
      const posts = cache.namespace<{ id: number }>('posts', { copies: own });
      const load = () => ({ id: 1 });
      const first = await posts.getOrLoad('1', load);
      const others = [
        await posts.getOrLoad('1', load),
        await posts.get('1'),
        posts.peek('1'),
        (await posts.getOrLoadMany(['1'], () => new Map())).get('1'),
      ];
      for (const other of others) {
        expect(other).toEqual(first);
        expect(other === first).toBe(own !== 'cloned');
      }
      expect(Object.isFrozen(first)).toBe(own === 'frozen');
    },
  );

  it('explains its keys as the cache does, and says when it is off', async () => {
    const { a } = await setup();
    let enabled = true;
    const posts = a.cache.namespace<string>('posts', { version: '2', enabled: () => enabled });
    await posts.getOrLoad('1', () => 'a post', { tags: ['author:7'] });
    expect(await posts.explain('1')).toMatchObject({
      key: 'posts#2:1',
      answer: 'local',
      levels: [{ value: { tags: expect.arrayContaining(['posts:1', 'author:7']) } }, {}],
    });
    await a.cache.invalidate(['author:7']);
    expect((await posts.explain('1')).answer).toBe('loader');
    enabled = false;
    const { answer, text } = await posts.explain('1', { tags: ['author:7'] });
    expect([answer, text]).toEqual(['loader', expect.stringContaining('"posts" is off')]);
  });
});
