import type { Signalled } from '../kernel/abort.js';
import type { Codec } from '../kernel/codec.js';
import type { Room } from '../kernel/room.js';
import type { Token } from '../kernel/token.js';
import type { Copies } from './copies.js';
import type { CacheExplanation, ExplainOptions } from './explanation.js';
import type { Lifetime, LifetimeOptions } from './lifetime.js';

/** What a loader gets. */
export interface LoaderOptions {
  /** Aborts when nobody waits for the value any more, or when the load takes longer than `loadTimeoutMs`. */
  readonly signal: AbortSignal;
}

/** Fetches the value that the cache does not have. */
export type Loader<T> = (options: LoaderOptions) => Promise<T> | T;

/** How to get or load one value. */
export interface GetOrLoadOptions<T = unknown> extends LifetimeOptions, Signalled {
  /**
   * What the value depends on, beside its key: invalidating any of them makes it unusable. As a function, what only the value
   * can tell: where one of these turns out to have been invalidated lately, the value is loaded once more, from the primary.
   * That there is nothing has no such tags, and is not kept then.
   */
  readonly tags?: readonly string[] | ((value: T) => readonly string[]) | undefined;
  /**
   * For how long this very value is kept, where it says so itself, as an access token does that expires. What is left out is
   * as the other options have it. Past its time a value is then served for as long as it was stored for.
   */
  readonly lifetimeOf?: ((value: T) => LifetimeOptions) | undefined;
  /**
   * Who replaces a value past its time: a load in the background, or the first caller that finds it so, who waits for the
   * new one while all others are served; for loaders that can do nothing without who called. Nothing is replaced ahead of its
   * time then. @defaultValue `'background'`
   */
  readonly replacedBy?: 'background' | 'caller' | undefined;
}

/** Fetches the values of several keys that the cache does not have; keys that there is nothing for are left out. */
export type ManyLoader<T> = (
  missing: readonly string[],
  options: LoaderOptions,
) => Promise<ReadonlyMap<string, T>> | ReadonlyMap<string, T>;

/** How to get or load the values of several keys. */
export interface GetOrLoadManyOptions<T = unknown> extends LifetimeOptions, Signalled {
  /**
   * What each of the values depends on, beside its own key: the same for all; or, as a function, what the value can tell, as
   * for `getOrLoad`. Values whose tags turn out to have been invalidated lately are loaded once more, together.
   */
  readonly tags?: readonly string[] | ((value: T, key: string) => readonly string[]) | undefined;
}

/** How to get a value that nobody loads. */
export interface GetOptions extends Signalled {
  /**
   * Whether a value past its time will do, for as long as who stored it has granted with `staleMs`. Nobody replaces it then.
   * Inside the loader of another value it will not. @defaultValue `false`
   */
  readonly allowStale?: boolean | undefined;
}

/** How to store a value that no loader has loaded. */
export interface SetOptions extends LifetimeOptions, Signalled {
  /** What the value depends on, beside its key. */
  readonly tags?: readonly string[] | undefined;
}

/** What became of a value that was to be stored. The rest is about the invalidation of its key. */
export interface SetOutcome extends Invalidation {
  /** Whether the shared level has the value now. */
  readonly stored: boolean;
}

/** How to invalidate. */
export interface InvalidateOptions extends Signalled {
  /** What was written, so that nobody fills the cache from a replica that has not seen it. The token of the running context counts, too. */
  readonly token?: Token | undefined;
  /** What the token names as pending when Redis does not confirm. For who keeps a record of its own. @defaultValue a new name */
  readonly id?: string | undefined;
  /** Whether tokens have gone out that name `id` as pending: once confirmed, they use the cache again. @defaultValue `false` */
  readonly settles?: boolean | undefined;
}

/** The outcome of one invalidation. */
export interface Invalidation {
  /** Whoever holds it is never served a value from before the invalidation. Already part of the running context. */
  readonly token: Token;
  /** False when Redis did not confirm: other instances may serve old values to others until the retry has succeeded. */
  readonly confirmed: boolean;
}

/** How the results of a function are kept. */
export interface WrapOptions<Args extends readonly unknown[], T>
  extends Omit<GetOrLoadOptions<T>, 'tags' | 'signal'> {
  /** The key of a result: whatever makes a difference to it must be in it. */
  readonly key: (...args: Args) => string;
  /** What a result depends on, beside its key. @defaultValue nothing */
  readonly tags?: readonly string[] | ((...args: Args) => readonly string[]) | undefined;
}

/** A function whose results are kept. */
export interface Wrapped<Args extends readonly unknown[], T> {
  /** What the function gives, from the nearest level that may serve it. */
  (...args: Args): Promise<T>;
  /** The key of what the function gives for these arguments, as `tx.invalidate` takes it. */
  keyOf(...args: Args): string;
  /** Makes what it has given for these arguments unusable, on all instances. */
  invalidate(...args: Args): Promise<Invalidation>;
}

