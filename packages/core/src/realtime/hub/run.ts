import { messageOf } from '../../kernel/errors.js';
import type { Logger } from '../../kernel/logger.js';
import { emptyToken, type Token } from '../../kernel/token.js';
import type { ChannelPlan } from '../channel-plans.js';
import type { ResetReason } from '../message.js';
import type { Announcement, Broker, BrokerSubscription, LogEntry, LogPage } from '../ports.js';
import { originId, unkept } from '../position.js';
import type { RealtimeMetrics } from '../realtime-metrics.js';
import type { Recovery } from '../recovery.js';
import { Entry } from './entry.js';
import type { Pace } from './pace.js';

/** Looks at the log in a row that may find nothing of what was announced. */
const MAX_FRUITLESS_LOOKS = 3;

/** What a run shares with all others of its hub. */
export interface RunEnvironment {
  readonly broker: Broker;
  readonly metrics: RealtimeMetrics;
  readonly logger: Logger;
  readonly recovery: Recovery;
  /** How much of the log is looked at in one go. */
  readonly pace: Pace;
  /** Announcements kept while the log is read. */
  readonly maxPending: number;
}

/** Who follows a run. */
export interface RunListener {
  /** It is known where the channel is: the run begins at {@link Run.lastId}. */
  onBegin(): void;
  /** The next entry; everything before it has been given, or a restart has been told. */
  onEntry(entry: Entry): void;
  /** The run could not be continued: another one begins at {@link Run.lastId}. */
  onRestart(reason: ResetReason): void;
  /** A look at the log has ended. */
  onLook(): void;
  /** The log could not be reached; call {@link Run.heal} later. */
  onStuck(): void;
}

/**
 * The part of one channel's log that this process has followed: contiguous, from where it began.
 *
 * There are no locks: what must happen together happens between two awaits. An entry is applied only if its
 * predecessor was the last one applied; whatever does not fit goes through the log, where the joint is proven. So
 * lost, repeated and late announcements are healed here, once for all readers, and none of them notices.
 */
export class Run {
  readonly #channel: string;
  readonly #env: RunEnvironment;
  readonly #plan: ChannelPlan;
  readonly #listener: RunListener;
  #lineage = '';
  #lastId = originId;
  #seen: Token = emptyToken;
  #pending: Announcement[] = [];
  #subscription: BrokerSubscription | undefined;
  #hasBegun = false;
  #isLooking = false;
  /** Something happened after the running look began, or the last one failed. */
  #mustLook = true;
  #looks = 0;
  #lastLook = 0;
  #isClosed = false;

  constructor(channel: string, env: RunEnvironment, plan: ChannelPlan, listener: RunListener) {
    this.#channel = channel;
    this.#env = env;
    this.#plan = plan;
    this.#listener = listener;
  }

  /** Whether it is known where the channel is. */
  get hasBegun(): boolean {
    return this.#hasBegun;
  }

  /** The last entry that was applied. */
  get lastId(): string {
    return this.#lastId;
  }

  get lineage(): string {
    return this.#lineage;
  }

  /** What everything had written up to where the run began, or began anew. */
  get seen(): Token {
    return this.#seen;
  }

  /** Whether there is no reason to doubt where it stands. */
  get isSettled(): boolean {
    return this.#hasBegun && !this.#isLooking && !this.#mustLook;
  }

  /** How many looks at the log have begun. */
  get looks(): number {
    return this.#looks;
  }

  /** Which of them was the last to end. */
  get lastLook(): number {
    return this.#lastLook;
  }

