import { SingleFlight } from '../../kernel/single-flight.js';
import type { Broker } from '../ports.js';
import type { RealtimeMetrics } from '../realtime-metrics.js';
import { KeptPages } from './kept-pages.js';
import type { Pace } from './pace.js';
import { SharedPage } from './shared-page.js';

/** How a hub's history is read. */
export interface HistoryRules {
  readonly pace: Pace;
  readonly metrics: Pick<RealtimeMetrics, 'historyReads'>;
}

/**
 * Reads older parts of logs. After a restart thousands of clients ask for the same few pages:
 * those share what is read, and only so many reads run at a time.
 */
export class History {
  readonly #broker: Pick<Broker, 'read'>;
  readonly #rules: HistoryRules;
  readonly #flights = new SingleFlight<string, SharedPage>();
  readonly #kept = new KeptPages();
  readonly #queue: (() => void)[] = [];
  #running = 0;

  constructor(broker: Pick<Broker, 'read'>, rules: HistoryRules) {
    this.#broker = broker;
    this.#rules = rules;
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
    const { pace, metrics } = this.#rules;
    while (this.#running >= pace.atOnce) await new Promise<void>((resolve) => this.#queue.push(resolve));
    this.#running++;
    try {
      metrics.historyReads.add();
      const page = await pace.run((size) => this.#broker.read(channel, { from, ...size }));
      const shared = new SharedPage(channel, page);
      this.#kept.keep(channel, shared);
      return shared;
    } finally {
      this.#running--;
      // As many as the pace allows now, which may be more or fewer than before.
      for (const next of this.#queue.splice(0, Math.max(0, pace.atOnce - this.#running))) next();
    }
  }
}
