import type { Signalled } from '../../kernel/abort.js';
import { type Clock, systemClock } from '../../kernel/clock.js';
import { ClosedError } from '../../kernel/errors.js';
import { emptyToken } from '../../kernel/token.js';
import { RealtimeUnavailableError } from '../errors.js';
import { laterToken } from '../later-token.js';
import { packHeader } from '../packing.js';
import type {
  Announcement,
  Appended,
  AppendOptions,
  Broker,
  BrokerListener,
  BrokerSubscription,
  Head,
  HeldId,
  LogPage,
  OutgoingMessage,
  ReadOptions,
  Retention,
} from '../ports.js';
import { compareIds, originId, unkept } from '../position.js';
import { ageKeys, fitting, type Log, nextId } from './memory-log.js';
import { MemoryAttendances, MemoryPresence } from './memory-presence.js';

type Listener = (announcement: Announcement) => void;

/** What a memory world may be given. */
export interface MemoryWorldInit {
  readonly clock?: Clock | undefined;
  /**
   * Carries one announcement to one listener. A test may drop it, delay it or call it twice.
   *
   * @defaultValue `queueMicrotask`
   */
  readonly carry?: ((deliver: () => void) => void) | undefined;
}

/**
 * What several memory brokers share, as several instances share a Redis. A process that runs alone has one
 * of its own.
 */
export class MemoryWorld {
  /** Who is on which channel. */
  readonly attendances: MemoryAttendances;
  readonly #clock: Clock;
  readonly #carry: (deliver: () => void) => void;
  readonly #logs = new Map<string, Log>();
  readonly #listeners = new Map<string, Set<Listener>>();
  readonly #brokers = new Set<BrokerListener>();
  /** Where messages went whose ids are held, by channel and id. */
  readonly #held = new Map<string, Appended>();
  #lives = 1;
  #isUp = true;

  constructor({ clock = systemClock, carry = queueMicrotask }: MemoryWorldInit = {}) {
    this.attendances = new MemoryAttendances(clock);
    this.#clock = clock;
    this.#carry = carry;
  }

  get lineage(): string {
    return `m${this.#lives.toString(36)}`;
  }

  get isUp(): boolean {
    return this.#isUp;
  }

