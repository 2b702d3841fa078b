import type { LoadScope, ReadBound } from '../kernel/context.js';
import { dbToken, emptyToken, mergeTokens, type Token } from '../kernel/token.js';
import type { LoadChain } from './load-chain.js';
import type { CacheRules } from './rules.js';

/** What one load read and used: decides whether its value may be stored, and under which tags. */
export class LoadRecord implements LoadScope {
  /** The call of the loader, once there is one. */
  chain: LoadChain | undefined;
  readonly #tags: Set<string>;
  readonly #rules: Pick<CacheRules, 'inherits'>;
  readonly #bounds = new Map<string, ReadBound[]>();
  #seen = emptyToken;
  #storable = true;

  constructor(tags: readonly string[], rules: Pick<CacheRules, 'inherits'>) {
    this.#tags = new Set(tags);
    this.#rules = rules;
  }

  /** Its own tags and those of everything it was built from. */
  get tags(): readonly string[] {
    return [...this.#tags];
  }

  get bounds(): readonly ReadBound[] {
    return [...this.#bounds.values()].flat();
  }

  /** Whoever gets its value has seen no more than this; empty where nobody wanted to know. */
  get seen(): Token {
    return this.#seen;
  }

  /** False when it was built from something that may not be stored. */
  get isStorable(): boolean {
    return this.#storable;
  }

  /** Tags of its own that only the loaded value can tell. */
  name(tags: readonly string[]): void {
    for (const tag of tags) this.#tags.add(tag);
  }

  noteRead(bound: ReadBound): void {
    const bounds = this.#bounds.get(bound.shard) ?? [];
    this.#bounds.set(bound.shard, bounds);
    if (!bounds.some(({ seen }) => isSame(seen, bound.seen))) bounds.push(bound);
    const { shard, upTo } = bound;
    if (upTo !== undefined) this.#seen = mergeTokens(this.#seen, dbToken({ shard, ...upTo }));
  }

  /**
   * A value that is stored, or could be, went into this one. It was valid after this load had begun (its token saw to
   * that) and was itself read from where its tags demand, so only the tags matter from now on, and
   * what has been seen with it.
   */
  include(tags: readonly string[], seen: Token): void {
    for (const tag of this.#rules.inherits(tags)) this.#tags.add(tag);
    this.#seen = mergeTokens(this.#seen, seen);
  }

  /** All that the other load has read and used went into this one. */
  includeLoad({ bounds, tags, seen, isStorable }: LoadRecord): void {
    for (const bound of bounds) this.noteRead(bound);
    this.include(tags, seen);
    if (!isStorable) this.taint();
  }

  /** Something went into this one that nobody vouches for. */
  taint(): void {
    this.#storable = false;
  }
}

function isSame(a: ReadBound['seen'], b: ReadBound['seen']): boolean {
  if (a === 'primary' || b === 'primary') return a === b;
  return a.system === b.system && a.timeline === b.timeline && a.lsn === b.lsn;
}
