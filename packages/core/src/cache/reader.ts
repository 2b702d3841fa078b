import type { CacheClock, SharedLevel } from './ports.js';

/** What the shared level said about one key. */
export interface Reading {
  readonly value: Buffer | undefined;
  readonly clock: CacheClock | undefined;
  /** Ids, of those asked for, whose invalidation has been carried out. */
  readonly settled: ReadonlySet<string>;
  /** What was known here when the question was sent. */
  readonly since: Since;
}

/** A moment in the life of this instance. */
export interface Since {
  readonly epoch: string | undefined;
  readonly applied: number;
  /** Monotonic instant. */
  readonly at: number;
}

/**
 * Asks the shared level once for everything that is wanted in one turn of the event loop.
 *
 * Whoever joins a batch comes before it is sent, so the answer is never older than the question.
 */
export class Reader {
  readonly #level: SharedLevel;
  readonly #now: () => Since;
  #batch: Batch | undefined;

  constructor(level: SharedLevel, now: () => Since) {
    this.#level = level;
    this.#now = now;
  }

  async read(key: string, ids: readonly string[]): Promise<Reading> {
    this.#batch ??= new Batch((batch) => this.#send(batch));
    const { keys, ids: asked, answer } = this.#batch;
    if (!keys.has(key)) keys.set(key, keys.size);
    for (const id of ids) asked.add(id);
    const { values, ...rest } = await answer;
    return { ...rest, value: values[keys.get(key) as number] };
  }

  async #send(batch: Batch): Promise<BatchAnswer> {
    this.#batch = undefined;
    const since = this.#now();
    const ids = [...batch.ids];
    const { clock, values, settled } = await this.#level.read([...batch.keys.keys()], ids);
    return { clock, values, since, settled: new Set(ids.filter((_, index) => settled[index])) };
  }
}

type BatchAnswer = Omit<Reading, 'value'> & { readonly values: readonly (Buffer | undefined)[] };

class Batch {
  readonly keys = new Map<string, number>();
  readonly ids = new Set<string>();
  readonly answer: Promise<BatchAnswer>;

  constructor(send: (batch: Batch) => Promise<BatchAnswer>) {
    this.answer = Promise.resolve().then(() => send(this));
  }
}