  /** Cuts all instances off: calls reject, announcements are lost. */
  cut(): void {
    this.#isUp = false;
    for (const broker of this.#brokers) broker.onBlind();
  }

  /** Ends the cut, and tells all instances to look. */
  restore(): void {
    this.#isUp = true;
    for (const broker of this.#brokers) broker.onRestored();
  }

  /** Begins another life of the data set, with or without what was in it. Instances learn it by {@link restore}, or by what they meet. */
  restart({ keepsData }: { readonly keepsData: boolean }): void {
    this.#lives++;
    if (keepsData) return;
    this.#logs.clear();
    this.#held.clear();
    this.attendances.clear();
  }

  join(listener: BrokerListener): Disposable {
    this.#brokers.add(listener);
    return { [Symbol.dispose]: () => void this.#brokers.delete(listener) };
  }

  listen(channel: string, listener: Listener): Disposable {
    const listeners = this.#listeners.get(channel) ?? new Set();
    this.#listeners.set(channel, listeners);
    listeners.add(listener);
    return {
      [Symbol.dispose]: () => {
        listeners.delete(listener);
        if (listeners.size === 0 && this.#listeners.get(channel) === listeners)
          this.#listeners.delete(channel);
      },
    };
  }

  append(
    channel: string,
    header: string,
    messages: readonly OutgoingMessage[],
    retention: Retention,
  ): readonly Appended[] {
    const now = this.#clock.monotonic();
    const log = this.#log(channel, retention) ?? this.#create(channel);
    ageKeys(log, now, retention);
    const placeOf = ({ id }: OutgoingMessage) =>
      id === undefined
        ? undefined
        : (log.places.get(id) ?? log.oldPlaces.get(id) ?? this.#held.get(`${channel} ${id}`));
    const isNew = messages.map((message, at) => {
      const { id } = message;
      const isKnown = placeOf(message) !== undefined;
      const isTwin = id !== undefined && messages.findIndex((other) => other.id === id) < at;
      return !isKnown && !isTwin;
    });
    const added = messages.filter((_, at) => isNew[at]);
    let index = 0;
    const id = added.length > 0 ? this.#store(channel, log, header, added, retention) : '';
    return messages.map((message) => {
      const { id: key, isHeld } = message;
      const known = placeOf(message);
      if (known !== undefined) return { ...known, duplicate: true };
      const place = {
        id,
        index: index === added.length - 1 ? undefined : index,
        lineage: this.lineage,
        duplicate: false,
      };
      index++;
      if (key !== undefined) log.places.set(key, place);
      if (key !== undefined && isHeld) this.#held.set(`${channel} ${key}`, place);
      return place;
    });
  }

  /** Tells listeners of messages that are kept nowhere. */
  announce(channel: string, header: string, messages: readonly OutgoingMessage[]): void {
    const packed = pack(header, messages);
    this.#tell(channel, { lineage: unkept, id: originId, prev: originId, packed });
  }

  release(ids: readonly HeldId[]): void {
    for (const { channel, id } of ids) this.#held.delete(`${channel} ${id}`);
  }

  read(channel: string, { from, limit, maxBytes }: ReadOptions, retention: Retention): LogPage {
    const log = this.#log(channel, retention);
    const found =
      from === undefined ? [] : (log?.entries.filter((entry) => compareIds(entry.id, from) >= 0) ?? []);
    const entries = fitting(found.slice(0, limit), maxBytes);
    return {
      lineage: this.lineage,
      head: log?.head ?? originId,
      entries,
      more: found.length > entries.length,
      seen: log?.seen ?? emptyToken,
    };
  }

  heads(channels: readonly string[], retention: Retention): readonly Head[] {
    const { lineage } = this;
    return channels.map((channel) => {
      const log = this.#log(channel, retention);
      if (log !== undefined) this.#touch(channel, log);
      return { lineage, id: log?.head ?? originId };
    });
  }

  /** The channel's log with what has expired left out. */
  #log(channel: string, { historyTtlMs, headTtlMs }: Retention): Log | undefined {
    const log = this.#logs.get(channel);
    if (log === undefined) return undefined;
    const now = this.#clock.monotonic();
    if (now >= log.touchedAt + headTtlMs) {
      this.#logs.delete(channel);
      return undefined;
    }
    if (now >= log.expiresAt) {
      log.entries = [];
      log.expiresAt = now + historyTtlMs;
    }
    return log;
  }

  #create(channel: string): Log {
    const log: Log = {
      entries: [],
      head: originId,
      touchedAt: 0,
      expiresAt: Number.POSITIVE_INFINITY,
      places: new Map(),
      oldPlaces: new Map(),
      placesSince: this.#clock.monotonic(),
      seen: emptyToken,
    };
    this.#logs.set(channel, log);
    return log;
  }

  #store(
    channel: string,
    log: Log,
    header: string,
    messages: readonly OutgoingMessage[],
    retention: Retention,
  ): string {
    const prev = log.head;
    const id = nextId(prev, this.#clock.now());
    const packed = pack(header, messages);
    log.entries.push({ id, prev, packed });
    while (log.entries.length > retention.historyEntries) log.entries.shift();
    log.head = id;
    for (const { token } of messages) if (token !== undefined) log.seen = laterToken(log.seen, token);
    log.expiresAt = this.#clock.monotonic() + retention.historyTtlMs;
    this.#touch(channel, log);
    this.#forgetOldest(retention);
    this.#tell(channel, { lineage: this.lineage, id, prev, packed });
    return id;
  }

  #tell(channel: string, announcement: Announcement): void {
    const listeners = this.#listeners.get(channel);
    for (const listener of listeners ?? []) {
      this.#carry(() => {
        if (this.#isUp && listeners?.has(listener)) listener(announcement);
      });
    }
  }

  /** Logs are kept in the order of their last use. */
  #touch(channel: string, log: Log): void {
    log.touchedAt = this.#clock.monotonic();
    this.#logs.delete(channel);
    this.#logs.set(channel, log);
  }

