import { type Clock, systemClock } from '../../kernel/clock.js';
import type { LimitAsk, LimitVerdict, LocalStore } from '../ports.js';
import { MemoryBanWorld } from './memory-bans.js';
import { MemoryCounters } from './memory-counters.js';

/** What a store in memory may be given. */
export interface MemoryStoreInit {
  readonly clock?: Clock | undefined;
  /** Keys that one policy keeps apart. */
  readonly maxKeys: number;
  /** Counters that several stores share, as instances share Redis. @defaultValue a world of its own */
  readonly world?: MemoryWorld | undefined;
}

/** Counters outside any one store. */
export interface MemoryWorld {
  readonly policies: Map<string, MemoryCounters>;
  readonly bans: MemoryBanWorld;
}

/** Creates counters for several stores to share. */
export function createMemoryWorld(): MemoryWorld {
  return { policies: new Map(), bans: new MemoryBanWorld() };
}

/** Creates a store that counts in this process. */
export function createMemoryStore(init: MemoryStoreInit): LocalStore {
  return new MemoryStore(init);
}

class MemoryStore implements LocalStore {
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

  answer(ask: LimitAsk): LimitVerdict {
    const { id } = ask.rule;
    let counters = this.#world.policies.get(id);
    if (counters === undefined) {
      counters = new MemoryCounters(this.#clock, this.#maxKeys);
      this.#world.policies.set(id, counters);
    }
    return counters.answer(ask);
  }

  async ask(asks: readonly LimitAsk[]): Promise<readonly LimitVerdict[]> {
    return asks.map((ask) => this.answer(ask));
  }

  async close(): Promise<void> {}

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
