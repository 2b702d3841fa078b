import type { Clock } from '../kernel/clock.js';
import { GradientLimit } from './gradient.js';
import { Look } from './look.js';
import type { ResolvedConcurrency } from './options.js';

/**
 * How something admitted ended. `answered`: it did what it is for, and counts for the limit. `abandoned`: nobody waits for it any more.
 * `overloaded`: something behind it said that it is. `ignored`: it says nothing about how busy the instance is, as a stream.
 */
export type AdmittedOutcome = 'answered' | 'abandoned' | 'overloaded' | 'ignored';

/** What a window must hold before it is weighed; after the longer time whatever it holds will do. */
const windowMs = 100;
const windowSamples = 20;
const longestWindowMs = 1_000;

/** How often there is a look: soon after it was worth it, ever less often while it is not, and never for more than a small part of the time. */
const lookSoonMs = 1_000;
const lookSeldomMs = 10_000;
const lookShare = 1 / 20;

/**
 * What is in progress of one group, and how much of it there may be.
 *
 * No timer: all is reckoned when something ends. Where requests are refused for long, it cannot be told from outside whether others
 * queue or simply take that long: then there is a {@link Look}, every now and then.
 */
export class Group {
  readonly name: string;
  readonly #clock: Clock;
  readonly #gradient: GradientLimit;
  #inFlight = 0;
  #windowAt: number;
  #count = 0;
  #sumMs = 0;
  #most = 0;
  #wasRefused = false;
  #wasOverloaded = false;
  /** Requests done in a millisecond, lately. */
  #rate = 0;
  #look: Look | undefined;
  #nextLookAt: number | undefined;
  #pauseMs = lookSoonMs;
  #astraySince: number | undefined;

  constructor(name: string, bounds: ResolvedConcurrency, clock: Clock) {
    this.name = name;
    this.#clock = clock;
    this.#gradient = new GradientLimit(bounds);
    this.#windowAt = clock.monotonic();
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  /** How much may be in progress now. */
  get limit(): number {
    return Math.floor(this.#look?.limit ?? this.#gradient.limit);
  }

  /** Whether there is room for one that may have this share of the limit. */
  hasRoom(share: number): boolean {
    const { limit } = this.#gradient;
    const seen = this.#look === undefined ? limit * share : this.#look.limit * share;
    // What may go beyond the limit is not refused for a look, at whose beginning most of the limit is in use.
    const room = share > 1 ? Math.max(limit, seen) : seen;
    if (this.#inFlight + 1 <= Math.max(1, room)) return true;
    this.#wasRefused = true;
    return false;
  }

  /** Counts one in; returns when that was. */
  enter(): number {
    const now = this.#clock.monotonic();
    this.#look?.passed(this.#inFlight, now);
    this.#inFlight += 1;
    if (this.#inFlight > this.#most) this.#most = this.#inFlight;
    return now;
  }

  /** Counts one out that came in then. */
  leave(enteredAt: number, outcome: AdmittedOutcome): void {
    const now = this.#clock.monotonic();
    const tookMs = now - enteredAt;
    if (outcome === 'overloaded') this.#wasOverloaded = true;
    // Who left early says nothing. Who left late has waited at least that long.
    const counts = outcome === 'answered' || (outcome === 'abandoned' && tookMs > this.#gradient.usualMs);
    this.#look?.ended(this.#inFlight, now, counts);
    this.#inFlight -= 1;
    if (this.#look !== undefined) {
      if (this.#look.isOver(now, Math.max(longestWindowMs, 3 * this.#gradient.usualMs))) {
        this.#lookedAt(this.#look, now);
      }
      return;
    }
    if (counts) {
      this.#count += 1;
      this.#sumMs += tookMs;
    }
    const lastedMs = now - this.#windowAt;
    if (lastedMs < windowMs || (this.#count < windowSamples && lastedMs < longestWindowMs)) return;
    if (this.#count > 0 || this.#wasOverloaded) this.#weigh(now, lastedMs);
    this.#begin(now);
  }

  #weigh(now: number, lastedMs: number): void {
    const isSaturated = this.#wasRefused || this.#most >= this.#gradient.limit / 2;
    const meanMs = this.#count === 0 ? this.#gradient.usualMs : this.#sumMs / this.#count;
    this.#gradient.update({ meanMs, isSaturated, isOverloaded: this.#wasOverloaded });
    if (!this.#wasRefused) {
      this.#nextLookAt = undefined;
      this.#pauseMs = lookSoonMs;
      this.#astraySince = undefined;
      return;
    }
    const rate = this.#count / lastedMs;
    this.#rate = this.#nextLookAt === undefined ? rate : this.#rate + (rate - this.#rate) * 0.2;
    this.#nextLookAt ??= now + this.#pauseMs;
    this.#astraySince = this.#gradient.isAstray ? (this.#astraySince ?? now) : undefined;
    const wasLost = this.#astraySince !== undefined && now - this.#astraySince >= lookSoonMs;
    if (now < this.#nextLookAt && !wasLost) return;
    this.#look = new Look(Math.max(1, this.#gradient.limit / 2), this.#inFlight, now);
  }

  #lookedAt(look: Look, now: number): void {
    const { meanMs } = look;
    const isWorthIt = meanMs !== undefined && look.rateAt(now) > 0.75 * this.#rate;
    // What became quicker or slower during the look has made a mean of both: nothing but another look will tell.
    const isDoubtful = meanMs !== undefined && !this.#gradient.isUsual(meanMs);
    if (meanMs !== undefined) this.#gradient.rebase(meanMs, isWorthIt ? look.limit : undefined);
    this.#pauseMs = isWorthIt || isDoubtful ? lookSoonMs : Math.min(lookSeldomMs, this.#pauseMs * 2);
    const lastedMs = now - look.beganAt;
    this.#nextLookAt = now + Math.max(this.#pauseMs, isDoubtful ? lastedMs : lastedMs / lookShare);
    this.#look = undefined;
    this.#astraySince = undefined;
    this.#begin(now);
  }

  #begin(now: number): void {
    this.#windowAt = now;
    this.#count = 0;
    this.#sumMs = 0;
    this.#most = this.#inFlight;
    this.#wasRefused = false;
    this.#wasOverloaded = false;
  }
}
