import { abortable } from '../kernel/abort.js';
import type { Token } from '../kernel/token.js';
import type { Carried, LoadChain } from './load-chain.js';

/** From what moment on a load sees everything. */
export interface Departure {
  readonly epoch: string | undefined;
  readonly asOf: number;
  /** The loader reads nothing older than this. */
  readonly token: Token;
  /** For a value found in the shared level instead of loaded: the invalidation up to which it was found valid. */
  readonly knownUpTo?: number | undefined;
}

/** What came out of a load. */
export interface Landing {
  readonly value: unknown;
  readonly tags: readonly string[];
  /** No invalidation up to here can make it older. */
  readonly asOf: number;
  /** What its readers have seen with it; empty where nobody wanted to know. */
  readonly seen: Token;
  /** Whether it may be part of something that is stored. */
  readonly isStorable: boolean;
}

/** One load on its way, and those who wait for it. */
export class Flight implements Carried {
  readonly key: string;
  /** Number of the last unconfirmed invalidation before it began. */
  readonly stamp: number;
  /** Begun although another one could not be waited for: it shares nothing with others. */
  readonly isAside: boolean;
  /** The call of a loader that it waits for, once there is one. */
  carrier: LoadChain | undefined;
  readonly #controller = new AbortController();
  readonly #landing: Promise<Landing | undefined>;
  readonly #departed: Promise<Departure | undefined>;
  #depart: (departure: Departure | undefined) => void = () => undefined;
  #waiting = 0;
  #isOver = false;

  constructor(
    { key, stamp, isAside }: Pick<Flight, 'key' | 'stamp' | 'isAside'>,
    job: (flight: Flight) => Promise<Landing | undefined>,
  ) {
    this.key = key;
    this.stamp = stamp;
    this.isAside = isAside;
    this.#departed = new Promise((resolve) => {
      this.#depart = resolve;
    });
    this.#landing = Promise.resolve()
      .then(() => job(this))
      .finally(() => {
        this.#isOver = true;
        this.#depart(undefined);
      });
    this.#landing.catch(() => undefined); // everybody may have left
  }

  /** Aborts when everybody has left, or it took too long. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Resolves when the load knows what it will see; to undefined when it ended before. */
  get departed(): Promise<Departure | undefined> {
    return this.#departed;
  }

  /** Whether somebody may still come aboard. */
  get isOpen(): boolean {
    return !this.#isOver && !this.signal.aborted;
  }

  depart(departure: Departure): void {
    this.#depart(departure);
  }

  /** Ends it for everybody. */
  abort(reason: unknown): void {
    this.#controller.abort(reason);
  }

  /** Waits for the outcome, if `covers` finds the load fresh enough; undefined otherwise. */
  async join(
    covers: (departure: Departure) => boolean,
    signal: AbortSignal | undefined,
  ): Promise<Landing | undefined> {
    this.#waiting++;
    try {
      const departure = await abortable(this.#departed, signal);
      if (departure === undefined || !covers(departure)) return undefined;
      return await abortable(this.#landing, signal);
    } finally {
      this.#leave(signal);
    }
  }

  /** Waits for the outcome, as whoever began it; undefined when it was left to others. */
  async wait(signal: AbortSignal | undefined): Promise<Landing | undefined> {
    this.#waiting++;
    try {
      return await abortable(this.#landing, signal);
    } finally {
      this.#leave(signal);
    }
  }

  #leave(signal: AbortSignal | undefined): void {
    this.#waiting--;
    if (this.#waiting === 0 && !this.#isOver) this.#controller.abort(signal?.reason);
  }
}
