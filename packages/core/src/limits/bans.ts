import { abortable, type Signalled } from '../kernel/abort.js';
import { prefixText } from '../kernel/address-prefix.js';
import { PandoError } from '../kernel/errors.js';
import type { Kernel } from '../kernel/kernel.js';
import type { CounterCell } from '../kernel/meter.js';
import { readNetwork } from '../kernel/network-map.js';
import { BanIndex, type KnownBan } from './ban-index.js';
import type { BanEntry, BanNews, BanStore } from './ban-store.js';
import type { Decision, Policy } from './decision.js';
import { BanError, BanListFullError } from './errors.js';
import { limitsInstruments } from './metrics.js';
import type { LimitWindow } from './ports.js';

/** For how long and why somebody is banned. */
export interface BanOptions extends Signalled {
  /** How long the ban holds. Left out: until it is lifted. */
  readonly forMs?: number | undefined;
  /** For those who look at the list; never shown to who is banned. At most 200 characters are kept. */
  readonly reason?: string | undefined;
}

/** Who is kept out, as an instance knows it. */
export interface Ban {
  /** A key, or an address or network in its one form: `2001:db8::/32`. */
  readonly subject: string;
  readonly reason?: string | undefined;
  readonly bannedAt: number;
  /** When it ends by itself, if it does. */
  readonly endsAt?: number | undefined;
}

/** How often to look whether a change went unheard, and to clear away what has ended. */
const rereadMs = 30_000;
const longestSubject = 512;
const longestReason = 200;
/** Half a character arrives elsewhere as another. */
const wellFormed = /^\P{Surrogate}+$/u;
/** What a hundred years are long for. */
const longestBanMs = 100 * 365 * 86_400_000;
/** When to ask again while banned until further notice. */
const endlessRetryMs = 86_400_000;
/** The version of a list that is to be read whatever its version. */
const unknown = -1;

/**
 * The bans of the fleet, as this instance follows them: asked for each call, without a word to anybody.
 *
 * Changes come as announcements, each naming the version it follows on; whoever finds a gap reads the list.
 */
export class Bans {
  readonly #kernel: Kernel;
  readonly #store: BanStore;
  readonly #index = new BanIndex();
  readonly #refused = new Map<string, CounterCell>();
  #version = 0;
  #isStale = true;
  /** News that come while the list is being read: it may be older than they. */
  #meanwhile: BanNews[] = [];
  #reading: Promise<void> | undefined;
  #starting: Promise<void> | undefined;
  /** Whether it has been said that the list cannot be read. */
  #isWarned = false;
  #timer: Disposable | undefined;
  #gauge: Disposable | undefined;
  #isClosed = false;

  constructor(kernel: Kernel, store: BanStore) {
    this.#kernel = kernel;
    this.#store = store;
  }

