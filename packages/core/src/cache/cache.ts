import { randomBytes } from 'node:crypto';
import { abortable, type Signalled } from '../kernel/abort.js';
import type { RequestContext } from '../kernel/context.js';
import { ClosedError } from '../kernel/errors.js';
import type { Histories } from '../kernel/histories.js';
import type { Kernel } from '../kernel/kernel.js';
import type { Ledger } from '../kernel/ledger.js';
import type { CounterCell } from '../kernel/meter.js';
import type { Check } from '../kernel/room.js';
import {
  type CachePosition,
  cacheToken,
  type DbPosition,
  emptyToken,
  mergeTokens,
  pendingToken,
} from '../kernel/token.js';
import type { Cache, GetOrLoadOptions, InvalidateOptions, Invalidation, Loader } from './api.js';
import { Backlog } from './backlog.js';
import { type Call, includeIn, taint } from './call.js';
import { CacheKeyError } from './errors.js';
import { Follower } from './follower.js';
import { lifetimeOf } from './lifetime.js';
import { Lineage } from './lineage.js';
import { Loads } from './loads.js';
import { cacheInstruments } from './metrics.js';
import type { ResolvedCacheOptions } from './options.js';
import { Pending } from './pending.js';
import type { LocalEntry, LocalLevel, SharedLevel } from './ports.js';
import { Positions } from './positions.js';
import { Reader } from './reader.js';
import { Reopening } from './reopening.js';
import { type CacheRules, soundRules } from './rules.js';
import { type Found, Shelf } from './shelf.js';

/** Tags whose positions an instance keeps; those it forgot cost a question. */
const MAX_POSITIONS = 20_000;
/** Unconfirmed tags that an instance keeps; with more, a new epoch begins. */
const MAX_BACKLOG = 10_000;
const MAX_NAME_CHARS = 512;

/** What a cache is put together from. */
export interface CacheParts {
  readonly kernel: Kernel;
  readonly options: ResolvedCacheOptions;
  readonly level: SharedLevel;
  readonly local: LocalLevel | undefined;
  readonly ledger?: Ledger | undefined;
  readonly histories?: Histories | undefined;
  readonly random?: (() => number) | undefined;
  readonly rules?: CacheRules | undefined;
}

/** Decides which level may answer; loads, stores and invalidates. */
export class CacheRoom implements Cache {
  readonly name = 'cache';
  readonly #kernel: Kernel;
  readonly #options: ResolvedCacheOptions;
  readonly #level: SharedLevel;
  readonly #local: LocalLevel | undefined;
  readonly #rules: CacheRules;
  readonly #follower: Follower;
  readonly #positions: Positions;
  readonly #backlog: Backlog;
  readonly #reader: Reader;
  readonly #reopening: Reopening;
  readonly #lineage: Lineage;
  readonly #pending: Pending;
  readonly #shelf: Shelf;
  readonly #loads: Loads;
  readonly #disposables: readonly Disposable[];
  readonly #localHits: CounterCell;
  readonly #sharedHits: CounterCell;
  readonly #confirmed: CounterCell;
  readonly #queued: CounterCell;
  #starting: Promise<void> | undefined;
  #closing: Promise<void> | undefined;

