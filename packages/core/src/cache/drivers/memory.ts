import { randomInt } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { type Clock, systemClock } from '../../kernel/clock.js';
import { Events } from '../../kernel/events.js';
import type { DatabaseHistory } from '../../kernel/histories.js';
import { type DbPosition, emptyToken, mergeTokens } from '../../kernel/token.js';
import { type Expiries, type Expiry, withExpiry } from '../expiries.js';
import type {
  Announcement,
  CacheClock,
  FollowReply,
  FollowRequest,
  InvalidationRequest,
  LoadStart,
  LogReply,
  ReadReply,
  SharedLevel,
  SharedLevelEvents,
  TagMove,
} from '../ports.js';

/** How a world is made. */
export interface MemoryWorldOptions {
  /** @defaultValue the machine's */
  readonly clock?: Clock | undefined;
  /** Values kept. @defaultValue `10_000` */
  readonly maxValues?: number | undefined;
  /** Tags remembered. @defaultValue `100_000` */
  readonly maxTags?: number | undefined;
  /** After the state was lost, loads are in doubt for that long. @defaultValue not at all */
  readonly doubtMs?: number | undefined;
  /** The way to the world and back again takes that long each. @defaultValue no time */
  readonly travel?: (() => Promise<void>) | undefined;
  /** Carries announcements: may lose, delay or reorder them. @defaultValue delivers each in a turn of its own */
  readonly carry?: ((announcement: Announcement, deliver: () => void, to: SharedLevel) => void) | undefined;
}

/** Makes a world of its own. */
export function createMemoryWorld(options: MemoryWorldOptions = {}): MemoryWorld {
  return new MemoryWorld(options);
}

interface Expiring<T> {
  readonly value: T;
  readonly endsAt: number;
}

const MAX_MOVES = 10_000;

/**
 * What the shared levels of one process share: the state, the values, and the way of the announcements.
 *
 * Several caches on one world behave like several instances on one Redis.
 */
export class MemoryWorld {
  readonly values: LRUCache<string, Expiring<Buffer>>;
  readonly levels = new Set<MemoryLevel>();
  readonly #options: MemoryWorldOptions;
  readonly #time: Clock;
  readonly #maxTags: number;
  readonly #leases = new Map<string, Expiring<string>>();
  readonly #histories = new Map<string, DatabaseHistory>();
  #state: State | undefined;
  #wasLost = false;

  constructor(options: MemoryWorldOptions) {
    this.#options = options;
    this.#time = options.clock ?? systemClock;
    this.#maxTags = options.maxTags ?? 100_000;
    this.values = new LRUCache({ max: options.maxValues ?? 10_000 });
  }

  get clock(): CacheClock | undefined {
    return this.#state && { ...this.#state.clock };
  }

  get travel(): (() => Promise<void>) | undefined {
    return this.#options.travel;
  }

  get now(): number {
    return this.#time.monotonic();
  }

  /** Loses everything at once, as FLUSHALL does. */
  flush(): void {
    this.#state = undefined;
    this.#wasLost = true;
    this.values.clear();
    this.#leases.clear();
    this.#histories.clear();
  }

  /** Puts the state back to what it was, as a failover to a lagging replica does; returns how to. */
  checkpoint(): () => void {
    const state = this.#state?.copy();
    return () => {
      this.#state = state;
    };
  }

  isSettled(id: string): boolean {
    return this.#state?.settled.has(id) ?? false;
  }

