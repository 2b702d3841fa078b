import { SingleFlight } from '../../kernel/single-flight.js';
import type { Broker, LogEntry, LogPage } from '../ports.js';
import { Entry } from './entry.js';
import { Stretch } from './stretch.js';

/** One page of a channel's log, read once for all readers that stand at the same place. */
export class SharedPage {
  readonly page: LogPage;
  readonly #channel: string;
  #newest: Stretch | undefined;
  readonly #parts = new Map<string, readonly (Stretch | LogEntry)[]>();

  constructor(channel: string, page: LogPage) {
    this.#channel = channel;
    this.page = page;
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
    const entry = logged && Entry.from(this.#channel, this.page.lineage, logged);
    this.#newest ??= entry && new Stretch([entry.newest]);
    return this.#newest;
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
      const entry = Entry.from(this.#channel, this.page.lineage, each);
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

/**
 * Reads older parts of logs. After a restart thousands of clients ask for the same few places at once:
 * those share one read, and only so many reads run at a time.
 */
export class History {
  readonly #broker: Broker;
  readonly #pageEntries: number;
  readonly #flights = new SingleFlight<string, SharedPage>();
  readonly #queue: (() => void)[] = [];
  #free: number;

  constructor(
    broker: Broker,
    { pageEntries, concurrency }: { readonly pageEntries: number; readonly concurrency: number },
  ) {
    this.#broker = broker;
    this.#pageEntries = pageEntries;
    this.#free = concurrency;
  }

  /** Reads from the entry with this id on. The page may have been read for somebody who asked a moment earlier. */
  read(channel: string, from: string): Promise<SharedPage> {
    return this.#flights.run(`${channel} ${from}`, async () => {
      if (this.#free === 0) await new Promise<void>((resolve) => this.#queue.push(resolve));
      else this.#free--;
      try {
        return new SharedPage(channel, await this.#broker.read(channel, { from, limit: this.#pageEntries }));
      } finally {
        const next = this.#queue.shift();
        if (next === undefined) this.#free++;
        else next();
      }
    });
  }
}
