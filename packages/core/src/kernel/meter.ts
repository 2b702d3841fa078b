/** One metric, described as data, so that code, exposition and documentation have one source. */
export interface Instrument {
  /** Prometheus name with base unit and suffix: `pando_cache_requests_total`, `pando_http_request_duration_seconds`. */
  readonly name: string;
  readonly help: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  /** Names of the labels; their values must come from closed sets, never keys, users or channels. */
  readonly labels?: readonly string[];
  /** By label, for the reference: every value it can have, or what it names where the configuration decides. */
  readonly values?: Readonly<Record<string, readonly string[] | string>>;
  /** Upper bounds of a histogram's buckets, ascending, in the base unit. */
  readonly buckets?: readonly number[];
}

/** The values of an instrument's labels, by name. */
export type Labels = Readonly<Record<string, string>>;

/** One time series that only grows. Bind it once, at construction, and add on the hot path. */
export interface CounterCell {
  add(amount?: number): void;
}

/** One time series of a level. */
export interface GaugeCell {
  set(value: number): void;
}

/** One time series of a distribution; values in the instrument's base unit (seconds, bytes). */
export interface HistogramCell {
  record(value: number): void;
}

/** Where rooms record what happens. Knows neither Prometheus nor OpenTelemetry. */
export interface Meter {
  counter(instrument: Instrument, labels?: Labels): CounterCell;
  gauge(instrument: Instrument, labels?: Labels): GaugeCell;
  histogram(instrument: Instrument, labels?: Labels): HistogramCell;
  /** A gauge that is read when somebody looks; disposing removes the series. */
  observe(instrument: Instrument, read: () => number, labels?: Labels): Disposable;
}

const nothing = () => undefined;
const silentCell = Object.freeze({ add: nothing, set: nothing, record: nothing });
const silentGauge: Disposable = Object.freeze({ [Symbol.dispose]: nothing });

/** Records nothing. */
export const noopMeter: Meter = Object.freeze({
  counter: () => silentCell,
  gauge: () => silentCell,
  histogram: () => silentCell,
  observe: () => silentGauge,
});