  begin(tags: readonly string[]): LoadStart {
    const { clock, tags: known, written, forgotten, doubtUntil } = this.#ensure();
    const moves: TagMove[] = [];
    let demanded = forgotten;
    for (const tag of tags) {
      const sequence = known.get(tag);
      if (sequence !== undefined) moves.push(this.#moveOf(tag, sequence));
      demanded = merge(demanded, written.get(tag) ?? []);
    }
    return { clock: { ...clock }, moves, written: demanded, inDoubt: this.now < doubtUntil };
  }

  invalidate({ tags, written, settles, expiredAt }: InvalidationRequest): CacheClock {
    const state = this.#ensure();
    const sequence = ++state.clock.sequence;
    for (const tag of tags) {
      state.expire(tag, expiredAt === undefined ? undefined : { sequence, at: expiredAt });
      state.tags.delete(tag);
      state.tags.set(tag, sequence);
      if (written.length > 0) state.written.set(tag, merge(state.written.get(tag) ?? [], written));
    }
    for (const id of settles) state.settled.add(id);
    state.prune(this.#maxTags);
    const moved = { epoch: state.clock.epoch, sequence, tags };
    const announcement = expiredAt === undefined ? moved : { ...moved, expiredAt };
    for (const level of this.levels) this.#carry(announcement, level);
    return { ...state.clock };
  }

  log(after: number): LogReply {
    const { clock, tags } = this.#ensure();
    const moves = [...tags]
      .filter(([, sequence]) => sequence > after)
      .map(([tag, sequence]) => this.#moveOf(tag, sequence));
    const isWhole = after >= clock.floor && moves.length <= MAX_MOVES;
    return { clock: { ...clock }, moves: isWhole ? moves : undefined };
  }

  follow({ shard, system, timeline, isOther }: FollowRequest): FollowReply {
    const known = this.#histories.get(shard);
    const isBehind = known !== undefined && known.system === system && known.timeline > timeline;
    const isBound = known !== undefined && known.system === system && known.timeline === timeline;
    if (!isBehind && !isBound) {
      this.#histories.set(shard, { system, timeline });
      if (known !== undefined || isOther) {
        this.renew();
        const { epoch } = this.#ensure().clock;
        for (const level of this.levels) this.#carry({ epoch, sequence: 0, tags: [] }, level);
      }
    }
    return { clock: { ...this.#ensure().clock }, isBehind };
  }

  lease(key: string, holder: string, leaseMs: number): boolean {
    for (const [held, { endsAt }] of this.#leases) {
      if (endsAt > this.now) break; // in order of their taking; an unexpired one in front only keeps others a little longer
      this.#leases.delete(held);
    }
    const held = this.#leases.get(key);
    if (held !== undefined && held.endsAt > this.now) return false;
    this.#leases.delete(key);
    this.#leases.set(key, { value: holder, endsAt: this.now + leaseMs });
    return true;
  }

  release(key: string, holder: string): void {
    if (this.#leases.get(key)?.value === holder) this.#leases.delete(key);
  }

  renew(): void {
    this.#state = undefined;
    this.#wasLost = true;
  }

  #moveOf(tag: string, sequence: number): TagMove {
    const expiries = this.#state?.expiries.get(tag);
    return expiries === undefined ? [tag, sequence] : [tag, sequence, expiries];
  }

  #carry(announcement: Announcement, to: MemoryLevel): void {
    const deliver = () => to.hear(announcement);
    if (this.#options.carry === undefined) queueMicrotask(deliver);
    else this.#options.carry(announcement, deliver, to);
  }

  #ensure(): State {
    const doubtMs = this.#wasLost ? (this.#options.doubtMs ?? 0) : 0;
    this.#state ??= new State(String(randomInt(2 ** 48 - 1)), this.now + doubtMs);
    return this.#state;
  }
}

class State {
  readonly clock: { readonly epoch: string; sequence: number; floor: number };
  readonly doubtUntil: number;
  /** In order of their last invalidation. */
  tags = new Map<string, number>();
  /** Of the tags whose last move was an expiry. */
  expiries = new Map<string, Expiries>();
  written = new Map<string, readonly DbPosition[]>();
  /** What tags that were forgotten demand. */
  forgotten: readonly DbPosition[] = [];
  settled = new Set<string>();

  constructor(epoch: string, doubtUntil: number) {
    this.clock = { epoch, sequence: 0, floor: 0 };
    this.doubtUntil = doubtUntil;
  }

  copy(): State {
    const copy = new State(this.clock.epoch, this.doubtUntil);
    Object.assign(copy.clock, this.clock);
    copy.tags = new Map(this.tags);
    copy.expiries = new Map(this.expiries);
    copy.written = new Map(this.written);
    copy.forgotten = this.forgotten;
    copy.settled = new Set(this.settled);
    return copy;
  }

  /** Notes that a tag expires, or, undefined, that it is invalidated. */
  expire(tag: string, expiry: Expiry | undefined): void {
    const before = this.expiries.get(tag);
    const last = this.tags.get(tag) ?? this.clock.floor;
    if (expiry === undefined) this.expiries.delete(tag);
    else this.expiries.set(tag, before ? withExpiry(before, expiry) : { hard: last, soft: [expiry] });
  }

  prune(maxTags: number): void {
    for (const [tag, sequence] of this.tags) {
      if (this.tags.size <= maxTags) return;
      this.tags.delete(tag);
      this.expiries.delete(tag);
      this.clock.floor = Math.max(this.clock.floor, sequence);
      this.forgotten = merge(this.forgotten, this.written.get(tag) ?? []);
      this.written.delete(tag);
    }
  }
}

/** The larger position of each database. */
function merge(one: readonly DbPosition[], other: readonly DbPosition[]): readonly DbPosition[] {
  return mergeTokens({ ...emptyToken, db: one }, { ...emptyToken, db: other }).db;
}

/** The shared level of one instance in a {@link MemoryWorld}. */
export class MemoryLevel implements SharedLevel {
  readonly kind = 'memory';
  readonly events: Events<SharedLevelEvents>;
  readonly #world: MemoryWorld;
  #isUp = true;
  #isLive = true;

  constructor(world: MemoryWorld, onError: (cause: unknown) => void = () => undefined) {
    this.#world = world;
    this.events = new Events(onError);
    world.levels.add(this);
  }

  get isUp(): boolean {
    return this.#isUp;
  }

  get isLive(): boolean {
    return this.#isLive;
  }

  /** Cuts this instance off, or back in. */
  setUp(isUp: boolean): void {
    this.#isUp = isUp;
    if (isUp) this.events.emit('up', {});
  }

  /** Says that announcements do not, or do, arrive here. */
  setLive(isLive: boolean): void {
    this.#isLive = isLive;
    this.events.emit(isLive ? 'live' : 'blind', {});
  }

  hear(announcement: Announcement): void {
    if (this.#isLive && this.#world.levels.has(this)) this.events.emit('announcement', announcement);
  }

  async start(): Promise<void> {}

  read(keys: readonly string[], ids: readonly string[]): Promise<ReadReply> {
    return this.#ask((world) => ({
      settled: ids.map((id) => world.isSettled(id)),
      clock: world.clock,
      values: keys.map((key) => {
        const kept = world.values.get(key);
        return kept !== undefined && kept.endsAt > world.now ? kept.value : undefined;
      }),
    }));
  }

  begin(tags: readonly string[]): Promise<LoadStart> {
    return this.#ask((world) => world.begin(tags));
  }

  invalidate(request: InvalidationRequest): Promise<CacheClock> {
    return this.#ask((world) => world.invalidate(request));
  }

  log(after: number): Promise<LogReply> {
    return this.#ask((world) => world.log(after));
  }

  follow(request: FollowRequest): Promise<FollowReply> {
    return this.#ask((world) => world.follow(request));
  }

  store(key: string, value: Buffer, ttlMs: number): Promise<void> {
    return this.#ask((world) => void world.values.set(key, { value, endsAt: world.now + ttlMs }));
  }

  lease(key: string, holder: string, leaseMs: number): Promise<boolean> {
    return this.#ask((world) => world.lease(key, holder, leaseMs));
  }

  release(key: string, holder: string): Promise<void> {
    return this.#ask((world) => world.release(key, holder));
  }

  renew(): Promise<void> {
    return this.#ask((world) => world.renew());
  }

  async close(): Promise<void> {
    this.#world.levels.delete(this);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #ask<T>(answer: (world: MemoryWorld) => T): Promise<T> {
    if (!this.#isUp) throw new Error('this instance is cut off from the shared level');
    const { travel } = this.#world;
    if (travel === undefined) return answer(this.#world);
    await travel();
    const reply = answer(this.#world);
    await travel();
    return reply;
  }
}
