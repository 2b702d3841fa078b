import type { RequestContext } from '../kernel/context.js';
import type { Kernel } from '../kernel/kernel.js';
import type { CachePosition } from '../kernel/token.js';
import { TurnClock } from '../kernel/turn-clock.js';
import type { Backlog } from './backlog.js';
import type { Call } from './call.js';
import type { Follower } from './follower.js';
import type { Lineage } from './lineage.js';
import type { Pending } from './pending.js';
import type { CacheClock, LocalEntry, LocalLevel, SharedLevel } from './ports.js';
import type { Reader, Reading } from './reader.js';
import type { Reopening } from './reopening.js';
import type { CacheRules } from './rules.js';
import type { Found, Shelf } from './shelf.js';
import type { Use } from './staleness.js';

/** What a lookup stands on. */
export interface LookupInit {
  readonly kernel: Kernel;
  readonly trustMs: number;
  readonly level: SharedLevel;
  readonly local: LocalLevel | undefined;
  readonly follower: Follower;
  readonly backlog: Backlog;
  readonly reader: Reader;
  readonly reopening: Reopening;
  readonly lineage: Lineage;
  readonly pending: Pending;
  readonly shelf: Shelf;
  readonly rules: CacheRules;
}

/** What the shared level is asked for. */
export type Question = Pick<Call, 'key' | 'tags' | 'lifetime' | 'context'>;

/** What a value must be good for to answer. */
export type Uses = readonly Exclude<Use, 'none'>[];

/** What the shared level has for a call. `beyond`: the call demands more than any level can prove. */
export type Answer =
  | { readonly kind: 'found'; readonly found: Found }
  | { readonly kind: 'absent' | 'away' }
  | { readonly kind: 'beyond'; readonly instead?: CachePosition };

const absent: Answer = Object.freeze({ kind: 'absent' });
const away: Answer = Object.freeze({ kind: 'away' });

/** Looks for a value in the levels, and decides which of them may answer whom. */
export class Lookup {
  readonly #init: LookupInit;
  readonly #clock: TurnClock;

  constructor(init: LookupInit) {
    this.#init = init;
    this.#clock = new TurnClock(init.kernel.clock);
  }

  /** The local value of a key, if it is fresh and may answer here and now. Allocates nothing. */
  local(key: string, context: RequestContext): LocalEntry | undefined {
    const { local, shelf } = this.#init;
    const entry = local?.get(key);
    if (entry === undefined) return undefined;
    const now = this.#now(context);
    return this.#isKnown(entry, context, now) && shelf.isValid(key, entry, now) ? entry : undefined;
  }

  /** The local value of a key, even if it is past its time, where that is of use and may answer here and now. */
  held({ key, context, lifetime }: Question, uses: Uses): Found | undefined {
    const { local, shelf } = this.#init;
    const entry = local?.get(key);
    if (entry === undefined) return undefined;
    const now = this.#now(context);
    const use = shelf.useOf(entry, lifetime, now);
    if (use === 'none' || !uses.includes(use) || !this.#isKnown(entry, context, now)) return undefined;
    const { value, tags, seen, asOf } = entry;
    return { value, tags, seen, asOf, use };
  }

  /**
   * Asks the shared level for a value that may answer. Never rejects: a level that does not answer is away.
   *
   * In one piece: each asynchronous call within it would take 0.25 µs of the 7 that a hit takes.
   */
  async shared(question: Question, uses: Uses): Promise<Answer> {
    try {
      const { level, reopening, lineage, reader, pending, rules, shelf } = this.#init;
      const { context, key, tags, lifetime } = question;
      if (!level.isUp || this.#isUnconfirmed(tags)) return away;
      if (!reopening.isOpen && !(await reopening.admits())) return away;
      if (!lineage.isSettled && !(await lineage.admits())) return away;
      const { token } = context;
      const reading = await reader.read(key, token.pending);
      const clock = reading.isMet ? reading.clock : await this.#meet(reading);
      if (clock === undefined) return away;
      if (token.pending.length > 0) {
        pending.settle(context, reading.settled, clock);
        if (await pending.lookUp(context)) return await this.shared(question, uses);
      }
      const demand = rules.demand(context.token);
      if (demand.kind === 'beyond') return { kind: 'beyond' };
      if (demand.kind === 'gone' || (demand.kind === 'at' && demand.position.epoch !== clock.epoch)) {
        return { kind: 'beyond', instead: { epoch: clock.epoch, sequence: clock.sequence } };
      }
      if (demand.kind === 'at' && demand.position.sequence > clock.sequence) {
        await level.renew(); // the state has lost what somebody has seen
        return { kind: 'beyond' };
      }
      const result = shelf.find(key, reading.of(key), clock, tags, lifetime);
      const found = result instanceof Promise ? await result : result; // waiting for nothing takes 0.2 µs
      if (found === undefined || !uses.includes(found.use)) return absent;
      return this.#isUnconfirmed(found.tags) ? absent : { kind: 'found', found };
    } catch (cause) {
      this.#init.kernel.logger.debug({ err: cause, key: question.key }, 'the shared level did not answer');
      return away;
    }
  }

  /** The present, and nothing before the request began: what was trusted then is not trusted for longer. */
  #now({ openedAt }: RequestContext): number {
    return Math.max(this.#clock.now(), openedAt);
  }

  /** Whether enough is known here to judge a local value for a reader. */
  #isKnown(entry: LocalEntry, { token }: RequestContext, now: number): boolean {
    const { trustMs, follower, lineage, reopening, level, rules } = this.#init;
    const sinceProofMs = now - follower.provenAt;
    if (!lineage.isSettled) return false;
    if (!reopening.isOpen || !rules.isTrusted(level.isLive, sinceProofMs, trustMs)) return false;
    if (sinceProofMs > trustMs / 2) follower.prove(); // in time, so that nobody has to wait for it
    const known = Math.max(follower.positions.applied, entry.asOf);
    return rules.reaches(token, entry.epoch, known) && !this.#isUnconfirmed(entry.tags);
  }

  /** The clock of a state that did not exist when it was asked for, once this instance has caught up with it. */
  async #meet({ clock, since }: Reading): Promise<CacheClock | undefined> {
    if (clock !== undefined) return undefined; // it could not catch up
    const begun = await this.#init.level.begin([]);
    return (await this.#init.follower.meet(begun.clock, since)) ? begun.clock : undefined;
  }

  #isUnconfirmed(tags: readonly string[]): boolean {
    const { rules, backlog } = this.#init;
    return rules.isUnconfirmed(backlog, tags);
  }
}
