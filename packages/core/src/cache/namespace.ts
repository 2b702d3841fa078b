import type { Signalled } from '../kernel/abort.js';
import { readOptions } from '../kernel/options.js';
import { mergeTokens } from '../kernel/token.js';
import type {
  Cache,
  CacheNamespace,
  GetOptions,
  GetOrLoadManyOptions,
  GetOrLoadOptions,
  InvalidateOptions,
  Invalidation,
  Loader,
  ManyLoader,
  NamespaceOptions,
  SetOptions,
  SetOutcome,
  WrapOptions,
  Wrapped,
} from './api.js';
import { type Lifetime, lifetimeOf, readLifetime } from './lifetime.js';
import { wrap } from './wrap.js';

/** What a namespace stands on. */
export interface NamespaceInit {
  readonly cache: Cache;
  /** What a call has that does not say, where the namespace does not either. */
  readonly lifetime: Lifetime;
  /** Runs a loader as if there were no cache. */
  bypass<Value>(load: Loader<Value>, options: Signalled): Promise<Value>;
}

/** Translates keys: everything else is the cache's. */
export class Namespace<T> implements CacheNamespace<T> {
  readonly name: string;
  readonly #cache: Cache;
  readonly #bypass: NamespaceInit['bypass'];
  readonly #lifetime: Lifetime;
  readonly #version: string | undefined;
  readonly #isEnabled: () => boolean;

  /** @throws `PandoOptionsError` */
  constructor(
    name: string,
    options: NamespaceOptions | undefined,
    { cache, lifetime, bypass }: NamespaceInit,
  ) {
    const reader = readOptions('cache.namespace', { ...options, name });
    this.#cache = cache;
    this.#bypass = bypass;
    this.name = reader.string('name', '');
    this.#version = reader.string('version', undefined);
    this.#lifetime = readLifetime(reader, lifetime);
    const enabled = reader.any('enabled', true);
    if (typeof enabled !== 'boolean' && typeof enabled !== 'function') {
      reader.fail('enabled', 'true, false, or a function that says which');
    }
    this.#isEnabled = typeof enabled === 'function' ? (enabled as () => boolean) : () => enabled === true;
    reader.done();
  }

  keyOf(key: string): string {
    return `${this.name}:${key}`;
  }

  getOrLoad<Value extends T>(
    key: string,
    load: Loader<Value>,
    options: GetOrLoadOptions<Value> = {},
  ): Promise<Value> {
    if (!this.#isEnabled()) return this.#bypass(load, options);
    const { tags } = options;
    return this.#cache.getOrLoad(this.#nameOf(key), load, {
      ...options,
      ...lifetimeOf('getOrLoad', options, this.#lifetime),
      tags: typeof tags === 'function' ? (value) => this.#tagsOf(key, tags(value)) : this.#tagsOf(key, tags),
    });
  }

  async getOrLoadMany<Value extends T>(
    keys: readonly string[],
    load: ManyLoader<Value>,
    options: GetOrLoadManyOptions = {},
  ): Promise<Map<string, Value>> {
    const { tags } = options;
    const keyOf = new Map(keys.map((key) => [this.#nameOf(key), key]));
    const own = (name: string) => keyOf.get(name) as string;
    const translated: ManyLoader<Value> = async (missing, given) => {
      const values = await load(missing.map(own), given);
      return new Map([...values].map(([key, value]) => [this.#nameOf(key), value]));
    };
    const names = [...keyOf.keys()];
    const values = await (this.#isEnabled()
      ? this.#cache.getOrLoadMany(names, translated, {
          ...lifetimeOf('getOrLoadMany', options, this.#lifetime),
          signal: options.signal,
          tags: (name) => this.#tagsOf(own(name), typeof tags === 'function' ? tags(own(name)) : tags),
        })
      : this.#bypass((given) => translated(names, given), options));
    return new Map([...values].map(([name, value]) => [own(name), value]));
  }

  async get(key: string, options?: GetOptions): Promise<T | undefined> {
    return this.#isEnabled() ? this.#cache.get<T>(this.#nameOf(key), options) : undefined;
  }

  peek(key: string): T | undefined {
    return this.#isEnabled() ? this.#cache.peek<T>(this.#nameOf(key)) : undefined;
  }

  async set(key: string, value: T, options: SetOptions = {}): Promise<SetOutcome> {
    const isEnabled = this.#isEnabled();
    const name = this.#nameOf(key);
    if (isEnabled && this.#version === undefined)
      return this.#cache.set(name, value, this.#setOptions(options, key));
    // What other versions have stored is of the past, too.
    const forgotten = await this.delete(key, options);
    if (!isEnabled) return { ...forgotten, stored: false };
    const set = await this.#cache.set(name, value, this.#setOptions(options, key));
    return {
      token: mergeTokens(forgotten.token, set.token),
      confirmed: forgotten.confirmed && set.confirmed,
      stored: set.stored,
    };
  }

  delete(keys: string | readonly string[], options?: InvalidateOptions): Promise<Invalidation> {
    return this.#cache.invalidate(this.#keysOf(keys), options);
  }

  expire(keys: string | readonly string[], options?: InvalidateOptions): Promise<Invalidation> {
    return this.#cache.expire(this.#keysOf(keys), options);
  }

  wrap<Args extends readonly unknown[], Value extends T>(
    fn: (...args: Args) => Promise<Value> | Value,
    options: WrapOptions<Args, Value>,
  ): Wrapped<Args, Value> {
    return wrap(this, fn, options, { lifetime: this.#lifetime, keyOf: (key) => this.keyOf(key) });
  }

  #keysOf(keys: string | readonly string[]): readonly string[] {
    return (typeof keys === 'string' ? [keys] : keys).map((key) => this.keyOf(key));
  }

  /** Under which key the cache keeps a value. */
  #nameOf(key: string): string {
    return this.#version === undefined ? this.keyOf(key) : `${this.name}#${this.#version}:${key}`;
  }

  #setOptions(options: SetOptions, key: string): SetOptions {
    return {
      ...options,
      ...lifetimeOf('set', options, this.#lifetime),
      tags: this.#tagsOf(key, options.tags),
    };
  }

  #tagsOf(key: string, tags: readonly string[] = []): readonly string[] {
    return this.#version === undefined ? tags : [this.keyOf(key), ...tags];
  }
}