  /** Channels come and go: each append clears away one that nobody remembers. */
  #forgetOldest({ headTtlMs }: Retention): void {
    const [oldest] = this.#logs;
    if (oldest !== undefined && this.#clock.monotonic() >= oldest[1].touchedAt + headTtlMs)
      this.#logs.delete(oldest[0]);
  }
}

/** Creates what several rooms share in one process, so that they behave like several instances. */
export function createMemoryWorld(init?: MemoryWorldInit): MemoryWorld {
  return new MemoryWorld(init);
}

/** Channels in this process: the same contract, without a server. */
export class MemoryBroker implements Broker {
  readonly self: string;
  readonly presence: MemoryPresence;
  readonly #world: MemoryWorld;
  readonly #retention: Retention;
  readonly #header: string;
  #membership: Disposable | undefined;
  #isClosed = false;

  constructor(world: MemoryWorld, retention: Retention, self: string) {
    this.#world = world;
    this.#retention = retention;
    this.self = self;
    this.#header = packHeader(self);
    this.presence = new MemoryPresence({
      attendances: world.attendances,
      check: (failure, signal) => this.#check(failure, signal),
      append: (channel, packed) => {
        const messages = packed.map((bytes) => ({ id: undefined, packed: bytes }));
        world.append(channel, this.#header, messages, retention);
      },
      head: (channel) => world.read(channel, { from: undefined, limit: 0 }, retention),
    });
  }

  get obstacle(): undefined {
    return undefined;
  }

  get isLive(): boolean {
    return this.#world.isUp && !this.#isClosed;
  }

  async start(listener: BrokerListener): Promise<void> {
    this.#membership ??= this.#world.join(listener);
  }

  async append(
    channel: string,
    messages: readonly OutgoingMessage[],
    { history, signal }: AppendOptions = {},
  ): Promise<readonly Appended[]> {
    this.#check(`publishing to channel "${channel}" failed`, signal);
    const { historyEntries, historyTtlMs } = this.#retention;
    return this.#world.append(channel, this.#header, messages, {
      ...this.#retention,
      historyEntries: history?.entries ?? historyEntries,
      historyTtlMs: history?.ttlMs ?? historyTtlMs,
    });
  }

  together(send: () => void): void {
    send();
  }

  async announce(
    channel: string,
    messages: readonly OutgoingMessage[],
    { signal }: Signalled = {},
  ): Promise<void> {
    this.#check(`publishing to channel "${channel}" failed`, signal);
    this.#world.announce(channel, this.#header, messages);
  }

  async release(ids: readonly HeldId[], { signal }: Signalled = {}): Promise<void> {
    this.#check('forgetting ids of events failed', signal);
    this.#world.release(ids);
  }

  /** Resolves even while cut off: announcements flow from the end of the cut on. */
  async subscribe(
    channel: string,
    onEntry: Listener,
    { signal }: Signalled = {},
  ): Promise<BrokerSubscription> {
    if (this.#isClosed) throw new ClosedError('realtime');
    signal?.throwIfAborted();
    const listening = this.#world.listen(channel, onEntry);
    return { close: async () => listening[Symbol.dispose]() };
  }

  async read(channel: string, options: ReadOptions): Promise<LogPage> {
    this.#check(`reading the history of channel "${channel}" failed`, options.signal);
    return this.#world.read(channel, options, this.#retention);
  }

  async heads(channels: readonly string[], { signal }: Signalled = {}): Promise<readonly Head[]> {
    this.#check('asking where channels end failed', signal);
    return this.#world.heads(channels, this.#retention);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#membership?.[Symbol.dispose]();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #check(failure: string, signal: AbortSignal | undefined): void {
    signal?.throwIfAborted();
    if (this.#isClosed) throw new ClosedError('realtime');
    if (!this.#world.isUp) throw new RealtimeUnavailableError(failure, new Error('cut off'));
  }
}

function pack(header: string, messages: readonly OutgoingMessage[]): Buffer {
  return Buffer.concat([Buffer.from(header), ...messages.map(({ packed }) => packed)]);
}
