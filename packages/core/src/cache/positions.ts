import { Revision } from '../kernel/revision.js';
import { afterInvalidation, type Expiries, type Expiry, firstExpiry, withExpiry } from './expiries.js';
import type { Announcement, CacheClock, LogReply, TagMove } from './ports.js';

/**
 * Whether something with certain tags may be used. `expired`: as a stale value only, by who has not seen why. `unknown`: ask
 * the shared level.
 */
export type Verdict = 'valid' | 'expired' | 'moved' | 'unknown';

/** What became of an announcement. `ahead`: earlier ones are missing. `foreign`: of another epoch than the followed one. */
export type Heard = 'applied' | 'ahead' | 'known' | 'foreign';

/** Announcements kept while an earlier one is missing; more mean that waiting for it is pointless. */
const MAX_AHEAD = 10_000;

/** Decides whether an announcement is the one that must come next. */
export type IsNext = (applied: number, sequence: number) => boolean;

const follows: IsNext = (applied, sequence) => sequence === applied + 1;

/**
 * What this instance knows about invalidations: all of them up to `applied`, and some later ones.
 *
 * A tag that is not listed was last invalidated at the local floor at the latest. Forgetting a tag
 * raises the floor, so a bounded memory costs questions to the shared level, never a wrong answer.
 */
export class Positions {
  /** Advances with everything that can turn a verdict. */
  readonly revision: Revision;
  readonly #maxTags: number;
  readonly #isNext: IsNext;
  readonly #tags = new Map<string, number>();
  /** Of the tags whose last move was an expiry. */
  readonly #expiries = new Map<string, Expiries>();
  readonly #ahead = new Set<number>();
  readonly #indices = new WeakMap<readonly TagMove[], ReadonlyMap<string, TagMove>>();
  #epoch: string | undefined;
  #applied = 0;
  #floor = 0;
  /** No tag is known to have moved after this. */
  #latest = 0;

  constructor(maxTags: number, isNext: IsNext = follows, revision = new Revision()) {
    this.revision = revision;
    this.#maxTags = maxTags;
    this.#isNext = isNext;
  }

  /** The life of the shared state that is followed; undefined until it was reached once. */
  get epoch(): string | undefined {
    return this.#epoch;
  }

  /** Every invalidation up to here is known. */
  get applied(): number {
    return this.#applied;
  }

  /** Whether an invalidation is missing although a later one is known. */
  get isIncomplete(): boolean {
    return this.#ahead.size > 0;
  }

  /** Whether all that the position names is known. */
  reached(epoch: string, sequence: number): boolean {
    return this.#epoch === epoch && this.#applied >= sequence;
  }

