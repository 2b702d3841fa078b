import type { GetOptions, GetOrLoadManyOptions, GetOrLoadOptions, Loader, ManyLoader } from './api.js';
import { CacheRoom } from './cache.js';
import { cloneOf } from './copies.js';
import type { NamespaceCache } from './namespace.js';

/** A cache that gives every caller a copy of his own, with which he may do what he likes. */
export class CloningRoom extends CacheRoom {
  override getOrLoad<T>(key: string, load: Loader<T>, options?: GetOrLoadOptions<T>): Promise<T> {
    return super.getOrLoad(key, load, options).then((value) => cloneOf(key, value));
  }

  override getOrLoadMany<T>(
    keys: readonly string[],
    load: ManyLoader<T>,
    options?: GetOrLoadManyOptions<T>,
  ): Promise<Map<string, T>> {
    return super.getOrLoadMany(keys, load, options).then((values) => {
      for (const [key, value] of values) values.set(key, cloneOf(key, value));
      return values;
    });
  }

  override get<T>(key: string, options?: GetOptions): Promise<T | undefined> {
    return super.get<T>(key, options).then((value) => cloneOf(key, value));
  }

  protected override get asKept(): NamespaceCache {
    return {
      getOrLoad: (...asked) => super.getOrLoad(...asked),
      getOrLoadMany: (...asked) => super.getOrLoadMany(...asked),
      get: (...asked) => super.get(...asked),
      peek: (key) => super.peek(key),
      set: (...made) => this.set(...made),
      invalidate: (...tags) => this.invalidate(...tags),
      expire: (...tags) => this.expire(...tags),
      explain: (...asked) => this.explain(...asked),
    };
  }

  override peek<T>(key: string): T | undefined {
    return cloneOf(key, super.peek<T>(key));
  }
}
