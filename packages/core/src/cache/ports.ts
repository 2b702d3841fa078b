import type { Signalled } from '../kernel/abort.js';
import type { Events } from '../kernel/events.js';
import type { DatabaseHistory } from '../kernel/histories.js';
import type { CachePosition, DbPosition } from '../kernel/token.js';
import type { Expiries } from './expiries.js';
import type { Use } from './lifetime.js';
import type { LocalEntry } from './local-entry.js';

/** Where the shared state stands: its life, how many invalidations it has counted, and how far back it remembers. */
export interface CacheClock extends CachePosition {
  /** The highest sequence that was forgotten: a tag that the state does not know was last invalidated here at the latest. */
  readonly floor: number;
}

/** One invalidation or expiry, as instances tell each other. */
export interface Announcement extends CachePosition {
  readonly tags: readonly string[];
  /** Epoch ms of an expiry; absent for an invalidation. */
  readonly expiredAt?: number | undefined;
}

/** A tag and the sequence of its last invalidation or expiry; in the latter case its expiries since the last invalidation. */
export type TagMove = readonly [tag: string, sequence: number, expiries?: Expiries | undefined];

/** What a load needs to know before it begins. */
export interface LoadStart {
  readonly clock: CacheClock;
  /** Of the asked tags, those that the state knows. */
  readonly moves: readonly TagMove[];
  /** What was written before the invalidations of these tags, at most one position per shard and system. */
  readonly written: readonly DbPosition[];
  /** Whether `written` may lack something, because the state was lost lately: the load must read primaries then. */
  readonly inDoubt: boolean;
}

/** The log after a sequence. */
export interface LogReply {
  readonly clock: CacheClock;
  /** Tags invalidated since, each with its last sequence; undefined when there are too many, or the state has forgotten some. */
  readonly moves: readonly TagMove[] | undefined;
}

/** One answer for several keys. */
export interface ReadReply {
  /** Undefined when there is no state, or one of another life of the data set. */
  readonly clock: CacheClock | undefined;
  /** In the order of the keys. */
  readonly values: readonly (Buffer | undefined)[];
  /** Whether each asked id has been settled, in their order. */
  readonly settled: readonly boolean[];
}

/** What one invalidation says. */
export interface InvalidationRequest {
  readonly tags: readonly string[];
  /** What was written before it. */
  readonly written: readonly DbPosition[];
  /** Unconfirmed invalidations that this one makes good. */
  readonly settles: readonly string[];
  /** Epoch ms: the tags only expire. */
  readonly expiredAt?: number | undefined;
}

/** A history to which the state is bound. */
export interface FollowRequest extends DatabaseHistory {
  readonly shard: string;
  /** Whether the caller has known the database on another one. */
  readonly isOther: boolean;
}

/** How the state stands to a history. */
export interface FollowReply {
  readonly clock: CacheClock;
  /** Whether the database is known on a newer timeline: the state stays bound to that one. */
  readonly isBehind: boolean;
}

/** What happens to the shared level. */
export interface SharedLevelEvents {
  /** Calls have a chance again, or the data set behind them is another one. */
  up: Record<string, never>;
  announcement: Announcement;
  /** Announcements before now may be missing, later ones are not. */
  live: Record<string, never>;
  /** Announcements may go missing from now on, until `live`. */
  blind: Record<string, never>;
}

/**
 * What the instances share: one counter of invalidations with its log, the positions of tags, and values.
 *
 * State (clock, log, tag positions) is linearizable, and every call that changes or reads more than one part of it is
 * atomic, {@link SharedLevel.read} excepted. It is lost as a whole or not at all; its successor has another epoch, never
 * used before. Values may be lost one by one, at any time, and prove nothing by being there. Announcements are delivered
 * at most once, in any order, perhaps never. Calls reject when the level cannot be reached in time: they may have been
 * carried out then.
 */
