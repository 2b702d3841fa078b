import { readOptions } from '../kernel/options.js';
import type { GetOrLoadOptions, Invalidation, Loader, WrapOptions, Wrapped } from './api.js';
import { type Lifetime, readLifetime } from './lifetime.js';

/** Where results are kept: a cache, or a part of one. */
interface Keeper<T> {
  getOrLoad(key: string, load: Loader<T>, options: GetOrLoadOptions<T>): Promise<T>;
  delete(key: string): Promise<Invalidation>;
}

/** Keeps the results of a function; throws `PandoOptionsError`. */
export function wrap<Args extends readonly unknown[], T>(
  cache: Keeper<T>,
  fn: (...args: Args) => Promise<T> | T,
  options: WrapOptions<Args, T>,
  { lifetime, keyOf }: { readonly lifetime: Lifetime; keyOf(key: string): string },
): Wrapped<Args, T> {
  const { key, tags, ...kept } = readWrapOptions(options, lifetime);
  const wrapped = (...args: Args): Promise<T> =>
    cache.getOrLoad(key(...args), () => fn(...args), {
      ...kept,
      tags: typeof tags === 'function' ? tags(...args) : tags,
    });
  return Object.assign(wrapped, {
    keyOf: (...args: Args) => keyOf(key(...args)),
    invalidate: (...args: Args) => cache.delete(key(...args)),
  });
}

function readWrapOptions<Args extends readonly unknown[], T>(
  options: WrapOptions<Args, T>,
  defaults: Lifetime,
): WrapOptions<Args, T> {
  const reader = readOptions('cache.wrap', options);
  const read = {
    ...readLifetime(reader, defaults),
    key:
      reader.fn<WrapOptions<Args, T>['key'], undefined>('key', undefined) ?? reader.fail('key', 'a function'),
    tags: reader.any('tags') as WrapOptions<Args, T>['tags'], // each call checks its own
    lifetimeOf: reader.fn<NonNullable<GetOrLoadOptions<T>['lifetimeOf']>, undefined>('lifetimeOf', undefined),
    replacedBy: reader.oneOf('replacedBy', ['background', 'caller'], undefined),
  };
  reader.done();
  return read;
}
