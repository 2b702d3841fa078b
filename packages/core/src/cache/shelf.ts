import type { Clock } from '../kernel/clock.js';
import type { RequestContext } from '../kernel/context.js';
import type { Token } from '../kernel/token.js';
import { encode } from './encoding.js';
import type { Follower } from './follower.js';
import { footprintOf } from './footprint.js';
import { decodeFrame, encodeFrame, type Frame } from './frame.js';
import { Inquiry } from './inquiry.js';
import type { KeyCodecs } from './key-codecs.js';
import type { Lifetime } from './lifetime.js';
import { LocalEntry } from './local-entry.js';
import { withTags } from './names.js';
import type { CacheClock, LocalLevel, SharedLevel } from './ports.js';
import type { Verdict } from './positions.js';
import type { Reopening } from './reopening.js';
import type { CacheRules } from './rules.js';
import { aheadMsOf, type Grace, keptMs, type Times, type Use, useOf } from './staleness.js';

/** A stored value that may be used. */
export interface Found {
  readonly kind: 'found';
  readonly value: unknown;
  readonly tags: readonly string[];
  readonly seen: Token;
  readonly asOf: number;
  readonly use: Exclude<Use, 'none'>;
}

/** What decides whether a value may be used, and what its readers have seen with it. */
type Conditions = Pick<LocalEntry, 'epoch' | 'asOf' | 'tags' | 'seen'>;

/** Who asks for a value, and how stale it may be. */
interface Asker {
  readonly context: Pick<RequestContext, 'token'>;
  readonly lifetime: Lifetime;
  /** Epoch ms, where it has been read for many values at once. */
  readonly now?: number | undefined;
}

/** A stored value that is of use, unless one of its tags has moved. */
interface Candidate {
  readonly key: string;
  readonly frame: Frame;
  readonly tags: readonly string[];
  readonly asker: Asker;
  readonly pastMs: number;
}

/** What a shelf stands on. */
export interface ShelfInit {
  readonly clock: Clock;
  readonly codecs: KeyCodecs;
  readonly level: SharedLevel;
  readonly local: LocalLevel | undefined;
  readonly follower: Follower;
  /** Nothing is taken out while it is shut. */
  readonly reopening: Pick<Reopening, 'isOpen'>;
  readonly rules: CacheRules;
}

const nothing = Buffer.alloc(0);

/** Puts values into both levels, and takes out what is valid. */
export class Shelf {
  readonly #init: ShelfInit;
  readonly #inquiry: Inquiry;

  constructor(init: ShelfInit) {
    this.#init = init;
    this.#inquiry = new Inquiry(init.level);
  }

  /** Whether a local value is fresh, and valid as far as is known here; forgets it when it is of no use any more. */
  isValid(entry: LocalEntry, now: number): boolean {
    const { positions } = this.#init.follower;
    const { local, rules } = this.#init;
    if (entry.expiresAt > now && entry.dueAt <= now) entry.isDue = true;
    // Nothing has happened since it was last found valid.
    if (entry.checkedAt === positions.revision.number && entry.expiresAt > now) return true;
    if (entry.expiresAt > now && rules.isSameEpoch(entry.epoch, positions.epoch)) {
      const verdict = rules.check(positions, entry.tags, entry.asOf);
      if (verdict === 'valid') entry.checkedAt = positions.revision.number;
      if (verdict !== 'moved') return verdict === 'valid';
    } else if (entry.expiresAt + keptMs(entry) > now && rules.isSameEpoch(entry.epoch, positions.epoch)) {
      return false;
    }
    local?.delete(entry.key);
    return false;
  }

  /** What a local value may be used for, fresh or not, as far as is known here. */
  useOf(entry: LocalEntry, asker: Asker, now: number): Use {
    const { rules, follower } = this.#init;
    if (!rules.isSameEpoch(entry.epoch, follower.positions.epoch)) return 'none';
    const verdict = rules.check(follower.positions, entry.tags, entry.asOf);
    return this.#judge(verdict, entry, asker, now - entry.expiresAt);
  }

