import type { Position } from '../position.js';
import type { Entry } from './entry.js';
import { Stretch } from './stretch.js';

/** Stretches kept for the next who asks: after a restart many come back to the same few places. */
const MAX_STRETCHES = 4;

/** The newest entries of one channel, so that most reconnects and slow readers need no look at the log. */
export class Ring {
  readonly #entries = new Map<string, Entry>();
  readonly #maxEntries: number;
  readonly #maxBytes: number;
  #bytes = 0;
  #first: Entry | undefined;
  #last: Entry | undefined;
  #newest: Stretch | undefined;
  /** By the position that they follow. */
  readonly #stretches = new Map<string, Stretch>();

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
    this.#newest = undefined;
    this.#entries.set(entry.id, entry);
    this.#bytes += entry.bytes;
    while (this.#entries.size > this.#maxEntries || (this.#bytes > this.#maxBytes && this.#entries.size > 1))
      this.#evict();
  }

  /** Of what follows the position, about `maxBytes`, one entry at least; undefined when this ring cannot tell. */
  after({ id, index }: Position, maxBytes: number): Stretch | undefined {
    const key = index === undefined ? id : `${id}.${index}`;
    const known = this.#stretches.get(key);
    if (known !== undefined) return known;
    const entry = this.#entries.get(id);
    const isWithin = entry !== undefined && index !== undefined && index < entry.messages.length - 1;
    const first = isWithin ? entry : this.#following(entry, id, index);
    if (first === undefined) return undefined;
    const stretch = new Stretch(collect(first, maxBytes), isWithin ? index : undefined);
    for (const oldest of this.#stretches.keys()) {
      if (this.#stretches.size < MAX_STRETCHES) break;
      this.#stretches.delete(oldest);
    }
    this.#stretches.set(key, stretch);
    return stretch;
  }

  /** The last one that was added. */
  get newest(): Stretch | undefined {
    this.#newest ??= this.#last && new Stretch([this.#last]);
    return this.#newest;
  }

  clear(): void {
    this.#entries.clear();
    this.#stretches.clear();
    this.#first = undefined;
    this.#last = undefined;
    this.#newest = undefined;
    this.#bytes = 0;
  }

  #following(entry: Entry | undefined, id: string, index: number | undefined): Entry | undefined {
    if (entry !== undefined) return entry.next;
    return index === undefined && this.#first?.prev === id ? this.#first : undefined;
  }

  #evict(): void {
    const first = this.#first;
    if (first === undefined) return;
    this.#entries.delete(first.id);
    this.#bytes -= first.bytes;
    this.#first = first.next;
  }
}

/** The entry and those that follow it. */
function collect(first: Entry, maxBytes: number): readonly [Entry, ...Entry[]] {
  const entries: [Entry, ...Entry[]] = [first];
  let bytes = first.bytes;
  for (let entry = first.next; entry !== undefined; entry = entry.next) {
    bytes += entry.bytes;
    if (bytes > maxBytes) break;
    entries.push(entry);
  }
  return entries;
}
