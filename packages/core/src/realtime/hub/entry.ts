import { type PackedMessage, unpackEntry } from '../packing.js';
import type { LogEntry } from '../ports.js';
import { formatPosition, originId, unkept } from '../position.js';

/**
 * How one transport writes messages: each encoded once, and those that go out together joined once, whatever the number
 * of listeners.
 */
export interface Format<Frame, Batch> {
  /** Index of this format in a store of what was encoded; each format has its own. */
  readonly slot: number;
  encode(entry: Entry, message: PackedMessage, position: string): Frame;
  /** Makes one of several, of which there is at least one. */
  join(frames: readonly Frame[]): Batch;
}

/** One entry of a channel's log as this process holds it. */
export class Entry {
  readonly channel: string;
  readonly id: string;
  readonly prev: string;
  readonly lineage: string;
  readonly publishedBy: string;
  readonly messages: readonly PackedMessage[];
  /** What it takes in memory, roughly: the packed bytes. */
  readonly bytes: number;
  /** The entry after it, once there is one. */
  next: Entry | undefined;
  readonly #frames: (readonly unknown[] | undefined)[] = [];
  #newest: Entry | undefined;

  private constructor(
    channel: string,
    lineage: string,
    { id, prev, packed }: LogEntry,
    publishedBy: string,
    messages: readonly PackedMessage[],
  ) {
    this.channel = channel;
    this.id = id;
    this.prev = prev;
    this.lineage = lineage;
    this.publishedBy = publishedBy;
    this.messages = messages;
    this.bytes = packed.length;
    this.next = undefined;
  }

  /** Undefined when the entry was written in a format that this release does not know. */
  static from(channel: string, lineage: string, logged: LogEntry): Entry | undefined {
    const unpacked = unpackEntry(logged.packed);
    return unpacked && new Entry(channel, lineage, logged, unpacked.publishedBy, unpacked.messages);
  }

  /** This entry as if its last message were its only one. */
  get newest(): Entry {
    this.#newest ??= this.messages.length === 1 ? this : this.#only(this.messages.slice(-1));
    return this.#newest;
  }

  /** One that is kept nowhere, and has no place in a log. */
  static unkept(channel: string, packed: Buffer): Entry | undefined {
    return Entry.from(channel, unkept, { id: originId, prev: originId, packed });
  }

  /** The position after the message at `index`; the last one's is the entry's own. Empty for one that is kept nowhere. */
  positionAfter(index: number): string {
    if (this.lineage === unkept) return '';
    return formatPosition({
      id: this.id,
      index: index === this.messages.length - 1 ? undefined : index,
      lineage: this.lineage,
    });
  }

  /** The messages as a transport writes them. */
  frames<Frame>(format: Format<Frame, unknown>): readonly Frame[] {
    this.#frames[format.slot] ??= this.framesAfter(-1, format);
    return this.#frames[format.slot] as readonly Frame[];
  }

  /** The messages after the one at `index`. */
  framesAfter<Frame>(index: number, format: Format<Frame, unknown>): readonly Frame[] {
    const from = index + 1;
    return this.messages
      .slice(from)
      .map((message, offset) => format.encode(this, message, this.positionAfter(from + offset)));
  }

  #only(messages: readonly PackedMessage[]): Entry {
    const { channel, id, prev, lineage, publishedBy } = this;
    return new Entry(
      channel,
      lineage,
      { id, prev, packed: messages[0]?.data ?? Buffer.alloc(0) },
      publishedBy,
      messages,
    );
  }
}