/** How the values of a namespace are kept. What is left out is as the cache has it. */
export interface NamespaceOptions extends LifetimeOptions {
  /**
   * The shape of the values. Releases that give them different ones name different versions: they run side by side, each
   * with values of its own, and an invalidation reaches those of both. @defaultValue none
   */
  readonly version?: string | undefined;
  /**
   * Turns the values into bytes, whoever reads or stores them. One for all who name the namespace, and the version, in this
   * process; make such a namespace once. @defaultValue that of the cache
   */
  readonly codec?: Codec | undefined;
  /** What the callers of one stored value share. With `'cloned'`, those who come through the namespace. @defaultValue as the cache has it */
  readonly copies?: Copies | undefined;
  /** Off: loaders always run, and nothing is stored; `set` and `delete` still forget what others have stored. @defaultValue `true` */
  readonly enabled?: boolean | (() => boolean) | undefined;
}

/** A part of the cache with keys of its own, for values of one kind. Its tags are those of the whole cache. */
export interface CacheNamespace<T = unknown> {
  readonly name: string;
  /** The key as the whole cache knows it, to be named in `tx.invalidate`: `posts:1` for `1` in `posts`. */
  keyOf(key: string): string;
  getOrLoad<Value extends T>(
    key: string,
    load: Loader<Value>,
    options?: GetOrLoadOptions<Value>,
  ): Promise<Value>;
  /** The loader is given, and gives, keys of the namespace. */
  getOrLoadMany<Value extends T>(
    keys: readonly string[],
    load: ManyLoader<Value>,
    options?: GetOrLoadManyOptions<Value>,
  ): Promise<Map<string, Value>>;
  get(key: string, options?: GetOptions): Promise<T | undefined>;
  peek(key: string): T | undefined;
  set(key: string, value: T, options?: SetOptions): Promise<SetOutcome>;
  delete(keys: string | readonly string[], options?: InvalidateOptions): Promise<Invalidation>;
  expire(keys: string | readonly string[], options?: InvalidateOptions): Promise<Invalidation>;
  /** Says why a key is or is not served, as `cache.explain` does. */
  explain(key: string, options?: ExplainOptions): Promise<CacheExplanation>;
  wrap<Args extends readonly unknown[], Value extends T>(
    fn: (...args: Args) => Promise<Value> | Value,
    options: WrapOptions<Args, Value>,
  ): Wrapped<Args, Value>;
}

