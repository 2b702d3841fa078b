import type { Clock } from '../kernel/clock.js';
import type { CachePosition } from '../kernel/token.js';
import type { Announcement, CacheClock, SharedLevel } from './ports.js';
import type { Positions } from './positions.js';

/** How long a missing announcement is waited for before the log is read: it is normally on its way. */
const ARRIVAL_MS = 10;

/** A moment in the life of this instance. */
export interface Since {
  readonly epoch: string | undefined;
  readonly applied: number;
  /** Monotonic instant. */
  readonly at: number;
}

/** What the follower stands on, and who hears of it. */
export interface FollowerInit {
  readonly level: SharedLevel;
  readonly clock: Clock;
  readonly positions: Positions;
  /** The state has begun another life: nothing from before may be used. */
  adopted(epoch: string): void;
  /** The log was read because something was missing. */
  replayed(): void;
}

/**
 * Keeps {@link Positions} in step with the shared level: applies announcements in order, notices what is
 * missing, and reads the log then.
 */
export class Follower {
  readonly positions: Positions;
  readonly #init: FollowerInit;
  readonly #listeners: readonly Disposable[];
  readonly #waiting = new Set<(isLate: boolean) => void>();
  #arrival: Disposable | undefined;
  #replaying: Promise<void> | undefined;
  #renewing: Promise<void> | undefined;
  #proving = false;
  /** Monotonic instant at which nothing was missing here, as the shared level itself has confirmed. */
  #provenAt = Number.NEGATIVE_INFINITY;

  constructor(init: FollowerInit) {
    this.#init = init;
    this.positions = init.positions;
    const { events } = init.level;
    this.#listeners = [
      events.on('announcement', (announcement) => {
        if (!this.#hear(announcement)) this.#catchUp(); // which of the two epochs is the present one, only the level knows
      }),
      events.on('blind', () => this.#distrust()),
      events.on('live', () => {
        this.#distrust(); // what was proven while blind says nothing about the time since
        this.prove();
      }),
    ];
  }

  /** Monotonic instant of the last proof; the distant past when there is a reason for doubt. */
  get provenAt(): number {
    return this.#provenAt;
  }

  /** What is known now, to be compared with an answer to a question that is sent now. */
  now(): Since {
    const { epoch, applied } = this.positions;
    return { epoch, applied, at: this.#init.clock.monotonic() };
  }

  /** Takes note of an invalidation or expiry of our own. */
  hear(clock: CacheClock, tags: readonly string[], expiredAt?: number): void {
    if (!this.#hear({ ...clock, tags, expiredAt })) this.#adopt(clock);
  }

  /**
   * Catches up with an answer of the shared level. Resolves to false when that was not possible.
   *
   * An answer behind what was known when it was asked for comes from a state that has lost something: it gets another epoch.
   */
  async meet(clock: CacheClock, since: Since): Promise<boolean> {
    if (clock.epoch === since.epoch && clock.sequence < since.applied) {
      await this.renew(clock.epoch);
      return false;
    }
    if (clock.epoch !== this.positions.epoch) this.#adopt(clock);
    if (!(await this.reach(clock))) return false;
    if (since.at > this.#provenAt) this.#provenAt = since.at;
    return true;
  }

  /** Has a state replaced that has lost something, and follows its successor: once for all who have found that out at a time. */
  renew(epoch: string): Promise<void> {
    if (epoch !== this.positions.epoch) return this.#replay(); // it has been replaced since they asked
    this.#renewing ??= this.#renew(epoch).finally(() => {
      this.#renewing = undefined;
    });
    return this.#renewing;
  }

  /** Waits until an invalidation has been applied here: for its announcement first, by reading the log then. */
  async reach({ epoch, sequence }: CachePosition): Promise<boolean> {
    const isReached = () => this.positions.reached(epoch, sequence);
    while (!isReached() && !(await this.#isLate()));
    // A log that was already being read may have been asked for too early.
    for (let attempt = 0; attempt < 2 && !isReached(); attempt++) await this.#replay();
    return isReached();
  }

  /** Asks the shared level, in the background, whether anything is missing. */
  prove(): void {
    if (this.#proving || !this.#init.level.isUp) return;
    this.#proving = true;
    this.#prove()
      .catch(() => undefined) // no proof
      .finally(() => {
        this.#proving = false;
      });
  }

  close(): void {
    for (const listener of this.#listeners) listener[Symbol.dispose]();
    this.#arrival?.[Symbol.dispose]();
    this.#wake(true);
  }

  async #renew(epoch: string): Promise<void> {
    await this.#init.level.renew();
    // A log that was already being read may have been asked for too early.
    for (let attempt = 0; attempt < 2 && this.positions.epoch === epoch; attempt++) await this.#replay();
  }

  async #prove(): Promise<void> {
    const since = this.now();
    const { clock } = await this.#init.level.read([], []);
    if (clock === undefined) await this.#replay();
    else await this.meet(clock, since);
  }

  /** Tells whether it belongs to the followed state. */
  #hear(announcement: Announcement): boolean {
    const heard = this.positions.hear(announcement);
    if (heard === 'foreign') {
      this.#distrust();
      return false;
    }
    if (heard === 'ahead') this.#expectArrival();
    this.#wake(false);
    return true;
  }

  #distrust(): void {
    this.#provenAt = Number.NEGATIVE_INFINITY;
    this.positions.revision.advance();
  }

  #adopt(clock: CacheClock): void {
    this.positions.adopt(clock);
    this.#distrust();
    this.#init.adopted(clock.epoch);
    this.#wake(false);
  }

  /** Something is missing: read the log, unless it arrives soon. */
  #expectArrival(): void {
    this.#arrival ??= this.#init.clock.after(ARRIVAL_MS, () => {
      this.#arrival = undefined;
      if (this.#waiting.size > 0) this.#wake(true);
      else if (this.positions.isIncomplete) this.#catchUp();
    });
  }

  /** Waits for an announcement; resolves to true when there is no more point in it. */
  #isLate(): Promise<boolean> {
    this.#expectArrival();
    return new Promise((resolve) => this.#waiting.add(resolve));
  }

  #wake(isLate: boolean): void {
    for (const resolve of this.#waiting) resolve(isLate);
    this.#waiting.clear();
  }

  #catchUp(): void {
    this.#replay().catch(() => undefined); // readers find out for themselves
  }

  #replay(): Promise<void> {
    this.#replaying ??= this.#readLog().finally(() => {
      this.#replaying = undefined;
    });
    return this.#replaying;
  }

  async #readLog(): Promise<void> {
    const { level, replayed } = this.#init;
    const { epoch, applied } = this.positions;
    replayed();
    const reply = await level.log(epoch === undefined ? 0 : applied);
    if (reply.clock.epoch !== this.positions.epoch) this.#adopt(reply.clock);
    // What came after a sequence of one epoch says nothing about another that has been adopted meanwhile.
    else if (reply.clock.epoch === epoch) this.positions.replay(reply);
    this.#wake(false);
  }
}
