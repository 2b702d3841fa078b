import type { Reset, ResetReason } from '../message.js';
import type { Position } from '../position.js';
import type { Seen } from './channel-token.js';
import type { Format } from './entry.js';

/** Where a reader wants to go on from. Empty: from now on. */
export interface Place {
  readonly at?: Position | undefined;
  /** What it named is lost already. */
  readonly lost?: ResetReason | undefined;
}

/** How a reader begins. */
export interface Start {
  /** Where it stands before the first message; empty where there are no positions. */
  readonly position: string;
  /** Whether it goes on exactly where it had been. */
  readonly recovered: boolean;
  /** Why it does not, if it asked to. */
  readonly reason: ResetReason | undefined;
  /** What the channel's events had written up to where it is now. */
  readonly seen: Seen;
}

/**
 * Where a reader's messages go: a connection, or a listener in the process.
 *
 * Calls of one reader come in the order of the channel: `onStart` once, then batches and resets. None of them may
 * throw.
 */
export interface Sink<Batch> {
  readonly format: Format<unknown, Batch>;
  /** Asks to hold batches back; whoever says so calls {@link Reader.resume} when it has room again. */
  readonly isFull: boolean;
  onStart(reader: Reader<Batch>, start: Start): void;
  onBatch(reader: Reader<Batch>, batch: Batch): void;
  onReset(reader: Reader<Batch>, reset: Reset, seen: Seen): void;
}

/**
 * Where a reader stands with its channel.
 *
 * `new`: it has not joined. `waiting`: the channel must hear from the log first. `reading`: an older part of the log is on its way.
 * `attached`: it gets each entry as it comes. `parked`: its sink is full; it holds a position and nothing else.
 */
export type ReaderState = 'new' | 'waiting' | 'reading' | 'attached' | 'parked' | 'closed';

/** What a reader needs of its channel. */
export interface ReaderHost {
  readonly name: string;
  /** Where an attached reader stands; undefined where there are no positions. */
  positionOf(reader: Reader): Position | undefined;
  add(reader: Reader): void;
  /** Brings the reader as far forward as its sink allows. */
  advance(reader: Reader): void;
  remove(reader: Reader): void;
}

/** One sink's place in one channel. */
export class Reader<Batch = unknown> {
  readonly channel: ReaderHost;
  readonly sink: Sink<Batch>;
  /** Whether it asked to go on from somewhere. */
  readonly resumes: boolean;
  /** For the sink's own bookkeeping: the request that asked for this reader, say. */
  readonly tag: unknown;
  state: ReaderState = 'new';
  /** After which message it stands, unless attached; undefined asks for what comes from now on. */
  at: Position | undefined;
  /** Why it cannot go on from where it wanted to, until its sink has been told. */
  lost: ResetReason | undefined;
  /** Looks at the log that had begun when it asked for one. */
  askedIn: number | undefined;
  /** Whether its sink has been told where it starts. */
  hasStarted = false;
  /** The number of the last stretch that it was given; kept by the channel while it is attached. */
  given = 0;

  constructor(channel: ReaderHost, sink: Sink<Batch>, { at, lost }: Place, tag: unknown) {
    this.channel = channel;
    this.sink = sink;
    this.tag = tag;
    this.resumes = at !== undefined || lost !== undefined;
    this.at = at;
    this.lost = lost;
    this.askedIn = undefined;
  }

  get isClosed(): boolean {
    return this.state === 'closed';
  }

  /** After which message its sink stands now; undefined while that is not known. */
  get position(): Position | undefined {
    return this.state === 'attached' ? this.channel.positionOf(this) : this.at;
  }

  /** Begins; its sink may be called before this returns. */
  join(): void {
    if (this.state === 'new') this.channel.add(this);
  }

  /** Goes on after its sink was full. */
  resume(): void {
    if (this.state === 'parked') this.channel.advance(this);
  }

  /** Leaves the channel. Idempotent. */
  close(): void {
    if (this.isClosed) return;
    const hasJoined = this.state !== 'new';
    this.at = this.position;
    this.state = 'closed';
    if (hasJoined) this.channel.remove(this);
  }
}
