import type { Position } from '../position.js';
import type { Entry } from './entry.js';

/** The newest entries of one channel, so that most reconnects and slow readers need no look at the log. */
export class Ring {
  readonly #entries = new Map<string, Entry>();
  readonly #maxEntries: number;
  readonly #maxBytes: number;
  #bytes = 0;
  #first: Entry | undefined;
  #last: Entry | undefined;

  constructor(maxEntries: number, maxBytes: number) {
    this.#maxEntries = maxEntries;
    this.#maxBytes = maxBytes;
  }

  /** Adds the entry that follows the last one. */
  push(entry: Entry): void {
    if (this.#entries.has(entry.id)) this.clear(); // it would close a circle, and readers go round in it for ever
    if (this.#last !== undefined) this.#last.next = entry;
    this.#first ??= entry;
    this.#last = entry;
    this.#entries.set(entry.id, entry);
    this.#bytes += entry.bytes;
    while (this.#entries.size > this.#maxEntries || (this.#bytes > this.#maxBytes && this.#entries.size > 1))
      this.#evict();
  }

  /** The entry with the messages that follow the position; undefined when this ring cannot tell. */
  after({ id, index }: Position): Entry | undefined {
    const entry = this.#entries.get(id);
    if (entry !== undefined)
      return index !== undefined && index < entry.messages.length - 1 ? entry : entry.next;
    return index === undefined && this.#first?.prev === id ? this.#first : undefined;
  }

  /** The last one that was added. */
  get newest(): Entry | undefined {
    return this.#last;
  }

  clear(): void {
    this.#entries.clear();
    this.#first = undefined;
    this.#last = undefined;
    this.#bytes = 0;
  }

  #evict(): void {
    const first = this.#first;
    if (first === undefined) return;
    this.#entries.delete(first.id);
    this.#bytes -= first.bytes;
    this.#first = first.next;
  }
}
