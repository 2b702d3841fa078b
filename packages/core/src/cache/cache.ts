import { abortable, type Signalled } from '../kernel/abort.js';
import type { RequestContext } from '../kernel/context.js';
import { ClosedError } from '../kernel/errors.js';
import type { Fleet } from '../kernel/fleet.js';
import type { Histories } from '../kernel/histories.js';
import type { Kernel } from '../kernel/kernel.js';
import type { Laggards } from '../kernel/laggards.js';
import type { Ledger } from '../kernel/ledger.js';
import { Revision } from '../kernel/revision.js';
import type { Check } from '../kernel/room.js';
import { emptyToken } from '../kernel/token.js';
import type {
  Cache,
  CacheNamespace,
  GetOptions,
  GetOrLoadOptions,
  InvalidateOptions,
  Invalidation,
  Loader,
  LoaderOptions,
  ManyLoader,
  NamespaceOptions,
  SetOutcome,
  WrapOptions,
  Wrapped,
} from './api.js';
import { Backlog } from './backlog.js';
import { type Call, type ManyTerms, type SetTerms, taint, termsOf } from './call.js';
import { Explainer } from './explainer.js';
import type { CacheExplanation, ExplainOptions } from './explanation.js';
import { Follower } from './follower.js';
import { Interop } from './interop.js';
import { Invalidations } from './invalidations.js';
import { KeyCodecs } from './key-codecs.js';
import { type Lifetime, lifetimeOf } from './lifetime.js';
import { Lineage } from './lineage.js';
import { Loads } from './loads.js';
import { Lookup } from './lookup.js';
import { Many } from './many.js';
import { cacheInstruments } from './metrics.js';
import { checkKey, checkTags, withTags } from './names.js';
import { Namespace, type NamespaceCache } from './namespace.js';
import { Near } from './near.js';
import type { ResolvedCacheOptions } from './options.js';
import { Outcomes } from './outcomes.js';
import { Pending } from './pending.js';
import type { CacheSpans, LocalLevel, MessageBus, SharedLevel } from './ports.js';
import { Positions } from './positions.js';
import { Reader } from './reader.js';
import { Refreshes } from './refreshes.js';
import { Reopening } from './reopening.js';
import { RollCall } from './roll-call.js';
import { type CacheRules, soundRules } from './rules.js';
import { Shelf } from './shelf.js';
import { Supply } from './supply.js';
import { wrap } from './wrap.js';
import { Writer } from './writer.js';

/** Tags whose positions an instance keeps; those it forgot cost a question. */
const MAX_POSITIONS = 20_000;
/** Unconfirmed tags that an instance keeps; with more, a new epoch begins. */
const MAX_BACKLOG = 10_000;

/** What a cache is put together from. */
export interface CacheParts {
  readonly kernel: Kernel;
  readonly options: ResolvedCacheOptions;
  readonly level: SharedLevel;
  readonly local: LocalLevel | undefined;
  /** Where other services say what has changed. */
  readonly bus?: MessageBus | undefined;
  /** Undefined: nobody wants spans. */
  readonly spans?: CacheSpans | undefined;
  readonly ledger?: Ledger | undefined;
  readonly histories?: Histories | undefined;
  /** Is told when every instance has applied an invalidation. */
  readonly laggards?: Laggards | undefined;
  readonly fleet?: Fleet | undefined;
  /** That of the ledger and the histories. */
  readonly revision?: Revision | undefined;
  readonly random?: (() => number) | undefined;
  readonly rules?: CacheRules | undefined;
}

/** Decides which level may answer; loads, stores and invalidates. */
export class CacheRoom implements Cache {
  readonly name = 'cache';
  readonly lifetime: Lifetime;
  readonly #kernel: Kernel;
  readonly #options: ResolvedCacheOptions;
  readonly #level: SharedLevel;
  readonly #local: LocalLevel | undefined;
  readonly #rules: CacheRules;
  readonly #codecs: KeyCodecs;
  readonly #follower: Follower;
  readonly #backlog: Backlog;
  readonly #near: Near;
  readonly #supply: Supply;
  readonly #outcomes = new Outcomes();
  readonly #many: Many;
  readonly #explainer: Explainer;
  readonly #refreshes: Refreshes;
  readonly #invalidations: Invalidations;
  readonly #writer: Writer;
  readonly #interop: Interop | undefined;
  readonly #rollCall: RollCall;
  readonly #disposables: readonly Disposable[];
  #starting: Promise<void> | undefined;
  #closing: Promise<void> | undefined;