  /** Resolves when the list is known, or cannot be at the moment; who failed may try again. */
  start(options?: Signalled): Promise<void> {
    this.#starting ??= this.#start(options).catch((cause: unknown) => {
      this.#starting = undefined;
      throw cause;
    });
    return this.#starting;
  }

  /** The refusal that meets a call of a banned key or address. */
  refusal(policy: Policy, key: string, address: string | undefined): Decision | undefined {
    const now = this.#kernel.clock.monotonic();
    const ban = this.#index.find(key, address, now);
    if (ban === undefined) return undefined;
    const { limit } = policy.windows[0] as LimitWindow;
    const resetMs = Math.ceil(Math.min(ban.until - now, endlessRetryMs));
    return {
      allowed: false,
      policy: policy.name,
      limit,
      remaining: 0,
      resetMs,
      retryAfterMs: resetMs,
      source: 'ban',
    };
  }

  /** The ban of an address, or of a network around it. */
  around(address: string): Ban | undefined {
    const ban = this.#index.find(address, address, this.#kernel.clock.monotonic());
    if (ban === undefined) return undefined;
    const { subject, reason, bannedAt, endsAt } = ban;
    return { subject, reason, bannedAt, endsAt };
  }

  /** Counts a call that was refused so. */
  count({ policy }: Decision): void {
    let cell = this.#refused.get(policy);
    if (cell === undefined) {
      const labels = { policy, outcome: 'refused', source: 'ban' };
      cell = this.#kernel.meter.counter(limitsInstruments.decisions, labels);
      this.#refused.set(policy, cell);
    }
    cell.add();
  }

  async ban(subject: string, { forMs, reason, signal }: BanOptions): Promise<void> {
    const change = {
      subject: readSubject(subject),
      isBanned: true,
      forMs: readDuration(forMs),
      reason: readReason(reason),
    } as const;
    const news = await abortable(this.#store.change(change, { signal }), signal);
    if (news === undefined) throw new BanListFullError(change.subject);
    this.#heed(news);
  }

  async unban(subject: string, { signal }: Signalled): Promise<void> {
    const change = { subject: readSubject(subject), isBanned: false } as const;
    const news = await abortable(this.#store.change(change, { signal }), signal);
    if (news !== undefined) this.#heed(news);
  }

  list(): readonly Ban[] {
    const now = this.#kernel.clock.monotonic();
    const known = [...this.#index.values()].filter(({ until }) => until > now);
    return known.map(({ subject, reason, bannedAt, endsAt }) => ({ subject, reason, bannedAt, endsAt }));
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#timer?.[Symbol.dispose]();
    this.#gauge?.[Symbol.dispose]();
    await this.#store.close();
  }

  async #start(options?: Signalled): Promise<void> {
    if (this.#isClosed) return;
    const { clock, meter } = this.#kernel;
    await this.#store.start((news) => {
      if (news === undefined) void this.#reread();
      else this.#hear(news);
    }, options);
    if (this.#isClosed) return this.#store.close(); // meanwhile, when there was nothing to be closed yet
    this.#gauge ??= meter.observe(limitsInstruments.bans, () => this.#index.size);
    this.#timer ??= clock.every(rereadMs, () => this.#look());
    await abortable(this.#look(), options?.signal);
  }

  /** An announcement. They arrive in the order of changes, so where one is missing, it will not come. */
  #hear(news: BanNews): void {
    if (this.#reading !== undefined) this.#meanwhile.push(news);
    if (news.version <= this.#version) return; // heard of it already
    if (news.previous === this.#version) this.#version = news.version;
    else void this.#look();
    this.#apply(news);
  }

  /**
   * What this instance has changed: it holds here at once. The answer may overtake announcements of changes before; that of this
   * one will tell whether any were lost.
   */
  #heed(news: BanNews): void {
    if (this.#reading !== undefined) this.#meanwhile.push(news);
    const { previous, version, subject, ban } = news;
    if (previous === this.#version) this.#version = version;
    else if (version <= this.#version) {
      if (this.#index.get(subject)?.bannedAt === ban?.bannedAt) return; // heard of it already
      void this.#reread(); // it was changed again, or the list was lost and the store's clock set back
    }
    this.#apply(news);
  }

  /** Reads the list if it may have changed unheard; one reading at a time, and again if news came that do not fit in. */
  #look(): Promise<void> {
    this.#isStale = true;
    this.#reading ??= this.#read();
    return this.#reading;
  }

  /** The same where the version tells nothing: another server may have given it to another list. */
  #reread(): Promise<void> {
    this.#version = unknown;
    return this.#look();
  }

  async #read(): Promise<void> {
    while (this.#isStale && !this.#isClosed) {
      this.#isStale = false;
      this.#meanwhile = [];
      try {
        const list = await this.#store.read(this.#version);
        if (list !== undefined) this.#replace(list.version, list.bans);
        this.#isWarned = false;
      } catch (cause) {
        // Whoever is known to be banned stays so; the next round, or the return of Redis, asks again.
        this.#complain(cause);
      }
    }
    this.#reading = undefined; // in the same breath as the last look at #isStale
    this.#clearAway();
  }

  #replace(version: number, bans: readonly BanEntry[]): void {
    this.#index.clear();
    for (const ban of bans) this.#keep(ban);
    this.#version = version;
    for (const news of this.#meanwhile.sort((one, other) => one.version - other.version)) {
      if (news.version <= this.#version) continue;
      if (news.previous === this.#version) this.#version = news.version;
      else this.#isStale = true;
      this.#apply(news);
    }
  }

  #apply({ subject, ban }: BanNews): void {
    if (ban === undefined) this.#index.delete(subject);
    else this.#keep(ban);
  }

  #keep({ subject, reason, bannedAt, leftMs }: BanEntry): void {
    const { clock } = this.#kernel;
    const until = leftMs === undefined ? Number.POSITIVE_INFINITY : clock.monotonic() + leftMs;
    const endsAt = leftMs === undefined ? undefined : Math.round(clock.now() + leftMs);
    this.#index.set({ subject, reason, bannedAt, endsAt, until });
  }

  /** That Redis is away is said elsewhere; that it refuses to tell, here, and once. */
  #complain(cause: unknown): void {
    const { logger } = this.#kernel;
    const isAway = cause instanceof PandoError && cause.retryable;
    const message = 'The list of bans could not be read.';
    if (isAway || this.#isWarned) logger.debug({ err: cause }, message);
    else logger.warn({ err: cause }, message);
    this.#isWarned ||= !isAway;
  }

  #clearAway(): void {
    const now = this.#kernel.clock.monotonic();
    const over: KnownBan[] = [];
    for (const ban of this.#index.values()) if (ban.until <= now) over.push(ban);
    for (const { subject } of over) this.#index.delete(subject);
  }
}

/** Keys as they are, networks in their one form. */
function readSubject(subject: string): string {
  if (typeof subject !== 'string' || !wellFormed.test(subject) || subject.length > longestSubject)
    throw new BanError(
      `what is banned must be a key of 1 to ${longestSubject} characters, an address or a network`,
    );
  const network = readNetwork(subject);
  if (network === false)
    throw new BanError(
      `"${subject}" is no network: there must be an address, and a number of bits that it has`,
    );
  return network === undefined ? subject : prefixText(network);
}

function readReason(reason: string | undefined): string | undefined {
  if (reason !== undefined && typeof reason !== 'string')
    throw new BanError(`reason must be text, got ${typeof reason}`);
  return reason?.slice(0, longestReason);
}

function readDuration(forMs: number | undefined): number | undefined {
  if (forMs === undefined || (forMs >= 1 && forMs <= longestBanMs)) return forMs && Math.ceil(forMs);
  throw new BanError(`forMs must be a positive number of milliseconds, got ${forMs}`);
}
