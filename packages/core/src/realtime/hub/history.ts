import { SingleFlight } from '../../kernel/single-flight.js';
import type { Broker, LogEntry, LogPage } from '../ports.js';
import { Entry } from './entry.js';

/** One page of a channel's log, read once for all readers that stand at the same place. */
export class SharedPage {
  readonly page: LogPage;
  readonly #channel: string;
  readonly #entries = new Map<LogEntry, Entry | undefined>();

  constructor(channel: string, page: LogPage) {
    this.#channel = channel;
    this.page = page;
  }

  /** The entry, unpacked and encoded once; undefined when it cannot be read. */
  entry(logged: LogEntry): Entry | undefined {
    if (!this.#entries.has(logged))
      this.#entries.set(logged, Entry.from(this.#channel, this.page.lineage, logged));
    return this.#entries.get(logged);
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
