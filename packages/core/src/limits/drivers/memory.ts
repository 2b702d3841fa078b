import { RateLimiterMemory } from 'rate-limiter-flexible';
import { type Clock, systemClock } from '../../kernel/clock.js';
import type { LimitStore, LimitWindow, PolicyCounters } from '../ports.js';
import { KeyBound } from './key-bound.js';
import { type CountedWindow, LimiterCounters } from './limiter-counters.js';

/** What a store in memory may be given. */
export interface MemoryStoreInit {
  readonly clock?: Clock | undefined;
  /** Keys that one window keeps apart. */
  readonly maxKeys: number;
  /** Counters that several stores share, as instances share Redis. @defaultValue a world of its own */
  readonly world?: MemoryWorld | undefined;
}

/** Counters outside any one store. */
export interface MemoryWorld {
  readonly windows: Map<string, CountedWindow>;
}

/** Creates counters for several stores to share. */
export function createMemoryWorld(): MemoryWorld {
  return { windows: new Map() };
}

/** Creates a store that counts in this process. */
export function createMemoryStore(init: MemoryStoreInit): LimitStore {
  return new MemoryStore(init);
}

class MemoryStore implements LimitStore {
  readonly source = 'memory';
  readonly isUp = true;
  readonly instances = 1;
  readonly #clock: Clock;
  readonly #maxKeys: number;
  readonly #world: MemoryWorld;

  constructor({ clock = systemClock, maxKeys, world = createMemoryWorld() }: MemoryStoreInit) {
    this.#clock = clock;
    this.#maxKeys = maxKeys;
    this.#world = world;
  }

  async start(): Promise<void> {}

  counters(policy: string, windows: readonly LimitWindow[]): PolicyCounters {
    return new LimiterCounters(windows.map((window) => this.#counted(policy, window)));
  }

  async close(): Promise<void> {}

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #counted(policy: string, window: LimitWindow): CountedWindow {
    const name = `${policy}:${window.windowMs}`;
    const present = this.#world.windows.get(name);
    const counted = present === undefined ? this.#create(window) : { ...present, window };
    this.#world.windows.set(name, counted);
    return counted;
  }

  #create(window: LimitWindow): CountedWindow {
    const limiter = new RateLimiterMemory({
      keyPrefix: '',
      points: window.limit,
      duration: window.windowMs / 1_000,
    });
    const bound = new KeyBound(this.#clock, window.windowMs, this.#maxKeys);
    return {
      window,
      limiter,
      keyOf: (key) => bound.admit(key),
      countsRefused: true,
      async giveBack(key, cost, { endsAt }) {
        // After the end the library would begin a new window with the cost as credit. It goes by the same clock.
        if (Date.now() < endsAt) await limiter.reward(key, cost);
      },
    };
  }
}