  /** Whether something with these tags that is as new as `asOf` is still current, as far as is known here. */
  check(tags: readonly string[], asOf: number): Verdict {
    if (asOf >= this.#latest) return 'valid';
    let verdict: Verdict = 'valid';
    for (const tag of tags) {
      const sequence = this.#tags.get(tag);
      if (sequence === undefined) {
        if (asOf < this.#floor) verdict = 'unknown';
      } else if (sequence > asOf) {
        const hard = this.#expiries.get(tag)?.hard ?? sequence;
        if (hard > asOf) return 'moved';
        if (verdict === 'valid') verdict = 'expired';
      }
    }
    return verdict;
  }

  /** The first known expiry of any of these tags after `asOf`. */
  expiry(tags: readonly string[], asOf: number): Expiry | undefined {
    return firstExpiry(
      tags.map((tag) => this.#expiries.get(tag)),
      asOf,
    );
  }

  /** The last known invalidation of a tag, expiries left out; 0 for none. */
  lastInvalidation(tag: string): number {
    return this.#expiries.get(tag)?.hard ?? this.#tags.get(tag) ?? 0;
  }

  /** The last known invalidation or expiry of any of these tags; 0 for none. */
  lastMove(tags: readonly string[]): number {
    return tags.reduce((last, tag) => Math.max(last, this.#tags.get(tag) ?? 0), 0);
  }

  /** Takes note of one invalidation or expiry. */
  hear({ epoch, sequence, tags, expiredAt }: Announcement): Heard {
    if (epoch !== this.#epoch) return 'foreign';
    if (sequence <= this.#applied) return 'known';
    for (const tag of tags) {
      if (expiredAt === undefined) this.#invalidate(tag, sequence);
      else this.#expire(tag, { sequence, at: expiredAt });
    }
    if (!this.#isNext(this.#applied, sequence)) {
      if (this.#ahead.size < MAX_AHEAD) this.#ahead.add(sequence);
      return 'ahead';
    }
    this.#advance(sequence);
    return 'applied';
  }

  /** Takes note of what the shared level said about certain tags; those it does not know lie at its floor at the latest. */
  learn(clock: CacheClock, tags: readonly string[], moves: readonly TagMove[]): void {
    if (clock.epoch !== this.#epoch) return;
    const known = this.#indexOf(moves);
    for (const tag of tags) {
      const [, sequence, expiries] = known.get(tag) ?? [tag, clock.floor];
      this.#move(tag, sequence, clock.sequence);
      this.#correct(tag, sequence, expiries);
    }
  }

  /** Loads that begin together are told the same, each of them about all: it is sorted once. */
  #indexOf(moves: readonly TagMove[]): ReadonlyMap<string, TagMove> {
    const made = this.#indices.get(moves);
    if (made !== undefined) return made;
    const index = new Map(moves.map((move) => [move[0], move]));
    this.#indices.set(moves, index);
    return index;
  }

  /** Catches up with the log. What cannot be told one by one is forgotten, so that it will be asked for. */
  replay({ clock, moves }: LogReply): void {
    if (clock.epoch !== this.#epoch) {
      this.adopt(clock);
      return;
    }
    if (moves === undefined) this.#forgetUpTo(clock.sequence);
    else
      for (const [tag, sequence, expiries] of moves) {
        this.#move(tag, sequence, clock.sequence);
        this.#correct(tag, sequence, expiries);
      }
    if (clock.sequence > this.#applied) this.#advance(clock.sequence);
  }

  /** Begins to follow another state, of which nothing is known but where it stands. */
  adopt(clock: CacheClock): void {
    this.#epoch = clock.epoch;
    this.#tags.clear();
    this.#expiries.clear();
    this.#ahead.clear();
    this.#applied = clock.sequence;
    this.#floor = clock.sequence;
    this.#latest = clock.sequence;
    this.revision.advance();
  }

  #advance(sequence: number): void {
    this.#applied = sequence;
    if (this.#ahead.size === 0) return;
    while (this.#ahead.delete(this.#applied + 1)) this.#applied++;
    for (const heard of this.#ahead) if (heard <= this.#applied) this.#ahead.delete(heard);
  }

  #forgetUpTo(sequence: number): void {
    if (sequence > this.#floor) this.#floor = sequence;
    if (sequence > this.#latest) this.#latest = sequence;
    for (const [tag, moved] of this.#tags) if (moved <= sequence) this.#forget(tag);
    this.revision.advance();
  }

  #invalidate(tag: string, sequence: number): void {
    const expiries = this.#expiries.get(tag);
    this.#move(tag, sequence, sequence);
    if (expiries === undefined) return;
    const left = afterInvalidation(expiries, sequence);
    if (left === undefined) this.#expiries.delete(tag);
    else this.#expiries.set(tag, left);
  }

  #expire(tag: string, expiry: Expiry): void {
    const { sequence } = expiry;
    const known = this.#tags.get(tag);
    const expiries = this.#expiries.get(tag);
    this.#move(tag, sequence, sequence);
    if (expiries !== undefined) {
      this.#expiries.set(tag, withExpiry(expiries, expiry));
    } else if (known !== sequence && this.#tags.get(tag) === sequence) {
      // What came before it and is not known lies at the floor at the latest.
      this.#expiries.set(tag, { hard: known ?? this.#floor, soft: [expiry] });
    }
  }

  /** What the shared level says about the last move of a tag is better than what could be made of announcements. */
  #correct(tag: string, sequence: number, expiries: Expiries | undefined): void {
    if (this.#tags.get(tag) !== sequence) return;
    if (expiries === undefined) this.#expiries.delete(tag);
    else this.#expiries.set(tag, expiries);
  }

  #forget(tag: string): void {
    this.#tags.delete(tag);
    this.#expiries.delete(tag);
  }

  /** The tag's last invalidation up to `asOf` is this one. */
  #move(tag: string, sequence: number, asOf: number): void {
    const known = this.#tags.get(tag);
    if (known !== undefined && known >= sequence) return;
    // Late news about a tag that was forgotten since: there may have been a later move, which the floor stands for.
    if (known === undefined && sequence <= this.#floor && asOf < this.#floor) return;
    this.#tags.delete(tag); // to the end: the map is in order of the last move
    this.#tags.set(tag, sequence);
    if (sequence > this.#latest) this.#latest = sequence;
    if (sequence > (known ?? this.#floor)) this.revision.advance();
    if (this.#tags.size > this.#maxTags) this.#forgetOldest();
  }

  #forgetOldest(): void {
    for (const [tag, sequence] of this.#tags) {
      this.#forget(tag);
      if (sequence > this.#floor) this.#floor = sequence;
      return;
    }
  }
}