  /** Finds out where the channel is, unless that is known or being found out. */
  begin(): void {
    if (!this.#hasBegun && !this.#isLooking) this.heal();
  }

  /** Reads the log from the last applied entry on; once more if that is happening already. */
  heal(): void {
    this.#mustLook = true;
    if (!this.#isLooking && !this.#isClosed) void this.#heal();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#pending = [];
    await this.#subscription?.close();
  }

  #receive(announced: Announcement): void {
    // Of an instance that keeps nothing of this channel, in the middle of a change.
    if (this.#isClosed || announced.lineage === unkept) return;
    if (!this.#isLooking && this.#hasBegun && this.#accept(announced)) return;
    if (!this.#isLooking && this.#hasBegun) this.#env.metrics.gaps.add();
    if (this.#pending.length < this.#env.maxPending) this.#pending.push(announced);
    else this.#pending = []; // the log has them all
    if (!this.#isLooking || this.#pending.length === 0) this.heal();
  }

  /** Applies what follows, drops what is known; false when something lies in between, or the log must say what it is. */
  #accept(announced: Announcement): boolean {
    const relation = this.#env.recovery.relate(announced, this);
    if (relation !== 'next') return relation === 'known';
    return this.#apply(announced);
  }

  /** Applies the next entry; false, and nothing has happened, when it cannot be read. */
  #apply(logged: LogEntry): boolean {
    const entry = Entry.from(this.#channel, this.#lineage, logged);
    if (entry === undefined) return false;
    this.#lastId = entry.id;
    this.#listener.onEntry(this.#plan.isLatest ? entry.newest : entry);
    return true;
  }

  /** Begins anew behind an entry of the page, or where the page ends. */
  #restart(reason: ResetReason, { lineage, head, seen }: LogPage, id = head): void {
    this.#lastId = id;
    this.#lineage = lineage;
    this.#seen = seen;
    this.#env.logger.warn({ channel: this.#channel, reason }, 'channel reset: messages may be missing');
    this.#listener.onRestart(reason);
  }

  /** Looks until nothing is missing. Never rejects. */
  async #heal(): Promise<void> {
    this.#isLooking = true;
    let fruitless = 0;
    try {
      while (this.#mustLook && !this.#isClosed) {
        this.#mustLook = false;
        const look = ++this.#looks;
        const before = this.#lastId;
        await (this.#hasBegun ? this.#readOn() : this.#begin());
        // No await from here on until announcements flow again: what came meanwhile is joined in this turn.
        this.#lastLook = look;
        fruitless = this.#lastId === before ? fruitless + 1 : 0;
        if (this.#acceptPending()) continue;
        // Announced by a server that we do not read from, perhaps. The log is the truth.
        if (fruitless > MAX_FRUITLESS_LOOKS) this.#pending = [];
        else this.#mustLook = true;
      }
      this.#isLooking = false;
      if (!this.#isClosed) this.#listener.onLook();
    } catch (cause) {
      this.#isLooking = false;
      this.#mustLook = true;
      if (this.#isClosed) return;
      this.#env.logger.debug({ channel: this.#channel, err: cause }, `channel waits: ${messageOf(cause)}`);
      this.#listener.onStuck();
    }
  }

  /** Announcements first, the head afterwards: what is appended in between is heard of, at least once. */
  async #begin(): Promise<void> {
    const { broker } = this.#env;
    this.#subscription ??= await broker.subscribe(this.#channel, (announced) => this.#receive(announced));
    if (this.#isClosed) {
      void this.#subscription.close();
      return;
    }
    const { head, lineage, seen } = await broker.read(this.#channel, { from: undefined, limit: 0 });
    this.#lastId = head;
    this.#lineage = lineage;
    this.#seen = seen;
    this.#hasBegun = true;
    this.#listener.onBegin();
  }

  /** Brings the run up to the end of the log. */
  async #readOn(): Promise<void> {
    const { broker, recovery, pace } = this.#env;
    const { failover, isLatest } = this.#plan;
    for (let more = true; more && !this.#isClosed; ) {
      const since = { id: this.#lastId, index: undefined, lineage: this.#lineage };
      const page = await pace.run((size) => broker.read(this.#channel, { from: since.id, ...size }));
      const found = recovery.continueFrom(since, page, failover);
      const newest = page.entries.at(-1);
      if (found.kind === 'lost' && found.reason === 'trimmed' && isLatest && newest !== undefined) {
        // What was passed over does not count.
        this.#lineage = page.lineage;
        if (!this.#apply(newest)) this.#restart('unreadable', page, newest.id);
        more = page.more;
        continue;
      }
      if (found.kind === 'lost') {
        this.#restart(found.reason, page);
        return;
      }
      this.#lineage = page.lineage;
      for (const logged of found.entries)
        if (!this.#apply(logged)) this.#restart('unreadable', page, logged.id);
      more = found.more;
    }
  }

  /** Joins what was announced while the log was read; false when something is missing in between. */
  #acceptPending(): boolean {
    const pending = this.#pending;
    this.#pending = [];
    for (const [index, announced] of pending.entries()) {
      if (announced.lineage !== this.#lineage) continue; // of a life that the log knows nothing of
      if (this.#accept(announced)) continue;
      this.#pending = pending.slice(index);
      return false;
    }
    return true;
  }
}
