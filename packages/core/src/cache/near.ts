import type { RequestContext } from '../kernel/context.js';
import type { Kernel } from '../kernel/kernel.js';
import type { CounterCell } from '../kernel/meter.js';
import type { Revision } from '../kernel/revision.js';
import { emptyToken } from '../kernel/token.js';
import { TurnClock } from '../kernel/turn-clock.js';
import { includeIn } from './call.js';
import type { Follower } from './follower.js';
import type { LocalEntry } from './local-entry.js';
import type { Lookup } from './lookup.js';
import { cacheInstruments } from './metrics.js';
import type { LocalLevel } from './ports.js';
import type { CacheRules } from './rules.js';

/** What hits in the process stand on. */
export interface NearInit {
  readonly kernel: Kernel;
  readonly local: LocalLevel | undefined;
  readonly trustMs: number;
  readonly follower: Follower;
  readonly lookup: Lookup;
  readonly rules: CacheRules;
}

/**
 * Gives what this process may answer at once. Allocates nothing.
 *
 * What was decided about a value is decided again only when something has happened since: a hit looks the value up, compares
 * two numbers, and two instants with the clock.
 */
export class Near {
  readonly #local: LocalLevel | undefined;
  readonly #revision: Revision;
  readonly #clock: TurnClock;
  readonly #hits: CounterCell;
  readonly #init: NearInit;
  /** Monotonic instant up to which nobody has to ask whether announcements may have been missed. */
  #trustedUntil = Number.NEGATIVE_INFINITY;

  constructor(init: NearInit) {
    this.#init = init;
    this.#local = init.local;
    this.#revision = init.follower.positions.revision;
    this.#clock = new TurnClock(init.kernel.clock);
    this.#hits = init.kernel.meter.counter(cacheInstruments.requests, { source: 'local' });
  }

  /** The value of a key, if it is fresh and may answer here and now. */
  get(key: string, context: RequestContext): LocalEntry | undefined {
    const entry = this.#local?.get(key);
    if (entry === undefined) return undefined;
    // Nothing from before the request began: what was trusted then is not trusted for longer.
    const now = Math.max(this.#clock.now(), context.openedAt);
    const isDecided = entry.checkedAt === this.#revision.number && context.isPlain;
    if (!isDecided || now >= entry.dueAt || now >= this.#trustedUntil) {
      if (!this.#decide(entry, context, now)) return undefined;
    }
    this.#hits.add();
    if (entry.seen !== emptyToken || !isDecided) includeIn(context, entry);
    return entry;
  }

  #decide(entry: LocalEntry, context: RequestContext, now: number): boolean {
    const { lookup, follower, trustMs, rules } = this.#init;
    if (rules.isApart(context) || !lookup.isServable(entry, context, now)) return false;
    // From then on the next proof is asked for, every now and then until it comes.
    const { provenAt } = follower;
    const nextAt = Math.max(provenAt + trustMs / 2, now + trustMs / 16);
    this.#trustedUntil = Math.min(nextAt, provenAt + trustMs);
    return true;
  }
}