export interface SharedLevel extends AsyncDisposable {
  readonly kind: 'redis' | 'memory';
  /** Whether a call has a chance now. */
  readonly isUp: boolean;
  /** Whether announcements arrive, as far as anybody can tell. */
  readonly isLive: boolean;
  readonly events: Events<SharedLevelEvents>;
  /** Opens what the level needs and listens; does not fail because a server is away. */
  start(options?: Signalled): Promise<void>;
  /**
   * Reads values, ids, and the clock, all no older than the call. Not atomic, but ids are read before the clock: the
   * invalidation of an id that reads as settled is covered by the clock.
   */
  read(keys: readonly string[], ids: readonly string[]): Promise<ReadReply>;
  /** Makes sure that there is a state, and reads what a load of something with these tags needs to know. */
  begin(tags: readonly string[]): Promise<LoadStart>;
  /**
   * Counts one more invalidation or expiry, gives its sequence to all tags, keeps what was written before, settles, and
   * announces; resolves to the clock right after it. An expiry that the state can no longer tell counts as an invalidation.
   */
  invalidate(request: InvalidationRequest): Promise<CacheClock>;
  /** The tags invalidated after the sequence. Makes sure that there is a state. */
  log(after: number): Promise<LogReply>;
  /** Keeps a value; the last store wins. */
  store(key: string, value: Buffer, ttlMs: number): Promise<void>;
  /** Takes the lease of a key, if nobody holds it. It ends by itself. */
  lease(key: string, holder: string, leaseMs: number): Promise<boolean>;
  /** Ends the lease of a key, if it is the holder's. */
  release(key: string, holder: string): Promise<void>;
  /**
   * Binds the state to the history that a database is on. A state that was bound to another one, or to none where the
   * caller has known another one, is replaced by an empty one of another epoch, which is announced.
   */
  follow(request: FollowRequest): Promise<FollowReply>;
  /** Begins another epoch: for whoever found the state older than what it has seen, or has forgotten what to invalidate. */
  renew(): Promise<void>;
  /** Releases what the level opened. Idempotent. */
  close(): Promise<void>;
}

/** Where services tell one another what has changed: messages are delivered at most once, in the order of their publication. */
export interface MessageBus {
  /** The channel on which the instances of one fleet agree on who invalidates. */
  readonly claims: string;
  /** The channel on which an instance asks the others whether they have applied an invalidation. */
  readonly rollCalls: string;
  /** Listens to a channel until closed. */
  subscribe(
    channel: string,
    listener: (payload: Buffer) => void,
    options?: Signalled,
  ): Promise<{ close(): Promise<void> }>;
  publish(channel: string, payload: string): Promise<void>;
}

/** What the cache had for a call: a value of this use, none (the loader ran), or nothing that could be used. */
export type CacheAnswer = Use | 'absent' | 'away' | 'beyond';

/** One call on its way. */
export interface CacheSpan {
  answered(answer: CacheAnswer): void;
}

/** One call for many keys on its way. */
export interface ManySpan {
  /** For so many of them there was a value that could be used; the loader ran for the others. */
  answered(found: number): void;
}

/** Tells somebody how calls go that this process cannot answer at once. */
export interface CacheSpans {
  /** Does the work of one call; hands it a span where somebody records. */
  within<T>(key: string, work: (span: CacheSpan | undefined) => Promise<T>): Promise<T>;
  /** The same for a call for many keys, so many of which are not at hand. */
  withinMany<T>(keys: number, work: (span: ManySpan | undefined) => Promise<T>): Promise<T>;
}

/** A bounded map that forgets what was not used lately. */
export interface LocalLevel {
  readonly size: number;
  /** Sum of what its entries were said to take. */
  readonly bytes: number;
  get(key: string): LocalEntry | undefined;
  /** Keeps an entry under its key, unless it alone takes more memory than there may be. */
  set(entry: LocalEntry): void;
  delete(key: string): void;
  clear(): void;
}
