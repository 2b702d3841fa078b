import { CacheCycleError } from './errors.js';

/** How many loads an error names of a longer way. */
const MAX_NAMED = 8;

/** A load that can be waited for. */
export interface Carried {
  readonly key: string;
  /** The call of a loader that it waits for, once there is one. */
  readonly carrier: LoadChain | undefined;
}

/** One wait of a loader for a load. */
interface Wait {
  readonly load: Carried;
}

/**
 * One call of a loader, the loads that have led to it, and what it waits for: no load may come to wait for itself.
 *
 * What loads of one process wait for is known as a whole, whichever requests have begun them: whoever would close a circle
 * learns it before he waits.
 */
export class LoadChain {
  readonly #owner: object;
  readonly #keys: ReadonlySet<string>;
  readonly #around: LoadChain | undefined;
  readonly #waits = new Set<Wait>();
  #isOver = false;

  /** `owner`: whose keys they are. */
  constructor(owner: object, keys: Iterable<string>, around: LoadChain | undefined) {
    this.#owner = owner;
    this.#keys = new Set(keys);
    this.#around = around;
  }

  /** The loader has ended: code of it that still runs keeps nobody waiting. */
  end(): void {
    this.#isOver = true;
  }

  /** Whether somebody waits for the loader. */
  get isRunning(): boolean {
    return !this.#isOver;
  }

  /**
   * Asserts that the key is not one of those that are being loaded on the way here.
   *
   * @throws CacheCycleError
   */
  assertNotWithin(owner: object, key: string): void {
    const way: LoadChain[] = [];
    for (let chain: LoadChain | undefined = this; chain?.isRunning; chain = chain.#around) {
      way.unshift(chain);
      if (chain.#owner === owner && chain.#keys.has(key)) {
        throw new CacheCycleError(key, [...namesOf(way), key]);
      }
    }
  }

  /**
   * Whether a running load can be waited for: it does not wait for this one, perhaps by way of others.
   *
   * Where each of them loads one key, the values need each other, and nobody could load them. Of loads of many keys only some
   * may: the value that is asked for is loaded once more then.
   *
   * @throws CacheCycleError
   */
  mayAwait(load: Carried): boolean {
    const way = this.#wayFrom(load, new Set());
    if (way === undefined) return true;
    if (way.some((chain) => chain.#keys.size > 1)) return false;
    throw new CacheCycleError(load.key, namesOf([this, ...way]));
  }

  /** Waits, and lets it be known meanwhile for what. */
  async awaiting<T>(load: Carried, outcome: Promise<T>): Promise<T> {
    const wait: Wait = { load };
    this.#waits.add(wait);
    try {
      return await outcome;
    } finally {
      this.#waits.delete(wait);
    }
  }

  /** The loads that lead from one to this one by waiting for each other, this one included. */
  #wayFrom({ carrier }: Carried, seen: Set<LoadChain>): LoadChain[] | undefined {
    if (carrier === undefined || seen.has(carrier)) return undefined;
    if (carrier === this) return [carrier];
    seen.add(carrier);
    for (const { load } of carrier.#waits) {
      const rest = this.#wayFrom(load, seen);
      if (rest !== undefined) return [carrier, ...rest];
    }
    return undefined;
  }

  get name(): string {
    const [first = ''] = this.#keys;
    return this.#keys.size > 1 ? `${first} and ${this.#keys.size - 1} more` : first;
  }
}

function namesOf(way: readonly LoadChain[]): readonly string[] {
  return way.slice(-MAX_NAMED).map(({ name }) => name);
}
