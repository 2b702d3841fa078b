import type { Position } from '../position.js';
import type { Entry } from './entry.js';
import type { Reader } from './reader.js';
import { Stretch } from './stretch.js';

/** How a channel's messages go out. */
export interface FanOutRules {
  /** A stretch holds at most about so many bytes. */
  readonly maxBytes: number;
  /** Only the newest message counts: what has a successor already goes to nobody. */
  readonly isLatest: boolean;
  /**
   * The sink of a reader is full, which stands at `at`: it stays, and does not get what `missed` holds, or it leaves, and
   * is the caller's from now on.
   */
  onFull(reader: Reader, at: Position, missed: Stretch): 'stays' | 'leaves';
}

/**
 * What goes out to the attached readers of one channel.
 *
 * Entries that come while nobody looks are sealed into one stretch, and all readers get the same bytes of it. Of many
 * readers only some are served at a time, so that other work runs in between: each of them knows the number of the last
 * stretch that it was given, and what comes meanwhile waits for the next round. Hence a reader gets every stretch once,
 * in order, whenever it is attached and whoever leaves.
 */
export class FanOut {
  readonly #rules: FanOutRules;
  readonly #readers = new Set<Reader>();
  #fresh: Entry[] = [];
  #freshBytes = 0;
  /** Not given to all readers yet; the first of them is number `#done + 1`. */
  #sealed: Stretch[] = [];
  /** The number of the last stretch that all readers were given. */
  #done = 0;
  /** Where it ended. */
  #doneAt: Position;
  /** Who is still to be served in this round, with all stretches up to number `#goal`. */
  #round: Iterator<Reader> | undefined;
  #goal = 0;

  constructor(at: Position, rules: FanOutRules) {
    this.#doneAt = at;
    this.#rules = rules;
  }

  /** After everything that was pushed, once it is sealed. */
  get end(): Position {
    return this.#sealed.at(-1)?.end ?? this.#doneAt;
  }

  /** Whether there is anything to give. */
  get isDirty(): boolean {
    return this.#fresh.length > 0 || this.#sealed.length > 0;
  }

  get readers(): Iterable<Reader> {
    return this.#readers;
  }

  push(entry: Entry): void {
    if (this.#rules.isLatest) this.#fresh = [];
    this.#fresh.push(entry);
    this.#freshBytes += entry.bytes;
    if (this.#freshBytes >= this.#rules.maxBytes && !this.#rules.isLatest) this.seal();
  }

  /** Ends the stretch: what comes from now on is another one. */
  seal(): void {
    const [first, ...rest] = this.#fresh;
    if (first === undefined) return;
    this.#sealed.push(new Stretch([first, ...rest]));
    this.#fresh = [];
    this.#freshBytes = 0;
  }

  /** The reader was given everything up to {@link FanOut.end}, and gets what comes from there on. */
  attach(reader: Reader): void {
    reader.given = this.#done + this.#sealed.length;
    this.#readers.add(reader);
  }

  detach(reader: Reader): void {
    this.#readers.delete(reader);
  }

  /** Where an attached reader stands. */
  positionOf({ given }: Reader): Position {
    return this.#sealed[given - this.#done - 1]?.end ?? this.#doneAt;
  }

  /** Serves at most so many readers. Answers how many more could have been served: none while there may be more to do. */
  serve(count: number): number {
    let left = count;
    while (left > 0) {
      if (this.#round === undefined) {
        this.seal();
        if (this.#sealed.length === 0) return left;
        this.#goal = this.#done + this.#sealed.length;
        // It sees who leaves and who comes; those who come have been given all of this.
        this.#round = this.#readers.values();
      }
      const { value: reader, done } = this.#round.next();
      if (done === true) this.#endRound();
      else if (reader.given < this.#goal) {
        this.#give(reader);
        left--;
      }
    }
    return 0;
  }

  /** Begins anew at another place, with the same readers. What was not served is forgotten. */
  moveTo(at: Position): void {
    this.#done += this.#sealed.length;
    this.#doneAt = at;
    this.#sealed = [];
    this.#fresh = [];
    this.#freshBytes = 0;
    this.#round = undefined;
    for (const reader of this.#readers) reader.given = this.#done;
  }

  #give(reader: Reader): void {
    const { sink } = reader;
    if (this.#rules.isLatest) reader.given = this.#goal - 1;
    while (reader.given < this.#goal && reader.state === 'attached') {
      const stretch = this.#sealed[reader.given - this.#done] as Stretch;
      const isFull = sink.isFull;
      if (isFull && this.#rules.onFull(reader, this.positionOf(reader), stretch) === 'leaves') {
        this.#readers.delete(reader);
        return;
      }
      reader.given++; // first: a sink may ask where it stands
      if (!isFull) sink.onBatch(reader, stretch.as(sink.format));
    }
  }

  #endRound(): void {
    const served = this.#sealed.splice(0, this.#goal - this.#done);
    this.#doneAt = served.at(-1)?.end ?? this.#doneAt;
    this.#done = this.#goal;
    this.#round = undefined;
  }
}
