import type { Signalled } from '../kernel/abort.js';
import type { Token } from '../kernel/token.js';
import type { PresenceStore } from './presence/ports.js';

/** What a broker keeps, and for how long. */
export interface Retention {
  /** Entries of each channel's log, at least. */
  readonly historyEntries: number;
  /** Time since the last publish after which a channel's log is forgotten. */
  readonly historyTtlMs: number;
  /** The same for the place where it ends: much longer, so that quiet channels resume. */
  readonly headTtlMs: number;
  /** Time that a publish with an id is remembered, at least. */
  readonly idempotencyMs: number;
  /** Time that an id is held which nobody releases, at least. */
  readonly heldIdMs: number;
}

/** What is kept of one channel's log. */
export interface HistoryLimits {
  /** Entries, at least. */
  readonly entries: number;
  /** Time since the last publish after which the log is forgotten. */
  readonly ttlMs: number;
}

/** How many copies of an entry make it durable. */
export interface Durability {
  /** Replicas that must have it. */
  readonly replicas: number;
  /** How long to wait for them. */
  readonly timeoutMs: number;
}

/** How to append. */
export interface AppendOptions extends Signalled {
  /** What is kept of this channel. Absent: what the broker keeps of all. */
  readonly history?: HistoryLimits | undefined;
  /** Absent: one copy is enough. A broker without replicas does not wait. */
  readonly durability?: Durability | undefined;
}

/** The id of a publish that is remembered until it is released. */
export interface HeldId {
  readonly channel: string;
  readonly id: string;
}

/** One message on its way into a channel. */
export interface OutgoingMessage {
  /** Idempotency key; undefined when the publisher gave none. */
  readonly id: string | undefined;
  /** Whether the key is remembered until {@link Broker.release}. */
  readonly isHeld?: boolean | undefined;
  /** The event's JSON and its token: see packing.ts. */
  readonly packed: Buffer;
  /** The same token, for {@link LogPage.seen}. */
  readonly token?: Token | undefined;
}

/** Where one message of an append went. */
export interface Appended {
  /** The entry it is in. */
  readonly id: string;
  /** Its place there; undefined for the last one. */
  readonly index: number | undefined;
  readonly lineage: string;
  /** Whether it was there before this append. */
  readonly duplicate: boolean;
}

/** One entry of a channel's log: what was published to it in one go. */
export interface LogEntry {
  readonly id: string;
  /** The id of the entry before it, `0-0` for the first one. */
  readonly prev: string;
  /** The messages: see packing.ts. */
  readonly packed: Buffer;
}

/** An entry as it was announced. */
export interface Announcement extends LogEntry {
  readonly lineage: string;
}

/** Some entries of a channel's log, read in one atomic step. */
export interface LogPage {
  readonly lineage: string;
  /** The id of the last entry ever appended, `0-0` when there was none or nobody remembers. */
  readonly head: string;
  /** In order, from the asked one on. */
  readonly entries: readonly LogEntry[];
  /** Whether the log held more than was asked for. */
  readonly more: boolean;
  /**
   * The merged token of everything appended up to the head, and perhaps of more: remembered for as long as the head. Of cache
   * epochs the last one that was named, for those before it are gone.
   */
  readonly seen: Token;
}

/** What to read. */
export interface ReadOptions extends Signalled {
  /** Entries with this id or a later one; undefined reads the head alone. */
  readonly from: string | undefined;
  /** Entries, at most. */
  readonly limit: number;
  /** Of entries beyond the second, none that does not fit into so many bytes with all before it. @defaultValue no bound */
  readonly maxBytes?: number | undefined;
}

/** Where a channel ends. */
export interface Head {
  readonly lineage: string;
  /** As in {@link LogPage.head}. */
  readonly id: string;
}

