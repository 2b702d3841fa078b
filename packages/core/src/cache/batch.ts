import { abortable, type SignalScope } from '../kernel/abort.js';
import { type Clock, sleep } from '../kernel/clock.js';
import { mergeTokens, type Token } from '../kernel/token.js';
import type { Flight } from './flight.js';
import { Inquiry } from './inquiry.js';
import { LoadRecord } from './load-record.js';
import type { SharedLevel } from './ports.js';
import type { CacheRules } from './rules.js';

/** How a loader is run. */
export interface Ride {
  readonly record: LoadRecord;
  readonly token: Token;
  readonly signal: AbortSignal;
  /** Whose loads these are. */
  readonly flights: readonly Flight[];
  /** Whether it has to wait for room where many would come at once. */
  readonly isThrottled: boolean;
}

/** What a batch stands on. */
export interface BatchInit {
  readonly clock: Clock;
  readonly level: SharedLevel;
  readonly rules: CacheRules;
  /** Loads values of some of the keys. */
  load(keys: readonly string[], ride: Ride): Promise<ReadonlyMap<string, unknown>>;
}

interface Rider extends Ride {
  readonly key: string;
  board(values: Promise<ReadonlyMap<string, unknown>>): void;
}

/**
 * Lets the loads of many keys share what they ask of the shared level, and one call of the loader.
 *
 * Each key has a load of its own, with its own lease, its own right to be joined, and its own reasons not to be stored. Those
 * that come to need the loader wait for the others until each of these has been found, has boarded as well, or waits for
 * somebody else; then the loader is called for all of them, and reads nothing older than the strictest of them demands.
 */
export class Batch {
  /** What loads of the batch must know before they begin. */
  readonly inquiry: Inquiry;
  readonly #init: BatchInit;
  /** Keys of which nobody knows yet whether they need the loader. */
  readonly #undecided: Set<string>;
  readonly #pauses = new Map<number, Promise<void>>();
  #riders: Rider[] = [];

  constructor(keys: Iterable<string>, init: BatchInit) {
    this.#init = init;
    this.#undecided = new Set(keys);
    this.inquiry = new Inquiry(init.level);
  }

  /** This key does not need the loader, or not for now: the others go without it. */
  pass(key: string): void {
    if (this.#undecided.delete(key)) this.#departIfAllAreHere();
  }

  /** This key may need the loader once more: the others that do wait for it. */
  stay(key: string): void {
    this.#undecided.add(key);
  }

  /** Waits before the next look for what somebody else is loading: for the same time as the other keys, so that they look together. */
  async pause(key: string, pauseMs: number, signal: AbortSignal): Promise<void> {
    let pause = this.#pauses.get(pauseMs);
    if (pause === undefined) {
      pause = sleep(this.#init.clock, pauseMs);
      this.#pauses.set(pauseMs, pause);
      void pause.then(() => this.#pauses.delete(pauseMs));
    }
    this.pass(key);
    await abortable(pause, signal);
    this.#undecided.add(key);
  }

  /** Gives the value of a key, loaded together with others. */
  async load(key: string, ride: Ride): Promise<unknown> {
    const values = new Promise<ReadonlyMap<string, unknown>>((board) => {
      this.#riders.push({ ...ride, key, board });
    });
    this.#undecided.delete(key);
    this.#departIfAllAreHere();
    return (await abortable(values, ride.signal)).get(key);
  }

  #departIfAllAreHere(): void {
    if (this.#undecided.size > 0 || this.#riders.length === 0) return;
    const riders = this.#riders.filter(({ signal }) => !signal.aborted);
    this.#riders = [];
    if (riders.length === 0) return;
    const values = this.#travel(riders);
    values.catch(() => undefined); // everybody may have left
    for (const rider of riders) rider.board(values);
  }

  async #travel(riders: readonly Rider[]): Promise<ReadonlyMap<string, unknown>> {
    const record = new LoadRecord([], this.#init.rules);
    const scope = signalOfAll(riders.map(({ signal }) => signal));
    // Riders that began together have one token.
    const tokens = [...new Set(riders.map(({ token }) => token))];
    try {
      return await this.#init.load(
        riders.map(({ key }) => key),
        {
          record,
          token: tokens.reduce(mergeTokens),
          signal: scope.signal,
          flights: riders.flatMap(({ flights }) => flights),
          isThrottled: riders.some(({ isThrottled }) => isThrottled),
        },
      );
    } finally {
      scope[Symbol.dispose]();
      for (const rider of riders) rider.record.includeLoad(record);
    }
  }
}

/** A signal that aborts when all of the others have. */
function signalOfAll(signals: readonly AbortSignal[]): SignalScope {
  const controller = new AbortController();
  let left = signals.length;
  const oneLeft = (event: Event) => {
    left -= 1;
    if (left === 0) controller.abort((event.target as AbortSignal).reason);
  };
  for (const signal of signals) signal.addEventListener('abort', oneLeft, { once: true });
  return {
    signal: controller.signal,
    [Symbol.dispose]() {
      for (const signal of signals) signal.removeEventListener('abort', oneLeft);
    },
  };
}
