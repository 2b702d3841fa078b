import type { Clock } from '../kernel/clock.js';
import type { Kernel } from '../kernel/kernel.js';
import type { CounterCell, HistogramCell, Meter } from '../kernel/meter.js';
import type { Exchange, ExchangeOutcome } from './exchange.js';
import { httpInstruments } from './metrics.js';

/** The label of requests that no route answered: scanners must not be able to make series. */
const unmatched = '(unmatched)';

const knownMethods: ReadonlySet<string> = new Set([
  'GET',
  'HEAD',
  'POST',
  'PUT',
  'PATCH',
  'DELETE',
  'OPTIONS',
  'CONNECT',
  'TRACE',
]);

/** One request while it is being answered. */
export interface RequestRecord {
  readonly exchange: Exchange;
  readonly beganAt: number;
  inFlight: boolean;
}

/** The cells of one method, route and status. */
interface Series {
  readonly requests: CounterCell;
  readonly duration: HistogramCell;
}

/** Counts requests when they are over, so that aborted ones are seen too. */
export class RequestMetrics {
  readonly #clock: Clock;
  readonly #meter: Meter;
  readonly #series = new Map<string, Series>();
  #inFlight = 0;

  constructor({ clock, meter }: Pick<Kernel, 'clock' | 'meter'>) {
    this.#clock = clock;
    this.#meter = meter;
    meter.observe(httpInstruments.inFlight, () => this.#inFlight);
  }

  /** A request arrived. */
  begin(exchange: Exchange): RequestRecord {
    this.#inFlight++;
    return { exchange, beganAt: this.#clock.monotonic(), inFlight: true };
  }

  /** A request has become a stream: the realtime room counts it from now on. */
  becomeStream(record: RequestRecord): void {
    if (record.inFlight) this.#inFlight--;
    record.inFlight = false;
  }

  /** A request is over. */
  end(record: RequestRecord, outcome: ExchangeOutcome): void {
    const { exchange, beganAt } = record;
    if (record.inFlight) this.#inFlight--;
    record.inFlight = false;
    const status = outcome === 'aborted' && !exchange.streaming ? '499' : String(exchange.status);
    const series = this.#of(exchange.method, exchange.route ?? unmatched, status);
    series.requests.add();
    if (!exchange.streaming) series.duration.record((this.#clock.monotonic() - beganAt) / 1_000);
  }

  /** Bound once each: methods, routes and statuses are closed sets, so the application's code bounds the map. */
  #of(asked: string, route: string, status: string): Series {
    const method = knownMethods.has(asked) ? asked : '_OTHER';
    const key = `${method} ${status} ${route}`;
    let series = this.#series.get(key);
    if (series === undefined) {
      series = {
        requests: this.#meter.counter(httpInstruments.requests, { method, route, status }),
        duration: this.#meter.histogram(httpInstruments.duration, { method, route }),
      };
      this.#series.set(key, series);
    }
    return series;
  }
}
