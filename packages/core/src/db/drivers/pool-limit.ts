import type { ConnectionBudget } from '../connection-budget.js';

/** What a pool may have at most, and who shares. */
export interface PoolLimitOptions {
  readonly server: string;
  /** What the options of the pool allow. */
  readonly max: number;
  readonly budget: ConnectionBudget | undefined;
}

/** How many connections a pool may have now: what its options allow, its share of the budget, and what the server gives. */
export class PoolLimit {
  readonly #options: PoolLimitOptions;
  /** What the server had given when it refused one more. */
  #given: number | undefined;
  /** Connections that the server has for everybody, as far as it has said so. */
  #capacity: number | undefined;

  constructor(options: PoolLimitOptions) {
    this.#options = options;
  }

  get value(): number {
    const { server, max, budget } = this.#options;
    return Math.min(max, budget?.shareOf(server, this.#capacity) ?? max, this.#given ?? max);
  }

  /** The server had no connection left beside these, or those that are just being made. */
  refusedBeside(open: number): void {
    this.#given = Math.max(1, open);
  }

  /** So many are open now. */
  opened(open: number, capacity: number | undefined): void {
    this.#capacity = capacity;
    if (this.#given !== undefined && open > this.#given) this.#given = open;
  }

  /** Others may have left meanwhile: tries one more. */
  ease(): void {
    if (this.#given !== undefined && ++this.#given >= this.#options.max) this.#given = undefined;
  }
}
