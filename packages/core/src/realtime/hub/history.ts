import { SingleFlight } from '../../kernel/single-flight.js';
import type { Broker } from '../ports.js';
import type { RealtimeMetrics } from '../realtime-metrics.js';
import { KeptPages } from './kept-pages.js';
import { SharedPage } from './shared-page.js';

/** How a hub's history is read. */
export interface HistoryRules {
  readonly pageEntries: number;
  /** Reads at a time. */
  readonly concurrency: number;
  readonly metrics: RealtimeMetrics;
}

/**
 * Reads older parts of logs. After a restart thousands of clients ask for the same few pages:
 * those share what is read, and only so many reads run at a time.
 */
export class History {
  readonly #broker: Broker;
  readonly #rules: HistoryRules;
  readonly #flights = new SingleFlight<string, SharedPage>();
  readonly #kept = new KeptPages();
  readonly #queue: (() => void)[] = [];
  #free: number;

  constructor(broker: Broker, rules: HistoryRules) {
    this.#broker = broker;
    this.#rules = rules;
    this.#free = rules.concurrency;
  }

  /**
   * Reads from the entry with this id on. The page may have been read for somebody who asked a moment earlier; where
   * the life of the data set is given, also a little while ago.
   */
  async read(channel: string, from: string, lineage?: string): Promise<SharedPage> {
    const kept = lineage === undefined ? undefined : this.#kept.find(channel, from, lineage);
    return kept ?? (await this.#flights.run(`${channel} ${from}`, () => this.#read(channel, from)));
  }

  /** Time has passed: what was read before the last time is forgotten. */
  age(): void {
    this.#kept.age();
  }

  async #read(channel: string, from: string): Promise<SharedPage> {
    if (this.#free === 0) await new Promise<void>((resolve) => this.#queue.push(resolve));
    else this.#free--;
    try {
      this.#rules.metrics.historyReads.add();
      const page = await this.#broker.read(channel, { from, limit: this.#rules.pageEntries });
      const shared = new SharedPage(channel, page);
      this.#kept.keep(channel, shared);
      return shared;
    } finally {
      const next = this.#queue.shift();
      if (next === undefined) this.#free++;
      else next();
    }
  }
}
