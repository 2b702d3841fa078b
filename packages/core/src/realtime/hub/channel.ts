import { messageOf } from '../../kernel/errors.js';
import type { TokenCodec } from '../../kernel/token-codec.js';
import type { ChannelPlan } from '../channel-plans.js';
import type { Reset, ResetReason } from '../message.js';
import { compareIds, formatPosition, originId, type Position } from '../position.js';
import { ChannelToken } from './channel-token.js';
import type { Entry } from './entry.js';
import { FanOut } from './fan-out.js';
import type { History } from './history.js';
import type { Reader, ReaderHost } from './reader.js';
import { Ring } from './ring.js';
import { Run, type RunEnvironment, type RunListener } from './run.js';
import type { SharedPage } from './shared-page.js';
import { Stretch } from './stretch.js';

/** What a channel shares with all others of its hub. */
export interface ChannelEnvironment extends RunEnvironment {
  /** Reads the tokens of events. Absent: they carry none. */
  readonly tokens: TokenCodec | undefined;
  readonly history: History;
  readonly ringEntries: number;
  readonly ringBytes: number;
  /** About the largest piece that readers are handed at once. */
  readonly stretchBytes: number;
  /** Asks for {@link Channel.serve} at the end of this turn. */
  onDirty(channel: Channel): void;
  /** The log could not be reached: asks for {@link Channel.retry} later. */
  onStuck(channel: Channel): void;
  /** The first reader has come. */
  onUsed(channel: Channel): void;
  /** The last reader has left. */
  onUnused(channel: Channel): void;
}

/**
 * One channel as this process serves it: its run of the log, and who reads it.
 *
 * A reader is attached in the same turn in which everything applied so far has been handed to it, and from then on
 * only {@link FanOut} gives to it. Nothing lies between the two, so it gets each message once.
 */
export class Channel implements ReaderHost, RunListener {
  readonly name: string;
  readonly run: Run;
  readonly #env: ChannelEnvironment;
  readonly #plan: ChannelPlan;
  readonly #ring: Ring;
  readonly #token: ChannelToken;
  readonly #fanOut: FanOut;
  /** For the next look at the log, or for the log to be reachable. */
  readonly #waiting = new Set<Reader>();
  #readers = 0;
  /** Whether the hub knows that there is something to give. */
  #isDirty = false;