/** Keeps loaded values near, and never serves one that an acknowledged invalidation has made old. */
export interface Cache extends Room {
  readonly name: 'cache';
  /** How long values are kept whose caller does not say. */
  readonly lifetime: Lifetime;
  /**
   * Gives the value of a key, from the nearest level that may serve it, or loads it.
   *
   * Concurrent callers share one load, wherever that is as fresh as each of them needs. Values are shared, too: do not
   * change what you get, or see `cache.copies`. Stored values have passed through the codec: as JSON, a `Date` comes back
   * as text. `undefined` is returned, and stored only for `negativeTtlMs`. Inside a database transaction the loader always
   * runs, and nothing is stored.
   *
   * Redis being away or slow costs a load, never an error. Rejects as the loader does, or with the signal's reason; the
   * load then goes on for those who still wait for it.
   *
   * @throws `CacheKeyError` at once for a key or tag that cannot be one. Rejects with `CacheLoadTimeoutError`,
   * `CacheValueError`.
   *
   * @example
   * ```ts
   * const post = await cache.getOrLoad(`post:${id}`, ({ signal }) => findPost(id, { signal }), {
   *   tags: ['posts', `author:${authorId}`],
   * });
   * ```
   */
  getOrLoad<T>(key: string, load: Loader<T>, options?: GetOrLoadOptions<T>): Promise<T>;
  /**
   * The same for many keys: what is missing is asked for in one round trip, and loaded by one call of the loader, as far as
   * nobody else is loading it.
   *
   * Each value is judged, joined, stored or not for itself, as if it had been asked for alone. Resolves to the values by
   * key, in the order of the keys; what there is nothing for is not in it. Rejects when one of the values cannot be had; the
   * others are stored all the same.
   *
   * @throws as `getOrLoad`
   *
   * @example
   * ```ts
   * const byKey = await cache.getOrLoadMany(ids.map((id) => `post:${id}`), async (missing, { signal }) => {
   *   const found = await findPosts(missing.map((key) => key.slice('post:'.length)), { signal });
   *   return new Map(found.map((post) => [`post:${post.id}`, post]));
   * });
   * ```
   */
  getOrLoadMany<T>(
    keys: readonly string[],
    load: ManyLoader<T>,
    options?: GetOrLoadManyOptions<T>,
  ): Promise<Map<string, T>>;
  /**
   * Gives the value of a key from the nearest level that may serve it, as `getOrLoad` would; `undefined` where it would
   * have to load. Inside a database transaction that is always so.
   *
   * @throws `CacheKeyError` at once for a key that cannot be one. Rejects with the signal's reason only.
   */
  get<T>(key: string, options?: GetOptions): Promise<T | undefined>;
  /**
   * Gives the value of a key if this process has it and may serve it here and now: checked as `getOrLoad` does, without
   * asking anybody, in about the time of a look into a map.
   *
   * @throws `CacheKeyError` for a key that cannot be one.
   */
  peek<T>(key: string): T | undefined;
  /**
   * Stores a value that the application makes itself: what it has computed, received, or been told. For what is read from a
   * database use `getOrLoad`: `set` cannot know how old a value is.
   *
   * It is an invalidation of the key, with all that this promises, and the value counts as being as new as that: no load
   * that began before brings back what was there. Where the invalidation is not confirmed, where the shared level does
   * not take the value, and for `undefined`, nothing is stored. Inside a database transaction nothing is done at all.
   *
   * @throws `CacheKeyError` at once for a key or tag that cannot be one. Rejects with `CacheValueError` before anything is
   * done, and with the signal's reason; the value may then have been stored.
   */
  set(key: string, value: unknown, options?: SetOptions): Promise<SetOutcome>;
  /**
   * Makes the values of keys unusable, on all instances, and with them every value that was made from one of them: the
   * same as to invalidate the keys.
   */
  delete(keys: string | readonly string[], options?: InvalidateOptions): Promise<Invalidation>;
  /**
   * Makes every value that has one of the tags unusable, on all instances. A key is a tag of its own value.
   *
   * Call it after the write was committed; inside a transaction use `tx.invalidate`. Never rejects because Redis is away: the invalidation then holds in this
   * process at once, is retried, and its token uses no cache until it has succeeded. Rejects with the signal's reason;
   * the invalidation may then have been carried out.
   *
   * @throws `CacheKeyError` at once for a tag that cannot be one.
   */
  invalidate(tags: readonly string[], options?: InvalidateOptions): Promise<Invalidation>;
  /**
   * Makes every value that has one of the tags stale, on all instances: whoever allows for stale values is served it once
   * more, within `staleMs` from now, while it is replaced. For what need not be exact to the second: lists, counts, feeds.
   *
   * Whoever holds its token is not served a value from before it, as with `invalidate`; nor is anybody where the value has
   * no `staleMs`. Where Redis does not confirm, it is retried as an invalidation, and so counts the last but eight of a tag's
   * expiries in a row.
   *
   * @throws `CacheKeyError` at once for a tag that cannot be one.
   *
   * @example
   * ```ts
   * await cache.expire(['posts:popular']);
   * ```
   */
  expire(tags: readonly string[], options?: InvalidateOptions): Promise<Invalidation>;
  /**
   * Keeps the results of a function, by a key that is made of its arguments. The function is called as it is: without a
   * signal, and without its `this`.
   *
   * @throws `PandoOptionsError`
   *
   * @example
   * ```ts
   * const postsOf = cache.wrap((author: string) => findPosts([author]), {
   *   key: (author) => `posts-of:${author}`,
   *   tags: ['posts'],
   * });
   * const list = await postsOf(authorId);
   * await postsOf.invalidate(authorId);
   * ```
   */
  wrap<Args extends readonly unknown[], T>(
    fn: (...args: Args) => Promise<T> | T,
    options: WrapOptions<Args, T>,
  ): Wrapped<Args, T>;
  /**
   * A part of the cache with keys of its own: `1` in `posts` is `posts:1` for everybody else. Costs nothing to make.
   *
   * @throws `PandoOptionsError`
   */
  namespace<T = unknown>(name: string, options?: NamespaceOptions): CacheNamespace<T>;
  /**
   * Says why a key is or is not served to whoever asks here and now: every rule of each level, in words and as data.
   *
   * For people and tests: it asks the shared level about each key by itself, and changes nothing but what a lookup would.
   * Never rejects because Redis is away: that is one of the findings.
   *
   * @throws `CacheKeyError` at once for a key or tag that cannot be one. Rejects with the signal's reason.
   *
   * @example
   * ```ts
   * const { answer, text } = await cache.explain('post:1', { tags: ['posts'] });
   * console.log(answer, text);
   * ```
   */
  explain(key: string, options?: ExplainOptions): Promise<CacheExplanation>;
}
