import type { Follower, Since } from './follower.js';
import type { CacheClock, ReadReply, SharedLevel } from './ports.js';

/** Keys in one question: the shared level answers it as a whole, and does nothing else meanwhile. */
export const MAX_KEYS = 1_000;

/** What the shared level said to all who asked in one turn of the event loop. */
export class Reading {
  readonly clock: CacheClock | undefined;
  /** Ids, of those asked for, whose invalidation has been carried out. */
  readonly settled: ReadonlySet<string>;
  /** What was known here when the question was sent. */
  readonly since: Since;
  /** Whether this instance has caught up with the clock. */
  readonly isMet: boolean;
  readonly #values: ReadReply['values'];
  readonly #indices: ReadonlyMap<string, number> | undefined;

  constructor(
    answer: Pick<Reading, 'clock' | 'settled' | 'since' | 'isMet'>,
    values: ReadReply['values'],
    indices?: ReadonlyMap<string, number> | undefined,
  ) {
    this.clock = answer.clock;
    this.settled = answer.settled;
    this.since = answer.since;
    this.isMet = answer.isMet;
    this.#indices = indices;
    this.#values = values;
  }

  /** The stored bytes of a key that was asked for by itself. */
  of(key: string): Buffer | undefined {
    return this.at(this.#indices?.get(key) as number);
  }

  /** The stored bytes of one of the keys that were asked for together. */
  at(index: number): Buffer | undefined {
    return this.#values[index];
  }
}

/**
 * Asks the shared level once for everything that is wanted in one turn of the event loop.
 *
 * Whoever joins a batch comes before it is sent, so the answer is never older than the question. All get the same answer, met
 * once: on a busy instance, what is done for each call is what a shared hit costs.
 */
export class Reader {
  readonly #level: SharedLevel;
  readonly #follower: Pick<Follower, 'now' | 'meet'>;
  #batch: Batch | undefined;

  constructor(level: SharedLevel, follower: Pick<Follower, 'now' | 'meet'>) {
    this.#level = level;
    this.#follower = follower;
  }

  read(key: string, ids: readonly string[]): Promise<Reading> {
    this.#batch ??= new Batch((batch) => this.#send(batch));
    const { keys, ids: asked, reading } = this.#batch;
    if (!keys.has(key)) keys.set(key, keys.size);
    for (const id of ids) asked.add(id);
    if (keys.size >= MAX_KEYS) this.#batch = undefined; // it is sent at the end of the turn; the next ask another
    return reading;
  }

  /** Asks for many keys, {@link MAX_KEYS} at most, in a question of their own. */
  readAll(keys: readonly string[], ids: readonly string[]): Promise<Reading> {
    return this.#ask(keys, ids);
  }

  #send(batch: Batch): Promise<Reading> {
    if (this.#batch === batch) this.#batch = undefined;
    return this.#ask([...batch.keys.keys()], [...batch.ids], batch.keys);
  }

  async #ask(
    keys: readonly string[],
    ids: readonly string[],
    indices?: ReadonlyMap<string, number>,
  ): Promise<Reading> {
    const since = this.#follower.now();
    const { clock, values, settled } = await this.#level.read(keys, ids);
    const isMet = clock !== undefined && (await this.#follower.meet(clock, since));
    const done = new Set(ids.filter((_, index) => settled[index]));
    return new Reading({ clock, settled: done, since, isMet }, values, indices);
  }
}

class Batch {
  readonly keys = new Map<string, number>();
  readonly ids = new Set<string>();
  readonly reading: Promise<Reading>;

  constructor(send: (batch: Batch) => Promise<Reading>) {
    this.reading = Promise.resolve().then(() => send(this));
  }
}
