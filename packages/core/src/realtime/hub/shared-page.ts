import type { LogEntry, LogPage } from '../ports.js';
import { Entry } from './entry.js';
import { Stretch } from './stretch.js';

/** One page of a channel's log, read once for all readers that stand in it. */
export class SharedPage {
  readonly page: LogPage;
  readonly #channel: string;
  #newest: Stretch | undefined;
  readonly #parts = new Map<string, readonly (Stretch | LogEntry)[]>();
  /** Where each entry is in the page. */
  #places: ReadonlyMap<string, number> | undefined;
  /** Unpacked and encoded once, also for parts of this page. */
  readonly #entries: Map<LogEntry, Entry | undefined>;

  constructor(channel: string, page: LogPage, entries = new Map<LogEntry, Entry | undefined>()) {
    this.#channel = channel;
    this.page = page;
    this.#entries = entries;
  }

  /** The page as if it had been read from this entry on; undefined where it knows nothing that follows. */
  after(id: string): SharedPage | undefined {
    const { entries } = this.page;
    this.#places ??= new Map(entries.map((entry, place) => [entry.id, place]));
    const place = this.#places.get(id);
    if (place === undefined) return entries[0]?.prev === id ? this : undefined;
    if (place === entries.length - 1) return undefined;
    if (place === 0) return this;
    // Not kept: who is given it goes on with whole pages.
    return new SharedPage(this.#channel, { ...this.page, entries: entries.slice(place) }, this.#entries);
  }

  /**
   * Entries of this page, in stretches of about `maxBytes`, made once for all who stand at the same place; those that
   * cannot be read as they are. Of the first entry the messages up to the one at `seen` are left out.
   */
  stretches(
    logged: readonly LogEntry[],
    seen: number | undefined,
    maxBytes: number,
  ): readonly (Stretch | LogEntry)[] {
    const key = `${logged[0]?.id}.${seen} ${logged.at(-1)?.id}`;
    const parts = this.#parts.get(key) ?? [...this.#divide(logged, seen, maxBytes)];
    this.#parts.set(key, parts);
    return parts;
  }

  /** The last message of the page's first entry; undefined when it cannot be read. */
  get newest(): Stretch | undefined {
    const [logged] = this.page.entries;
    const entry = logged && this.#entry(logged);
    this.#newest ??= entry && new Stretch([entry.newest]);
    return this.#newest;
  }

  #entry(logged: LogEntry): Entry | undefined {
    if (!this.#entries.has(logged))
      this.#entries.set(logged, Entry.from(this.#channel, this.page.lineage, logged));
    return this.#entries.get(logged);
  }

  *#divide(
    logged: readonly LogEntry[],
    seen: number | undefined,
    maxBytes: number,
  ): Generator<Stretch | LogEntry> {
    let gathered: Entry[] = [];
    let bytes = 0;
    let isFirst = true;
    const take = function* (): Generator<Stretch> {
      const [first, ...rest] = gathered;
      if (first === undefined) return;
      yield new Stretch([first, ...rest], isFirst ? seen : undefined);
      gathered = [];
      bytes = 0;
      isFirst = false;
    };
    for (const each of logged) {
      const entry = this.#entry(each);
      if (entry === undefined) {
        yield* take();
        yield each;
        isFirst = false;
        continue;
      }
      if (bytes + entry.bytes > maxBytes) yield* take();
      gathered.push(entry);
      bytes += entry.bytes;
    }
    yield* take();
  }
}