  constructor(parts: CacheParts) {
    const { kernel, options, level, local, bus, ledger, histories } = parts;
    const { rules = soundRules, random = Math.random, spans } = parts;
    const { clock, meter, logger } = kernel;
    const { revision = new Revision() } = parts;
    this.#kernel = kernel;
    this.#options = options;
    this.lifetime = options.lifetime;
    this.#level = level;
    this.#local = local;
    this.#rules = rules;
    const positions = new Positions(MAX_POSITIONS, rules.isNext, revision);
    const replays = meter.counter(cacheInstruments.replays);
    const epochs = meter.counter(cacheInstruments.epochs);
    const follower = new Follower({
      level,
      clock,
      positions,
      replayed: () => replays.add(),
      adopted: (epoch) => {
        epochs.add();
        logger.info({ epoch }, 'the shared cache has begun another epoch: values from before are gone');
        local?.clear();
      },
    });
    const backlog = new Backlog({
      clock,
      revision,
      maxTags: MAX_BACKLOG,
      isUp: () => level.isUp,
      renew: () => level.renew(),
      invalidate: async (request) => {
        const position = await level.invalidate(request);
        follower.hear(position, request.tags);
        this.#interop?.send(request.tags);
        return position;
      },
    });
    const { trustMs } = options;
    const codecs = new KeyCodecs(options);
    this.#codecs = codecs;
    const { mayReopen } = rules;
    const reader = new Reader(level, follower);
    const pending = new Pending({ kernel, level, ledger, rules });
    const reopening = new Reopening({ clock, logger, ledger, revision, mayReopen });
    const lineage = new Lineage({ level, follower, clock, logger, histories, rules });
    const shelf = new Shelf({ clock, codecs, level, local, follower, reopening, rules });
    const levels = { kernel, level, local, reader, follower, backlog, shelf, lineage, rules };
    const looking = { ...levels, trustMs, reopening, pending };
    this.#explainer = new Explainer({ ...looking, codecs });
    const lookup = new Lookup(looking);
    const near = new Near({ ...looking, lookup });
    this.#near = near;
    const loads = new Loads({ ...levels, options, random });
    const replace = (call: Call) => loads.replace(call);
    this.#refreshes = new Refreshes({ kernel, max: options.maxLoads, replace });
    const supply = new Supply({ kernel, lookup, loads, refreshes: this.#refreshes, spans });
    this.#supply = supply;
    this.#many = new Many({ ...levels, near, lookup, loads, supply, spans });
    if (options.interop !== undefined && bus !== undefined) {
      this.#interop = new Interop({ ...levels, bus, histories, random, options: options.interop });
    }
    this.#rollCall = new RollCall({ clock, follower, trustMs, bus, fleet: parts.fleet });
    this.#invalidations = new Invalidations({ ...levels, confirmed: (tags) => this.#interop?.send(tags) });
    const invalidations = this.#invalidations;
    this.#writer = new Writer({ shelf, lineage, invalidations, random });
    this.#follower = follower;
    this.#backlog = backlog;
    const usable = (level: 'local' | 'shared') =>
      meter.observe(cacheInstruments.usable, () => Number(lookup.isUsable(level)), { level });
    this.#disposables = [
      level.events.on('up', () => {
        reopening.returned();
        void backlog.flush();
        follower.prove();
      }),
      meter.observe(cacheInstruments.localEntries, () => local?.size ?? 0),
      meter.observe(cacheInstruments.localBytes, () => local?.bytes ?? 0),
      meter.observe(cacheInstruments.backlog, () => backlog.size),
      usable('local'),
      usable('shared'),
      ...(parts.laggards === undefined ? [] : [parts.laggards.add(this.#rollCall)]),
      this.#invalidations,
    ];
  }

  getOrLoad<T>(key: string, load: Loader<T>, options: GetOrLoadOptions<T> = {}): Promise<T> {
    const { signal } = options;
    if (signal?.aborted) return Promise.reject(signal.reason);
    const context = this.#kernel.contexts.current();
    const local = this.#near.get(key, context);
    if (local !== undefined && !local.isDue) return this.#outcomes.of(local) as Promise<T>;
    checkKey(key);
    if (this.#rules.isApart(context)) return runHere(load, context, signal);
    const named = typeof options.tags === 'function' ? [] : (options.tags ?? []);
    const tags = checkTags(this.#rules.tagsOf(key, named));
    const lifetime = lifetimeOf('getOrLoad', options, this.#options.lifetime);
    const call = { key, tags, load, context, signal, ...termsOf(options, lifetime) };
    if (local !== undefined) {
      if (lifetime.refreshAheadRatio !== false && !call.isReplacing) this.#refreshes.begin(call);
      return this.#outcomes.of(local) as Promise<T>;
    }
    if (this.#closing !== undefined) return Promise.reject(new ClosedError('The cache'));
    return abortable(this.#supply.get(call), signal) as Promise<T>;
  }

  getOrLoadMany<T>(
    keys: readonly string[],
    load: ManyLoader<T>,
    options: ManyTerms<T> = {},
  ): Promise<Map<string, T>> {
    for (const key of keys) checkKey(key);
    const { tags = [], namedBy, signal } = options;
    const common = typeof tags === 'function' ? [] : checkTags(tags);
    const lifetime = lifetimeOf('getOrLoadMany', options, this.#options.lifetime);
    if (signal?.aborted) return Promise.reject(signal.reason);
    const context = this.#kernel.contexts.current();
    if (this.#rules.isApart(context)) return runHere((given) => loadMany(keys, load, given), context, signal);
    if (this.#closing !== undefined) return Promise.reject(new ClosedError('The cache'));
    const tagsOf = (key: string) =>
      this.#rules.tagsOf(key, namedBy === undefined ? common : withTags(namedBy(key), common));
    const tagsOfValue =
      typeof tags === 'function'
        ? (value: unknown, key: string) => checkTags(tags(value as T, key))
        : undefined;
    const values = this.#many.get({ keys, load, tagsOf, tagsOfValue, lifetime, context, signal });
    return abortable(values, signal) as Promise<Map<string, T>>;
  }

  peek<T>(key: string): T | undefined {
    const local = this.#near.get(key, this.#kernel.contexts.current());
    if (local === undefined) checkKey(key); // what is there has been checked
    return local?.value as T | undefined;
  }

  get<T>(key: string, { signal, allowStale = false }: GetOptions = {}): Promise<T | undefined> {
    if (signal?.aborted) return Promise.reject(signal.reason);
    const context = this.#kernel.contexts.current();
    const local = this.#near.get(key, context);
    if (local !== undefined) return this.#outcomes.of(local) as Promise<T>;
    checkKey(key);
    if (this.#rules.isApart(context)) return Promise.resolve(undefined);
    if (this.#closing !== undefined) return Promise.reject(new ClosedError('The cache'));
    const question = { key, tags: this.#rules.tagsOf(key, []), lifetime: this.#options.lifetime, context };
    return abortable(this.#supply.find(question, allowStale), signal) as Promise<T | undefined>;
  }

  set(key: string, value: unknown, options: SetTerms = {}): Promise<SetOutcome> {
    checkKey(key);
    const { signal } = options;
    if (signal?.aborted) return Promise.reject(signal.reason);
    const tags = checkTags(this.#rules.tagsOf(key, options.tags ?? []));
    const lifetime = lifetimeOf('set', options, this.#options.lifetime);
    if (this.#closing !== undefined) return Promise.reject(new ClosedError('The cache'));
    const context = this.#kernel.contexts.current();
    if (this.#rules.isApart(context)) return Promise.resolve(notDone);
    const { replaces } = options;
    return abortable(this.#writer.write({ key, value, tags, replaces, lifetime, context }), signal);
  }

  delete(keys: string | readonly string[], options: InvalidateOptions = {}): Promise<Invalidation> {
    return this.invalidate(typeof keys === 'string' ? [keys] : keys, options);
  }

  invalidate(tags: readonly string[], options: InvalidateOptions = {}): Promise<Invalidation> {
    const all = checkTags(tags);
    if (this.#closing !== undefined) return Promise.reject(new ClosedError('The cache'));
    const context = this.#kernel.contexts.current();
    // The write is committed: whoever leaves ends his wait, not the invalidation.
    return abortable(this.#invalidate(all, context, options), options.signal);
  }

  expire(tags: readonly string[], options: InvalidateOptions = {}): Promise<Invalidation> {
    const all = checkTags(tags);
    if (this.#closing !== undefined) return Promise.reject(new ClosedError('The cache'));
    const context = this.#kernel.contexts.current();
    return abortable(this.#invalidate(all, context, options, { isExpiry: true }), options.signal);
  }

  wrap<Args extends readonly unknown[], T>(
    fn: (...args: Args) => Promise<T> | T,
    options: WrapOptions<Args, T>,
  ): Wrapped<Args, T> {
    return wrap(this, fn, options, { lifetime: this.#options.lifetime, keyOf: (key) => key });
  }

  namespace<T = unknown>(name: string, options?: NamespaceOptions): CacheNamespace<T> {
    return new Namespace<T>(name, options, {
      cache: this.asKept,
      codecs: this.#codecs,
      lifetime: this.#options.lifetime,
      bypass: (load, { signal }) => runHere(load, this.#kernel.contexts.current(), signal),
    });
  }

  /** The cache without what it does to each value that it gives. */
  protected get asKept(): NamespaceCache {
    return this;
  }

  explain(key: string, options: ExplainOptions = {}): Promise<CacheExplanation> {
    checkKey(key);
    const tags = checkTags(this.#rules.tagsOf(key, options.tags ?? []));
    const lifetime = lifetimeOf('explain', options, this.#options.lifetime);
    const context = this.#kernel.contexts.current();
    return abortable(this.#explainer.explain({ key, tags, lifetime, context }), options.signal);
  }

  start({ signal }: Signalled = {}): Promise<void> {
    if (this.#closing !== undefined) return Promise.reject(new ClosedError('The cache'));
    this.#starting ??= this.#start();
    return abortable(this.#starting, signal);
  }

  async drain(): Promise<void> {
    await this.#backlog.flush();
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  checks(): readonly Check[] {
    return [];
  }

  async #start(): Promise<void> {
    await Promise.all([this.#level.start(), this.#interop?.start(), this.#rollCall.start()]);
    this.#follower.prove();
  }

  async #invalidate(
    tags: readonly string[],
    context: RequestContext,
    options: InvalidateOptions,
    kind: { readonly isExpiry?: boolean } = {},
  ): Promise<Invalidation> {
    const { token, confirmed } = await this.#invalidations.carryOut(tags, context, options, kind);
    return { token, confirmed };
  }

  async #close(): Promise<void> {
    await this.#refreshes.close();
    await this.#interop?.close();
    await this.#rollCall.close();
    await this.#backlog.flush();
    this.#backlog.close();
    this.#follower.close();
    for (const disposable of this.#disposables) disposable[Symbol.dispose]();
    await this.#level.close();
    this.#local?.clear();
  }
}

const notDone: SetOutcome = Object.freeze({ token: emptyToken, confirmed: true, stored: false });

/** Without a cache. Inside a transaction nothing is shared: others must not see what is not committed, nor this one what is older. */
async function runHere<T>(
  load: Loader<T>,
  context: RequestContext,
  signal: AbortSignal | undefined,
): Promise<T> {
  taint(context);
  return abortable((async () => load({ signal: signal ?? context.signal }))(), signal);
}

/** The values of keys, each once and in their order, as if the cache had none of them. */
async function loadMany<T>(
  keys: readonly string[],
  load: ManyLoader<T>,
  options: LoaderOptions,
): Promise<Map<string, T>> {
  const missing = [...new Set(keys)];
  const loaded = await load(missing, options);
  return new Map(missing.flatMap((key) => (loaded.has(key) ? [[key, loaded.get(key) as T] as const] : [])));
}