  constructor(name: string, env: ChannelEnvironment, plan: ChannelPlan) {
    this.name = name;
    this.#env = env;
    this.#plan = plan;
    this.#ring = new Ring(env.ringEntries, env.ringBytes);
    this.#token = new ChannelToken(env.tokens);
    this.run = new Run(name, env, plan, this);
    const origin = { id: originId, index: undefined, lineage: '' };
    this.#fanOut = new FanOut(origin, {
      maxBytes: env.stretchBytes,
      isLatest: plan.isLatest,
      onFull: (reader, at) => this.#leaveOut(reader, at),
    });
  }

  positionOf(reader: Reader): Position {
    return this.#fanOut.positionOf(reader);
  }

  add(reader: Reader): void {
    if (this.#readers++ === 0) this.#env.onUsed(this);
    this.advance(reader);
  }

  remove(reader: Reader): void {
    this.#fanOut.detach(reader);
    this.#waiting.delete(reader);
    if (--this.#readers === 0) this.#env.onUnused(this);
  }

  /** Tries again what failed while the log could not be reached. */
  retry(): void {
    if (this.run.isSettled) this.onLook();
    else this.run.heal();
  }

  /**
   * Gives attached readers what was applied since the last time, at most so many of them. Answers how many more could
   * have been served; none while there may be more to do.
   */
  serve(count: number): number {
    const left = this.#fanOut.serve(count);
    if (left > 0) this.#isDirty = false;
    return left;
  }

  async close(): Promise<void> {
    await this.run.close();
  }

  // The run

  onBegin(): void {
    this.#token.join(this.run.seen);
    this.#fanOut.moveTo(this.#end());
  }

  onEntry(entry: Entry): void {
    this.#ring.push(entry);
    this.#token.add(entry);
    this.#fanOut.push(entry);
    if (this.#isDirty) return;
    this.#isDirty = true;
    this.#env.onDirty(this);
  }

  onRestart(reason: ResetReason): void {
    this.#fanOut.serve(Number.POSITIVE_INFINITY); // what came before it is theirs
    this.#ring.clear();
    this.#token.join(this.run.seen);
    const end = this.#end();
    this.#fanOut.moveTo(end);
    const { seen } = this.#token;
    const reset = this.#reset(reason, end);
    for (const reader of this.#fanOut.readers) {
      this.#env.metrics.reset(reason);
      reader.sink.onReset(reader, reset, seen);
    }
  }

  onLook(): void {
    for (const reader of [...this.#waiting]) this.advance(reader);
  }

  onStuck(): void {
    this.#env.onStuck(this);
  }

  #end(): Position {
    return { id: this.run.lastId, index: undefined, lineage: this.run.lineage };
  }

  // Readers

  /** Brings a reader forward, all in one turn: until it is attached, its sink is full, or the log must be asked. */
  advance(reader: Reader): void {
    if (reader.isClosed) return;
    const { run } = this;
    this.#wait(reader);
    if (!run.hasBegun) {
      run.begin();
      return;
    }
    this.#fanOut.seal(); // what is attached from now on stands behind all that
    while (reader.state === 'waiting') {
      const { at } = reader;
      if (at === undefined || (at.id === run.lastId && at.index === undefined && !this.#isForeign(at))) {
        this.#attach(reader);
      } else if (this.#isForeign(at)) {
        // Either the position is of a life that has ended, or we have not noticed yet that ours has.
        if (!this.#hasLooked(reader)) return;
        this.#lose(reader, 'failover');
      } else if (reader.sink.isFull) {
        this.#park(reader, at);
      } else {
        const stretch = this.#plan.isLatest
          ? this.#ring.newest
          : this.#ring.after(at, this.#env.stretchBytes);
        if (stretch !== undefined) {
          this.#hand(reader, stretch);
        } else if (compareIds(at.id, run.lastId) > 0) {
          // The client has seen more, elsewhere, than has reached us.
          if (!this.#hasLooked(reader)) return;
          this.#lose(reader, 'history-lost');
        } else {
          this.#waiting.delete(reader);
          reader.state = 'reading';
          void this.#read(reader, at);
        }
      }
    }
  }

  #isForeign({ lineage }: Position): boolean {
    return this.#plan.failover === 'reset' && lineage !== this.run.lineage;
  }

  /** Whether the log was looked at after the reader asked, so that what does not fit now never will; asks if not. */
  #hasLooked(reader: Reader): boolean {
    if (reader.askedIn !== undefined && this.run.lastLook > reader.askedIn) return true;
    reader.askedIn ??= this.run.looks;
    this.run.heal();
    return false;
  }

  /** Hands over a part of the log that the ring no longer holds. Never rejects. */
  async #read(reader: Reader, at: Position): Promise<void> {
    const { history } = this.#env;
    const { lastId, lineage } = this.run;
    const reading = this.#plan.isLatest
      ? history.read(this.name, lastId)
      : history.read(this.name, at.id, lineage);
    const shared = await reading.catch((cause: unknown) => {
      this.#env.logger.debug({ channel: this.name, err: cause }, `reader waits: ${messageOf(cause)}`);
      return undefined;
    });
    if (reader.state !== 'reading') return; // it left meanwhile
    if (shared === undefined) {
      this.#wait(reader);
      this.#env.onStuck(this);
      return;
    }
    if (this.#plan.isLatest) this.#joinNewest(reader, at, shared);
    else this.#joinPage(reader, at, shared);
  }

  /** Hands over the entry at the end of the run, and none of those before it. */
  #joinNewest(reader: Reader, at: Position, shared: SharedPage): void {
    const [logged] = shared.page.entries;
    if (shared.page.lineage !== this.run.lineage || (logged !== undefined && logged.id !== this.run.lastId)) {
      this.#wait(reader);
      this.run.heal(); // it comes by the run
    } else if (logged === undefined) {
      this.#lose(reader, 'trimmed');
    } else if (reader.sink.isFull) {
      this.#park(reader, at);
    } else {
      const { newest } = shared;
      if (newest !== undefined) this.#hand(reader, newest);
      else this.#tell(reader, 'unreadable', this.#end());
      if (!reader.isClosed) this.advance(reader);
    }
  }

  #joinPage(reader: Reader, at: Position, shared: SharedPage): void {
    const { page } = shared;
    const found = this.#env.recovery.continueFrom(at, page, this.#plan.failover);
    const isNothing = found.kind === 'run' && found.entries.length === 0 && found.partial === undefined;
    if (isNothing || page.lineage !== this.run.lineage) {
      // The log has nothing new although we have, or is not what we follow: it is our run that must be checked.
      this.#wait(reader);
      this.run.heal();
      return;
    }
    if (found.kind === 'lost') {
      this.#lose(reader, found.reason);
      return;
    }
    const logged = found.partial === undefined ? found.entries : [found.partial, ...found.entries];
    // Never beyond our own run: what lies there will be announced to us, and would be handed over twice.
    const isBeyond = ({ id }: { readonly id: string }) => compareIds(id, this.run.lastId) > 0;
    const ours = logged.slice(-1).some(isBeyond) ? logged.slice(0, logged.findIndex(isBeyond)) : logged;
    for (const part of shared.stretches(ours, at.index, this.#env.stretchBytes)) {
      if (reader.sink.isFull) break;
      if (part instanceof Stretch) this.#hand(reader, part);
      else this.#tell(reader, 'unreadable', { id: part.id, index: undefined, lineage: page.lineage });
      if (reader.isClosed) return; // by what it was given
    }
    this.advance(reader);
  }

  /** Gives a reader what follows its position. */
  #hand(reader: Reader, stretch: Stretch): void {
    this.#start(reader);
    reader.at = stretch.end;
    reader.askedIn = undefined;
    this.#env.metrics.replayed.add(stretch.entries.length);
    reader.sink.onBatch(reader, stretch.as(reader.sink.format));
  }

  #attach(reader: Reader): void {
    reader.at ??= this.#fanOut.end;
    this.#start(reader);
    if (reader.isClosed) return; // by what it was told
    this.#waiting.delete(reader);
    this.#fanOut.attach(reader);
    reader.state = 'attached';
    reader.askedIn = undefined;
  }

  /** The sink of an attached reader is full: it goes on from here when there is room again. */
  #leaveOut(reader: Reader, at: Position): 'stays' | 'leaves' {
    this.#park(reader, at);
    return 'leaves';
  }

  #park(reader: Reader, at: Position): void {
    this.#waiting.delete(reader);
    reader.state = 'parked';
    reader.at = at;
    this.#env.metrics.parked.add();
  }

  #wait(reader: Reader): void {
    this.#waiting.add(reader);
    reader.state = 'waiting';
  }

  /** The reader's place is gone: it goes on from where the channel is. */
  #lose(reader: Reader, reason: ResetReason): void {
    this.#tell(reader, reason === 'trimmed' && reader.hasStarted ? 'slow' : reason, this.#fanOut.end);
    this.#attach(reader);
  }

  #tell(reader: Reader, reason: ResetReason, at: Position): void {
    reader.at = at;
    if (!reader.hasStarted) {
      reader.lost ??= reason;
      this.#start(reader);
      return;
    }
    this.#env.metrics.reset(reason);
    reader.sink.onReset(reader, this.#reset(reason, at), this.#token.seen);
  }

  #reset(reason: ResetReason, at: Position): Reset {
    return { channel: this.name, reason, position: formatPosition(at), token: this.#token.seen.token };
  }

  /** Tells the sink, once, where its messages begin. */
  #start(reader: Reader): void {
    if (reader.hasStarted || reader.at === undefined) return;
    reader.hasStarted = true;
    if (reader.lost !== undefined) this.#env.metrics.reset(reader.lost);
    const recovered = reader.resumes && reader.lost === undefined;
    const { at, lost: reason } = reader;
    reader.sink.onStart(reader, { position: formatPosition(at), recovered, reason, seen: this.#token.seen });
  }
}
