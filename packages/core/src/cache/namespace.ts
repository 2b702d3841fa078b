import type { Signalled } from '../kernel/abort.js';
import { readOptions } from '../kernel/options.js';
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
import type { ManyTerms, SetTerms } from './call.js';
import { readCodec } from './codec-option.js';
import { cloneOf, copies } from './copies.js';
import { type CacheExplanation, type ExplainOptions, explanationOfNothing } from './explanation.js';
import type { KeyCodecs } from './key-codecs.js';
import { type Lifetime, lifetimeOf, readLifetime } from './lifetime.js';
import { wrap } from './wrap.js';

/** What a namespace translates for. */
export type NamespaceCache = Pick<
  Cache,
  'expire' | 'explain' | 'get' | 'getOrLoad' | 'getOrLoadMany' | 'invalidate' | 'peek' | 'set'
>;

/** What a namespace stands on. */
export interface NamespaceInit {
  /** Gives values as they are kept. */
  readonly cache: NamespaceCache;
  readonly codecs: KeyCodecs;
  /** What a call has that does not say, where the namespace does not either. */
  readonly lifetime: Lifetime;
  /** Runs a loader as if there were no cache. */
  bypass<Value>(load: Loader<Value>, options: Signalled): Promise<Value>;
}

/** Translates keys: everything else is the cache's. */
export class Namespace<T> implements CacheNamespace<T> {
  readonly name: string;
  readonly #cache: NamespaceCache;
  /** Makes what one caller gets of a stored value. */
  readonly #given: <Value>(key: string, value: Value) => Value;
  readonly #bypass: NamespaceInit['bypass'];
  readonly #lifetime: Lifetime;
  readonly #version: string | undefined;
  readonly #isEnabled: () => boolean;

  /** @throws `PandoOptionsError` */
  constructor(
    name: string,
    options: NamespaceOptions | undefined,
    { cache, codecs, lifetime, bypass }: NamespaceInit,
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
    const { usual } = codecs;
    const codec = readCodec(reader, usual.codec);
    const copied = reader.oneOf('copies', copies, usual.copies);
    if (codec !== usual.codec || copied !== usual.copies) {
      const isOne = codecs.claim(this.#nameOf(''), { codec, copies: copied });
      if (!isOne) reader.fail('codec', 'that of all who name the namespace, as `copies` must be');
    }
    this.#given = copied === 'cloned' ? cloneOf : asItIs;
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
    const name = this.#nameOf(key);
    const value = this.#cache.getOrLoad(name, load, {
      ...options,
      ...lifetimeOf('getOrLoad', options, this.#lifetime),
      tags: typeof tags === 'function' ? (value) => this.#tagsOf(key, tags(value)) : this.#tagsOf(key, tags),
    });
    return this.#given === asItIs ? value : value.then((kept) => this.#given(name, kept));
  }

  async getOrLoadMany<Value extends T>(
    keys: readonly string[],
    load: ManyLoader<Value>,
    options: GetOrLoadManyOptions<Value> = {},
  ): Promise<Map<string, Value>> {
    const { tags, signal } = options;
    const keyOf = new Map(keys.map((key) => [this.#nameOf(key), key]));
    const own = (name: string) => keyOf.get(name) as string;
    const translated: ManyLoader<Value> = async (missing, given) => {
      const values = await load(missing.map(own), given);
      return new Map([...values].map(([key, value]) => [this.#nameOf(key), value]));
    };
    const names = [...keyOf.keys()];
    const terms: ManyTerms<Value> = {
      ...lifetimeOf('getOrLoadMany', options, this.#lifetime),
      signal,
      tags: typeof tags === 'function' ? (value, name) => tags(value, own(name)) : tags,
      namedBy: this.#version === undefined ? undefined : (name) => [this.keyOf(own(name))],
    };
    const values = await (this.#isEnabled()
      ? this.#cache.getOrLoadMany(names, translated, terms)
      : this.#bypass((given) => translated(names, given), options));
    return new Map([...values].map(([name, value]) => [own(name), this.#given(name, value)]));
  }

  async get(key: string, options?: GetOptions): Promise<T | undefined> {
    const name = this.#nameOf(key);
    return this.#isEnabled() ? this.#given(name, await this.#cache.get<T>(name, options)) : undefined;
  }

  peek(key: string): T | undefined {
    const name = this.#nameOf(key);
    return this.#isEnabled() ? this.#given(name, this.#cache.peek<T>(name)) : undefined;
  }

  async set(key: string, value: T, options: SetOptions = {}): Promise<SetOutcome> {
    if (!this.#isEnabled()) return { ...(await this.delete(key, options)), stored: false };
    const terms: SetTerms = {
      ...options,
      ...lifetimeOf('set', options, this.#lifetime),
      tags: this.#tagsOf(key, options.tags),
      // What other versions have stored is of the past, too.
      replaces: this.#version === undefined ? undefined : [this.keyOf(key)],
    };
    return this.#cache.set(this.#nameOf(key), value, terms);
  }

  delete(keys: string | readonly string[], options?: InvalidateOptions): Promise<Invalidation> {
    return this.#cache.invalidate(this.#keysOf(keys), options);
  }

  expire(keys: string | readonly string[], options?: InvalidateOptions): Promise<Invalidation> {
    return this.#cache.expire(this.#keysOf(keys), options);
  }

  async explain(key: string, options: ExplainOptions = {}): Promise<CacheExplanation> {
    const name = this.#nameOf(key);
    const tags = this.#tagsOf(key, options.tags);
    if (!this.#isEnabled()) return explanationOfNothing(name, tags, `The namespace "${this.name}" is off.`);
    return this.#cache.explain(name, {
      ...lifetimeOf('explain', options, this.#lifetime),
      signal: options.signal,
      tags,
    });
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

  #tagsOf(key: string, tags: readonly string[] = []): readonly string[] {
    return this.#version === undefined ? tags : [this.keyOf(key), ...tags];
  }
}

const asItIs = <Value>(_key: string, value: Value): Value => value;
