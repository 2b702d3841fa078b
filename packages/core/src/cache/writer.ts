import type { RequestContext } from '../kernel/context.js';
import { type CachePosition, cacheToken, emptyToken, mergeTokens, type Token } from '../kernel/token.js';
import type { SetOutcome } from './api.js';
import type { Invalidations } from './invalidations.js';
import type { Lifetime } from './lifetime.js';
import type { Lineage } from './lineage.js';
import type { Shelf } from './shelf.js';
import { timesOf } from './staleness.js';

/** What a writer stands on. */
export interface WriterInit {
  readonly shelf: Shelf;
  readonly lineage: Lineage;
  readonly invalidations: Invalidations;
  readonly random: () => number;
}

/** A value that the application has made itself. */
export interface Made {
  readonly key: string;
  readonly value: unknown;
  /** Its key among them. */
  readonly tags: readonly string[];
  /** What it makes old beside its key. */
  readonly replaces?: readonly string[] | undefined;
  readonly lifetime: Lifetime;
  readonly context: RequestContext;
}

/**
 * Puts values into the cache that no loader has loaded.
 *
 * Storing one is an invalidation of its key first: of several writers the last one counted wins, and a load that began
 * before cannot bring back what it replaces. The value is as of that invalidation, whatever it was made of.
 */
export class Writer {
  readonly #init: WriterInit;

  constructor(init: WriterInit) {
    this.#init = init;
  }

  /** Stores a value. Rejects with `CacheValueError` for one that cannot be encoded: nothing was done then. */
  async write({ key, value, tags, replaces = [], lifetime, context }: Made): Promise<SetOutcome> {
    const { shelf, lineage, invalidations, random } = this.#init;
    const payload = value === undefined ? undefined : shelf.encode(key, value);
    const { observed } = context; // what the value can have been made of
    const times = timesOf(value, lifetime, random);
    const isOfOneHistory = await lineage.admits().catch(() => false);
    const { position, ...invalidation } = await invalidations.carryOut([key, ...replaces], context, {});
    if (times === undefined || position === undefined || !isOfOneHistory) {
      return { ...invalidation, stored: false };
    }
    const { epoch, sequence } = position;
    if (lineage.stamp(epoch) === undefined) return { ...invalidation, stored: false };
    const from = { epoch, asOf: sequence, tags, seen: seenBy(observed, position) };
    const { stored } = shelf.put(key, payload, from, times);
    return { ...invalidation, stored: await stored };
  }
}

/** What the readers of a value have seen: as much as who made it, where databases tell what that is. */
function seenBy({ db }: Token, position: CachePosition): Token {
  return db.length === 0 ? emptyToken : mergeTokens({ ...emptyToken, db }, cacheToken(position));
}
