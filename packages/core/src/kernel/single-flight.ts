import { abortable } from './abort.js';

interface Flight<T> {
  readonly outcome: Promise<T>;
  readonly controller: AbortController;
  waiting: number;
}

/**
 * Runs one job per key at a time; callers that come meanwhile share its outcome.
 *
 * A caller that aborts leaves alone; the job's own signal aborts when the last caller has left.
 */
export class SingleFlight<Key, T> {
  readonly #flights = new Map<Key, Flight<T>>();

  /** How many jobs run. */
  get size(): number {
    return this.#flights.size;
  }

  /** Joins the running job of the key, or starts one. Rejects as the job does, or with the caller's signal's reason. */
  async run(key: Key, job: (signal: AbortSignal) => Promise<T>, signal?: AbortSignal): Promise<T> {
    signal?.throwIfAborted();
    const flight = this.#flights.get(key) ?? this.#start(key, job);
    flight.waiting++;
    try {
      return await abortable(flight.outcome, signal);
    } finally {
      flight.waiting--;
      if (flight.waiting === 0 && this.#flights.get(key) === flight) {
        this.#flights.delete(key); // nobody may join a job that is being given up
        flight.controller.abort(signal?.reason);
      }
    }
  }

  #start(key: Key, job: (signal: AbortSignal) => Promise<T>): Flight<T> {
    const controller = new AbortController();
    const outcome = Promise.resolve()
      .then(() => job(controller.signal))
      .finally(() => {
        if (this.#flights.get(key) === flight) this.#flights.delete(key);
      });
    outcome.catch(() => undefined); // every caller may have left already
    const flight: Flight<T> = { outcome, controller, waiting: 0 };
    this.#flights.set(key, flight);
    return flight;
  }
}
