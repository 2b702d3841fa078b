import type { Clock } from '../kernel/clock.js';
import type { DatabaseHistory, Histories, HistorySource } from '../kernel/histories.js';
import type { Logger } from '../kernel/logger.js';
import type { Follower } from './follower.js';
import type { SharedLevel } from './ports.js';
import type { CacheRules } from './rules.js';

/** Pause between two attempts that came to nothing. */
const PAUSE_MS = 100;

/** What a lineage stands on. */
export interface LineageInit {
  readonly level: SharedLevel;
  readonly follower: Follower;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Undefined: what is cached comes from no database. */
  readonly histories: Histories | undefined;
  readonly rules: CacheRules;
}

/**
 * Keeps what is cached on the history that its database is on.
 *
 * After a failover values may hold commits that are lost: what was cached under the old history must be gone, and nobody
 * who still reads from it may cache anything. So the shared state is bound to one history of each database. Whoever finds
 * a newer one has another epoch begun, once for all instances; whoever is behind uses no cache until he is not any more.
 */
export class Lineage {
  readonly #init: LineageInit;
  /** To what the state of this epoch is bound, as far as that is what the databases are on. */
  readonly #bound = new Map<HistorySource, DatabaseHistory>();
  #epoch: string | undefined;
  /** Counts bindings. */
  #bindings = 0;
  #binding: Promise<void> | undefined;
  #nextAt = 0;

  constructor(init: LineageInit) {
    this.#init = init;
  }

  /** Whether what is cached, and what is read from databases now, are of the same histories. Allocates nothing. */
  get isSettled(): boolean {
    const { histories, follower, rules } = this.#init;
    if (histories === undefined || !rules.followsHistories) return true;
    if (this.#bindings === 0 && histories.sources.size === 0) return true;
    let isBound = true;
    for (const source of histories.sources) {
      const { history } = source;
      if (history !== undefined) isBound &&= isSame(history, this.#bound.get(source));
    }
    return isBound && (this.#bound.size === 0 || this.#epoch === follower.positions.epoch);
  }

  /** Names the present binding of an epoch; undefined where there is none. Whoever gets the same twice has read under one. */
  stamp(epoch: string): number | undefined {
    return this.isSettled && epoch === this.#init.follower.positions.epoch ? this.#bindings : undefined;
  }

  /** Whether the cache may be used; binds it where it is not. */
  async admits(): Promise<boolean> {
    if (this.isSettled) return true;
    const { clock, logger } = this.#init;
    if (this.#binding === undefined && clock.monotonic() < this.#nextAt) return false;
    this.#binding ??= this.#bind()
      .catch((cause: unknown) => {
        logger.debug({ err: cause }, 'the shared cache could not be bound to the history of a database');
      })
      .finally(() => {
        this.#binding = undefined;
        if (!this.isSettled) this.#nextAt = clock.monotonic() + PAUSE_MS;
      });
    await this.#binding;
    return this.isSettled;
  }

  async #bind(): Promise<void> {
    const { level, follower, logger, histories } = this.#init;
    for (const source of histories?.sources ?? []) {
      const { shard, history } = source;
      if (history === undefined) continue;
      const { system, timeline } = history;
      const bound = this.#bound.get(source);
      const isOther = bound !== undefined && !isSame(history, bound);
      const since = follower.now();
      const { clock, isBehind } = await level.follow({ shard, system, timeline, isOther });
      if (isBehind) {
        logger.warn(
          { shard, system, timeline },
          'no cache is used: the database has a newer timeline elsewhere',
        );
        return;
      }
      if (!(await follower.meet(clock, since))) return;
      this.#bound.set(source, { system, timeline });
      this.#epoch = clock.epoch;
      this.#bindings += 1;
    }
  }
}

function isSame(one: DatabaseHistory, other: DatabaseHistory | undefined): boolean {
  return one.timeline === other?.timeline && one.system === other.system;
}
