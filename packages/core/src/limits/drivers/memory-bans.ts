import type { Clock } from '../../kernel/clock.js';
import {
  type BanChange,
  type BanList,
  type BanListener,
  type BanNews,
  type BanStore,
  MAX_BANS,
} from '../ban-store.js';

interface Kept {
  readonly reason: string | undefined;
  readonly bannedAt: number;
  /** Monotonic instant. */
  readonly until: number;
}

/** Bans of one process; rooms that share a world share them. */
export class MemoryBanWorld {
  readonly listeners = new Set<BanListener>();
  readonly #bans = new Map<string, Kept>();
  #version = 0;

  change(change: BanChange, clock: Clock): BanNews | undefined {
    const { subject } = change;
    const now = clock.monotonic();
    if (change.isBanned) {
      if (this.#bans.size >= MAX_BANS) this.#clearAway(now);
      if (this.#bans.size >= MAX_BANS && !this.#bans.has(subject)) return undefined;
      const until = change.forMs === undefined ? Number.POSITIVE_INFINITY : now + change.forMs;
      this.#bans.set(subject, { reason: change.reason, bannedAt: clock.now(), until });
    } else {
      this.#bans.delete(subject);
    }
    const previous = this.#version++;
    const ban = this.#entry(subject, now);
    const news: BanNews = { previous, version: this.#version, subject, ban };
    for (const listener of this.listeners) listener(news);
    return news;
  }

  read(clock: Clock): BanList {
    const now = clock.monotonic();
    this.#clearAway(now);
    const bans = [...this.#bans.keys()].flatMap((subject) => this.#entry(subject, now) ?? []);
    return { version: this.#version, bans };
  }

  #entry(subject: string, now: number) {
    const kept = this.#bans.get(subject);
    if (kept === undefined) return undefined;
    const { reason, bannedAt, until } = kept;
    return { subject, reason, bannedAt, leftMs: Number.isFinite(until) ? until - now : undefined };
  }

  #clearAway(now: number): void {
    for (const [subject, { until }] of this.#bans) if (until <= now) this.#bans.delete(subject);
  }
}

/** Creates a store of bans in this process. */
export function createMemoryBans(world: MemoryBanWorld, clock: Clock): BanStore {
  return new MemoryBans(world, clock);
}

class MemoryBans implements BanStore {
  readonly #world: MemoryBanWorld;
  readonly #clock: Clock;
  #listener: BanListener | undefined;

  constructor(world: MemoryBanWorld, clock: Clock) {
    this.#world = world;
    this.#clock = clock;
  }

  async start(listener: BanListener): Promise<void> {
    this.#listener = listener;
    this.#world.listeners.add(listener);
  }

  async change(change: BanChange): Promise<BanNews | undefined> {
    return this.#world.change(change, this.#clock);
  }

  async read(known: number): Promise<BanList | undefined> {
    const list = this.#world.read(this.#clock);
    return list.version === known ? undefined : list;
  }

  async close(): Promise<void> {
    if (this.#listener !== undefined) this.#world.listeners.delete(this.#listener);
  }
}