/** Tells somebody how messages go, from who publishes them to listeners in processes. */
export interface MessageSpans {
  /** Does the work of one publish; hands it what the message carries of it, empty where nobody records. */
  publishing<T>(channel: string, work: (traceparent: string) => Promise<T>): Promise<T>;
  /** Calls a listener with a message that carried this. */
  receiving(channel: string, traceparent: string, call: () => void): void;
}

/** How announcements travel. */
export interface AnnounceOptions extends Signalled {
  /** Where services outside the fleet hear them, and announce, too: each event's JSON as it is. @defaultValue `false` */
  readonly isPlain?: boolean | undefined;
}

/** A live subscription to the announcements of one channel. */
export interface BrokerSubscription {
  /** Stops the calls at once. Idempotent. Never rejects. */
  close(): Promise<void>;
}

/** What a broker tells about its connection. */
export interface BrokerListener {
  /** The log answers, or announcements arrive, again: what was missed is to be read, and the lineage may be another. */
  onRestored(): void;
  /** Announcements may be lost from now on. */
  onBlind(): void;
}

/**
 * Where the channels of all instances meet: for each channel an append-only log of limited length, and
 * announcements of what is appended.
 *
 * **Order.** Appends to one channel are carried out one after the other; each entry names its
 * predecessor, and ids grow. Between channels nothing is promised.
 * **Atomicity.** One append checks idempotency keys, stores, remembers the head and announces, or does
 * none of it. A page is one snapshot.
 * **Delivery.** Announcements may be lost, repeated or late, never altered: whoever listens compares
 * `prev` with what it has, and reads the log where they differ.
 * **Lineage.** Names the life of the data set that a channel's log is in; those of two channels may differ. It changes when
 * acknowledged data may have been lost; ids of two lineages must not be compared.
 * **Failure.** A call that cannot reach the log within a bound rejects with `RealtimeUnavailableError`.
 * An append that rejects may have been carried out; so has one that too few replicas have confirmed in time.
 */
export interface Broker extends AsyncDisposable {
  /** This instance's name in messages. */
  readonly self: string;
  /** Who is on which channel. Costs nothing until it is used. */
  readonly presence: PresenceStore;
  /** Why what is not Pando's own, nor `plain`, has nowhere to be, until somebody changes the servers; undefined while it has, or nobody knows. */
  readonly obstacle: Error | undefined;
  /** Whether announcements arrive, as far as anybody can tell. */
  readonly isLive: boolean;
  /** Opens what the broker needs; resolves even while it cannot be reached. Call once, before all else. */
  start(listener: BrokerListener, options?: Signalled): Promise<void>;
  /** Appends messages, which share one entry as far as they are new; answers in their order. */
  append(
    channel: string,
    messages: readonly OutgoingMessage[],
    options?: AppendOptions,
  ): Promise<readonly Appended[]>;
  /** Sends in one go what is appended and announced while `send` runs. */
  together(send: () => void): void;
  /** Announces messages that are kept nowhere, as an entry of no lineage (`-`): to whoever listens now, at most once. */
  announce(channel: string, messages: readonly OutgoingMessage[], options?: AnnounceOptions): Promise<void>;
  /** Forgets keys of held messages, as far as they are not remembered for another reason. */
  release(ids: readonly HeldId[], options?: Signalled): Promise<void>;
  /** Hears announcements of a channel from the moment this resolves. `onEntry` must not throw. */
  subscribe(
    channel: string,
    onEntry: (announcement: Announcement) => void,
    options?: AnnounceOptions,
  ): Promise<BrokerSubscription>;
  read(channel: string, options: ReadOptions): Promise<LogPage>;
  /**
   * Asks many channels at once, and keeps their heads from being forgotten; answers in their order. Undefined for those in a
   * part of the log that cannot be reached; rejects when none can.
   */
  heads(channels: readonly string[], options?: Signalled): Promise<readonly (Head | undefined)[]>;
  /** Releases what the broker opened. Idempotent; never rejects. */
  close(): Promise<void>;
}
