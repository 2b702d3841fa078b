/**
 * Compares what all followers of one channel were handed.
 *
 * A channel is one sequence: what follows a message is the same for everybody. Who is handed something else has missed
 * something, or was handed something twice, or in another order.
 */
export class Ledger {
  readonly #violated: (what: string) => void;
  /** What follows each position. */
  readonly #next = new Map<string, string>();
  /** Where each event was published. */
  readonly #published = new Map<string, string>();
  #resets = 0;

  constructor(violated: (what: string) => void) {
    this.#violated = violated;
  }

  get resets(): number {
    return this.#resets;
  }

  /** Events that somebody was handed, and where they were published. */
  get published(): ReadonlyMap<string, string> {
    return this.#published;
  }

  follow(name: string, position: string): Following {
    return new Following(name, position, this);
  }

  handed(name: string, previous: string, position: string, id: string): void {
    const next = this.#next.get(previous) ?? position;
    this.#next.set(previous, next);
    if (next !== position) this.#violated(`${name} was handed ${position} after ${previous}, others ${next}`);
    const published = this.#published.get(id) ?? position;
    this.#published.set(id, published);
    if (published !== position)
      this.#violated(`event ${id} was published at ${published} and at ${position}`);
  }

  wasReset(): void {
    this.#resets++;
  }
}

/** One follower of the channel, over all its reconnects. */
export class Following {
  readonly #name: string;
  readonly #ledger: Ledger;
  #position: string;

  constructor(name: string, position: string, ledger: Ledger) {
    this.#name = name;
    this.#position = position;
    this.#ledger = ledger;
  }

  /** Where to go on. */
  get position(): string {
    return this.#position;
  }

  handed(position: string, id: string): void {
    this.#ledger.handed(this.#name, this.#position, position, id);
    this.#position = position;
  }

  reset(position: string): void {
    this.#ledger.wasReset();
    this.#position = position;
  }
}
