import type { Clock } from '../kernel/clock.js';
import type { Revision } from '../kernel/revision.js';
import { type DbPosition, emptyToken, mergeTokens } from '../kernel/token.js';
import type { CacheClock, InvalidationRequest } from './ports.js';

/** Pause between attempts while the shared level says that it is up. */
const RETRY_MS = 250;

/** What carries the backlog out. */
export interface BacklogInit {
  readonly clock: Clock;
  /** Advances with each addition. */
  readonly revision: Revision;
  /** Tags kept; with more, everything counts as invalidated. */
  readonly maxTags: number;
  isUp(): boolean;
  invalidate(request: InvalidationRequest): Promise<CacheClock>;
  renew(): Promise<void>;
}

/**
 * Invalidations that the shared level has not confirmed: they hold in this process, and are retried until they hold everywhere.
 */
export class Backlog {
  readonly #init: BacklogInit;
  /** When each tag was added, counted in additions. */
  readonly #stamps = new Map<string, number>();
  /** Tags that others invalidate, or this process soon, each with a stamp like the others. */
  readonly #barred = new Map<string, number>();
  #ids: string[] = [];
  #written: readonly DbPosition[] = [];
  #stamp = 0;
  /** Too many tags to remember: stands for all of them. */
  #everythingAt: number | undefined;
  #flushing: Promise<void> | undefined;
  #retry: Disposable | undefined;
  #closed = false;

  constructor(init: BacklogInit) {
    this.#init = init;
  }

  get size(): number {
    return this.#stamps.size + this.#barred.size;
  }

  get isEmpty(): boolean {
    return this.#stamps.size === 0 && this.#everythingAt === undefined && this.#ids.length === 0;
  }

  /** Grows with each addition. */
  get stamp(): number {
    return this.#stamp;
  }

  /** Whether one of the tags was added after the stamp and is not confirmed. */
  holds(tags: readonly string[], after = -1): boolean {
    if (this.#stamp === 0) return false; // as nearly always: every hit asks
    if (this.#everythingAt !== undefined && this.#everythingAt > after) return true;
    if (this.size === 0) return false;
    return tags.some((tag) => (this.#stamps.get(tag) ?? -1) > after || (this.#barred.get(tag) ?? -1) > after);
  }

  /** Takes an unconfirmed invalidation over. */
  add({ tags, written, settles }: InvalidationRequest): void {
    const stamp = this.#next();
    for (const tag of tags) this.#stamps.set(tag, stamp);
    if (this.#stamps.size > this.#init.maxTags) {
      this.#stamps.clear();
      this.#everythingAt = stamp;
    }
    this.#written = mergeTokens({ ...emptyToken, db: this.#written }, { ...emptyToken, db: written }).db;
    // An id that is dropped here stays unsettled: its holders go without a cache, nobody sees anything old.
    if (this.#ids.length < this.#init.maxTags) this.#ids.push(...settles);
    this.#later();
  }

  /** Takes tags out of use without carrying anything out: somebody else sees to that. */
  bar(tags: readonly string[]): void {
    const stamp = this.#next();
    for (const tag of tags) this.#barred.set(tag, stamp);
  }

  /** Ends {@link Backlog.bar}. */
  unbar(tag: string): void {
    this.#barred.delete(tag);
  }

  /** Tries to carry everything out. Never rejects. */
  flush(): Promise<void> {
    this.#flushing ??= this.#flush().finally(() => {
      this.#flushing = undefined;
      if (!this.isEmpty) this.#later();
    });
    return this.#flushing;
  }

  close(): void {
    this.#closed = true;
    this.#retry?.[Symbol.dispose]();
  }

  async #flush(): Promise<void> {
    if (this.isEmpty || this.#closed || !this.#init.isUp()) return;
    // Copies: what is added while this is on its way is neither carried out nor settled by it.
    const [upTo, written] = [this.#stamp, this.#written];
    const [tags, settles] = [[...this.#stamps.keys()], [...this.#ids]];
    const everythingAt = this.#everythingAt;
    try {
      if (everythingAt !== undefined) await this.#init.renew();
      await this.#init.invalidate({ tags, written, settles });
    } catch {
      return; // tried again
    }
    for (const [tag, stamp] of this.#stamps) if (stamp <= upTo) this.#stamps.delete(tag);
    if (this.#everythingAt === everythingAt) this.#everythingAt = undefined;
    this.#ids = this.#ids.slice(settles.length);
    if (this.isEmpty) this.#written = [];
  }

  #next(): number {
    this.#init.revision.advance();
    return ++this.#stamp;
  }

  #later(): void {
    if (this.#closed) return;
    this.#retry?.[Symbol.dispose]();
    this.#retry = this.#init.clock.after(RETRY_MS, () => void this.flush());
  }
}