  constructor(parts: CacheParts) {
    const { kernel, options, level, local, ledger, histories } = parts;
    const { rules = soundRules, random = Math.random } = parts;
    const { clock, meter, logger } = kernel;
    this.#kernel = kernel;
    this.#options = options;
    this.#level = level;
    this.#local = local;
    this.#rules = rules;
    this.#positions = new Positions(MAX_POSITIONS, rules.isNext);
    const replays = meter.counter(cacheInstruments.replays);
    const epochs = meter.counter(cacheInstruments.epochs);
    this.#follower = new Follower({
      level,
      clock,
      positions: this.#positions,
      replayed: () => replays.add(),
      adopted: (epoch) => {
        epochs.add();
        logger.info({ epoch }, 'the shared cache has begun another epoch: values from before are gone');
        local?.clear();
      },
    });
    this.#backlog = new Backlog({
      clock,
      maxTags: MAX_BACKLOG,
      isUp: () => level.isUp,
      renew: () => level.renew(),
      invalidate: async (request) => {
        const position = await level.invalidate(request);
        this.#follower.hear(position, request.tags);
        return position;
      },
    });
    this.#reader = new Reader(level, () => this.#follower.now());
    const { mayReopen } = rules;
    this.#pending = new Pending({ kernel, level, ledger, rules });
    this.#reopening = new Reopening({ clock, logger, ledger, mayReopen });
    const follower = this.#follower;
    this.#lineage = new Lineage({ level, follower, clock, logger, histories, rules });
    this.#shelf = new Shelf({
      ...{ clock, codec: options.codec, level, local, follower: this.#follower, rules },
      reopening: this.#reopening,
    });
    this.#loads = new Loads({
      kernel,
      options,
      level,
      reader: this.#reader,
      follower: this.#follower,
      backlog: this.#backlog,
      shelf: this.#shelf,
      lineage: this.#lineage,
      rules,
      random,
    });
    this.#disposables = [
      level.events.on('up', () => {
        this.#reopening.returned();
        void this.#backlog.flush();
        this.#follower.prove();
      }),
      meter.observe(cacheInstruments.localEntries, () => local?.size ?? 0),
      meter.observe(cacheInstruments.backlog, () => this.#backlog.size),
    ];
    this.#localHits = meter.counter(cacheInstruments.requests, { source: 'local' });
    this.#sharedHits = meter.counter(cacheInstruments.requests, { source: 'shared' });
    this.#confirmed = meter.counter(cacheInstruments.invalidations, { outcome: 'confirmed' });
    this.#queued = meter.counter(cacheInstruments.invalidations, { outcome: 'queued' });
  }

  getOrLoad<T>(key: string, load: Loader<T>, options: GetOrLoadOptions = {}): Promise<T> {
    checkName('key', key);
    const { signal } = options;
    if (signal?.aborted) return Promise.reject(signal.reason);
    const context = this.#kernel.contexts.current();
    if (this.#rules.isApart(context)) return runHere(load, context, signal);
    const local = this.#local?.get(key);
    if (local !== undefined && this.#mayServe(key, local, context)) {
      this.#localHits.add();
      includeIn(context, local);
      return local.outcome as Promise<T>;
    }
    const tags = tagsOf(this.#rules.tagsOf(key, options.tags ?? []));
    const lifetime = lifetimeOf('getOrLoad', options, this.#options.lifetime);
    const call = { key, tags, load, lifetime, context, signal };
    if (this.#closing !== undefined) return Promise.reject(new ClosedError('The cache'));
    return abortable(this.#get(call), signal) as Promise<T>;
  }

  invalidate(
    tags: readonly string[],
    { token, signal, id = `c${randomBytes(9).toString('base64url')}`, settles }: InvalidateOptions = {},
  ): Promise<Invalidation> {
    const all = tagsOf(tags);
    if (this.#closing !== undefined) return Promise.reject(new ClosedError('The cache'));
    const context = this.#kernel.contexts.current();
    const written = mergeTokens(context.token, token ?? emptyToken).db;
    // The write is committed: whoever leaves ends his wait, not the invalidation.
    return abortable(this.#invalidate(all, written, context, { id, settles: settles ? [id] : [] }), signal);
  }

  start({ signal }: Signalled = {}): Promise<void> {
    if (this.#closing !== undefined) return Promise.reject(new ClosedError('The cache'));
    this.#starting ??= this.#level.start().then(() => this.#follower.prove());
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

  /** Whether a local value may answer here and now. Allocates nothing. */
  #mayServe(key: string, entry: LocalEntry, { token }: RequestContext): boolean {
    const { trustMs } = this.#options;
    const now = this.#kernel.clock.monotonic();
    const sinceProofMs = now - this.#follower.provenAt;
    if (!this.#lineage.isSettled) return false;
    if (!this.#reopening.isOpen || !this.#rules.isTrusted(this.#level.isLive, sinceProofMs, trustMs))
      return false;
    if (sinceProofMs > trustMs / 2) this.#follower.prove(); // in time, so that nobody has to wait for it
    const known = Math.max(this.#positions.applied, entry.asOf);
    return (
      this.#rules.reaches(token, entry.epoch, known) &&
      this.#shelf.isValid(key, entry, now) &&
      !this.#isUnconfirmed(entry.tags)
    );
  }

  async #get(call: Call): Promise<unknown> {
    const answer = await this.#ask(call).catch((cause: unknown): Answer => {
      this.#kernel.logger.debug({ err: cause, key: call.key }, 'the shared level did not answer');
      return away;
    });
    switch (answer.kind) {
      case 'found':
        this.#sharedHits.add();
        includeIn(call.context, answer.found);
        return answer.found.outcome;
      case 'absent':
        return this.#loads.load(call);
      case 'away':
        return this.#loads.direct(call, { throttled: true });
      case 'beyond': {
        const value = await this.#loads.direct(call, { throttled: false });
        if (answer.instead !== undefined) call.context.replaceCache(answer.instead);
        return value;
      }
    }
  }

  /** Asks the shared level for a value that may answer the call. */
  async #ask(call: Call): Promise<Answer> {
    const { context, key, tags, lifetime } = call;
    if (!this.#level.isUp || this.#isUnconfirmed(tags)) return away;
    if (!this.#reopening.isOpen && !(await this.#reopening.admits())) return away;
    if (!this.#lineage.isSettled && !(await this.#lineage.admits())) return away;
    const reading = await this.#reader.read(key, context.token.pending);
    const clock = reading.clock ?? (await this.#level.begin([])).clock;
    if (!(await this.#follower.meet(clock, reading.since))) return away;
    this.#pending.settle(context, reading.settled, clock);
    if (await this.#pending.lookUp(context)) return this.#ask(call);
    const demand = this.#rules.demand(context.token);
    if (demand.kind === 'beyond') return { kind: 'beyond' };
    if (demand.kind === 'gone' || (demand.kind === 'at' && demand.position.epoch !== clock.epoch)) {
      return { kind: 'beyond', instead: { epoch: clock.epoch, sequence: clock.sequence } };
    }
    if (demand.kind === 'at' && demand.position.sequence > clock.sequence) {
      await this.#level.renew(); // the state has lost what somebody has seen
      return { kind: 'beyond' };
    }
    const found = await this.#shelf.find(key, reading.value, clock, tags, lifetime.ttlMs);
    return found === undefined || this.#isUnconfirmed(found.tags) ? absent : { kind: 'found', found };
  }

  #isUnconfirmed(tags: readonly string[]): boolean {
    return this.#rules.isUnconfirmed(this.#backlog, tags);
  }

  async #invalidate(
    tags: readonly string[],
    written: readonly DbPosition[],
    context: RequestContext,
    { id, settles }: { readonly id: string; readonly settles: readonly string[] },
  ): Promise<Invalidation> {
    if (tags.length === 0) return { token: emptyToken, confirmed: true };
    try {
      const { epoch, sequence, floor } = await this.#level.invalidate({ tags, written, settles });
      this.#follower.hear({ epoch, sequence, floor }, tags);
      this.#confirmed.add();
      const token = cacheToken({ epoch, sequence });
      context.wrote(token);
      return { token, confirmed: true };
    } catch (cause) {
      this.#backlog.add({ tags, written, settles: [id] });
      this.#queued.add();
      this.#kernel.logger.warn(
        { err: cause, tags: tags.length },
        'invalidation not confirmed: it is retried',
      );
      const token = pendingToken(id);
      context.wrote(token);
      return { token, confirmed: false };
    }
  }

  async #close(): Promise<void> {
    await this.#backlog.flush();
    this.#backlog.close();
    this.#follower.close();
    for (const disposable of this.#disposables) disposable[Symbol.dispose]();
    await this.#level.close();
    this.#local?.clear();
  }
}

/** What the shared level has for a call. `beyond`: the call demands more than any level can prove. */
type Answer =
  | { readonly kind: 'found'; readonly found: Found }
  | { readonly kind: 'absent' | 'away' }
  | { readonly kind: 'beyond'; readonly instead?: CachePosition };

const absent: Answer = Object.freeze({ kind: 'absent' });
const away: Answer = Object.freeze({ kind: 'away' });

/** Inside a transaction nothing is shared: others must not see what is not committed, nor this one what is older. */
async function runHere<T>(
  load: Loader<T>,
  context: RequestContext,
  signal: AbortSignal | undefined,
): Promise<T> {
  taint(context);
  return abortable((async () => load({ signal: signal ?? context.signal }))(), signal);
}

function tagsOf(tags: readonly string[]): readonly string[] {
  for (const tag of tags) checkName('tag', tag);
  return [...new Set(tags)];
}

function checkName(what: string, name: unknown): void {
  if (typeof name !== 'string' || name === '' || name.length > MAX_NAME_CHARS) {
    throw new CacheKeyError(what, name);
  }
}