  /** What time, and expiries of its tags, make of a value. */
  #judge(verdict: Verdict, value: Conditions & Grace, asker: Asker, pastMs: number): Use {
    if (verdict === 'moved' || verdict === 'unknown') return 'none';
    const { clock, follower, rules } = this.#init;
    const { tags, asOf, epoch } = value;
    const { context, lifetime } = asker;
    const expiry = verdict === 'expired' ? follower.positions.expiry(tags, asOf) : undefined;
    if (expiry === undefined) return useOf(pastMs, value, lifetime);
    if (!rules.mayServeExpired(context.token, epoch, expiry)) return 'none';
    return useOf(Math.max(pastMs, clock.now() - expiry.at, 0), value, lifetime);
  }

  /**
   * Reads what the shared level answered together with the clock; undefined unless it is of use. `tags` are what the reader
   * says about the value: it may know more of them than who stored it.
   */
  find(
    key: string,
    bytes: Buffer | undefined,
    clock: CacheClock,
    tags: readonly string[],
    asker: Asker,
  ): Found | undefined | Promise<Found | undefined> {
    const { codecs, follower, rules } = this.#init;
    const codec = codecs.of(key);
    const known = { epoch: follower.positions.epoch, codec: codec.name, tags };
    const frame = bytes && decodeFrame(bytes, known);
    if (frame === undefined || frame.codec !== codec.name) return undefined;
    const { asOf, epoch } = frame;
    const pastMs = (asker.now ?? this.#init.clock.now()) - frame.expiresAt;
    const { lifetime } = asker;
    if (frame.isNothing && lifetime.negativeTtlMs === 0) return undefined;
    if (useOf(pastMs, frame, lifetime) === 'none' || !rules.isSameEpoch(epoch, clock.epoch)) return undefined;
    // Another answer may have brought another epoch meanwhile: what is known here says nothing about this one then.
    if (!rules.isSameEpoch(epoch, follower.positions.epoch)) return undefined;
    // Since the answer was met, another one may have made this instance follow another epoch, whose sequences say nothing here.
    if (!follower.positions.reached(clock.epoch, clock.sequence)) return undefined;
    const all = withTags(frame.tags, tags);
    const verdict = rules.check(follower.positions, all, asOf);
    return verdict === 'unknown'
      ? this.#inquire({ key, frame, tags: all, asker, pastMs })
      : this.#take(key, frame, all, asker, pastMs, verdict);
  }

  /** Asks the shared level about tags of which too little is known here. */
  async #inquire(candidate: Candidate): Promise<Found | undefined> {
    const { follower, rules } = this.#init;
    const { key, frame, tags, asker, pastMs } = candidate;
    const { clock, moves } = await this.#inquiry.ask(tags);
    const { positions } = follower;
    if (!rules.isSameEpoch(clock.epoch, frame.epoch)) return undefined;
    if (!rules.isSameEpoch(clock.epoch, positions.epoch)) return undefined;
    positions.learn(clock, tags, moves);
    return this.#take(key, frame, tags, asker, pastMs, rules.check(positions, tags, frame.asOf));
  }

  #take(
    key: string,
    frame: Frame,
    tags: readonly string[],
    asker: Asker,
    pastMs: number,
    verdict: Verdict,
  ): Found | undefined {
    const { codecs, reopening, local } = this.#init;
    const { lifetime } = asker;
    // Whoever asked before the shared level went away may get its answer after the return.
    if (!reopening.isOpen) return undefined;
    const { epoch, asOf, seen, payload, isNothing, staleMs, staleIfErrorMs } = frame;
    const use = this.#judge(verdict, tags === frame.tags ? frame : { ...frame, tags }, asker, pastMs);
    if (use === 'none') return undefined;
    let value: unknown;
    try {
      value = isNothing ? undefined : codecs.of(key).decode(payload);
    } catch {
      return undefined;
    }
    if (local !== undefined) {
      const ttlMs = Math.min(-pastMs, isNothing ? lifetime.negativeTtlMs : lifetime.ttlMs);
      const times = { ttlMs, staleMs, staleIfErrorMs, aheadMs: isNothing ? 0 : aheadMsOf(lifetime) };
      this.#keep(key, value, { epoch, asOf, seen, tags }, times, payload.length);
    }
    return { kind: 'found', value, tags, seen, asOf, use };
  }

  /** Turns the value of a key into bytes; throws `CacheValueError` where its codec cannot. */
  encode(key: string, value: unknown): Buffer {
    return encode(key, this.#init.codecs.of(key), value);
  }

  /**
   * Stores an encoded value, or that there is nothing, in both levels, and gives it as everybody will find it. `stored`
   * tells whether the shared level has it.
   */
  put(
    key: string,
    payload: Buffer | undefined,
    from: Conditions,
    times: Times,
  ): { readonly value: unknown; readonly stored: Promise<boolean> } {
    const { clock, codecs, level } = this.#init;
    const codec = codecs.of(key);
    const { ttlMs, staleMs, staleIfErrorMs } = times;
    const frame = encodeFrame({
      ...{ ...from, expiresAt: clock.now() + ttlMs, staleMs, staleIfErrorMs },
      ...{ codec: codec.name, isNothing: payload === undefined, payload: payload ?? nothing },
    });
    const value = payload && codec.decode(payload);
    this.#keep(key, value, from, times, payload?.length ?? 0);
    const stored = level.store(key, frame, Math.ceil(ttlMs + keptMs(times))).then(
      () => true,
      () => false,
    );
    return { value, stored };
  }

  /** Takes a value away that is no more: it must not be served stale. */
  async drop(key: string): Promise<void> {
    const { local, level } = this.#init;
    local?.delete(key);
    await level.store(key, nothing, 1).catch(() => undefined);
  }

  #keep(key: string, value: unknown, from: Conditions, times: Times, encodedBytes: number): void {
    const { clock, local, follower } = this.#init;
    if (local === undefined || from.epoch !== follower.positions.epoch) return;
    const { ttlMs, staleMs, staleIfErrorMs, aheadMs } = times;
    const expiresAt = clock.monotonic() + ttlMs;
    const bytes = footprintOf({ key, value, ...from, encodedBytes });
    const { epoch } = follower.positions; // the same string: others take longer to compare
    local.set(
      new LocalEntry({ ...from, key, value, epoch, expiresAt, aheadMs, staleMs, staleIfErrorMs, bytes }),
    );
  }
}
