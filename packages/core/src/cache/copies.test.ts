import { describe, expect, it } from 'vitest';
import { binaryCodec } from './codecs.js';
import { cloneOf } from './copies.js';
import { type CacheOptions, createCache, createMemoryWorld } from './index.js';

interface Post {
  title: string;
  readonly tags: string[];
}

/** Two instances with one shared level. */
function setup(options: CacheOptions) {
  const world = createMemoryWorld();
  return [createCache(options, { world }), createCache(options, { world })] as const;
}

const load = (): Post => ({ title: 'aspen', tags: ['tree'] });

describe('values', () => {
  it('are shared, unless it is said otherwise', async () => {
    const [a] = setup({});
    const [one, other] = await Promise.all([a.getOrLoad('post', load), a.getOrLoad('post', load)]);
    expect(one).toBe(other);
    expect(a.peek('post')).toBe(one);
  });

  it('cannot be changed where they are frozen, wherever they come from', async () => {
    const [a, b] = setup({ copies: 'frozen' });
    for (const post of [
      await a.getOrLoad('post', load),
      await b.getOrLoad('post', load),
      a.peek<Post>('post'),
    ]) {
      expect(() => Object.assign(post as Post, { title: 'oak' })).toThrow(TypeError);
      expect(() => post?.tags.push('shrub')).toThrow(TypeError);
    }
    const many = await b.getOrLoadMany<Post>(['post'], () => new Map());
    expect(Object.isFrozen(many.get('post'))).toBe(true);
  });

  it('are frozen with what maps and sets hold, cycles and all; bytes stay as they are', async () => {
    const [a] = setup({ copies: 'frozen', codec: binaryCodec });
    const cyclic: Record<string, unknown> = {
      map: new Map([[{ key: 1 }, { value: 1 }]]),
      set: new Set([['element']]),
      bytes: Buffer.from('aspen'),
    };
    cyclic.self = cyclic;
    const value = await a.getOrLoad(
      'value',
      () => cyclic as { map: Map<object, object>; set: Set<string[]> },
    );
    const [[key, held] = []] = value.map;
    const [element] = value.set;
    for (const part of [value, key, held, element]) expect(Object.isFrozen(part)).toBe(true);
  });

  it('belong to one caller alone where they are cloned', async () => {
    const [a] = setup({ copies: 'cloned' });
    const both = await Promise.all([a.getOrLoad('post', load), a.getOrLoad('post', load)]);
    const many = await a.getOrLoadMany<Post>(['post'], () => new Map());
    const all = [
      ...both,
      await a.getOrLoad('post', load),
      a.peek<Post>('post'),
      await a.get<Post>('post'),
      many.get('post'),
    ];
    for (const post of all) {
      expect(post).toEqual(load());
      post?.tags.push('changed');
    }
    expect(await a.getOrLoad('post', load)).toEqual(load());
  });

  it('that cannot be cloned are refused in words', () => {
    expect(() => cloneOf('hand', { wave: () => 1 })).toThrow(
      'The value of "hand" cannot be encoded as a clone',
    );
  });

  it('have their keys checked at once, cloned or not', () => {
    const [a] = setup({ copies: 'cloned' });
    expect(() => a.getOrLoad('', load)).toThrow('A cache key must be');
  });

  it('can be kept in no other way', () => {
    expect(() => createCache({ copies: 'deep' as never })).toThrow('cache.copies must be one of "shared"');
  });
});
