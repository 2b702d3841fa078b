import type { RequestContext } from '../kernel/context.js';
import type { Kernel } from '../kernel/kernel.js';
import type { CachePosition } from '../kernel/token.js';
import type { Backlog } from './backlog.js';
import type { Call } from './call.js';
import type { Follower } from './follower.js';
import type { Lineage } from './lineage.js';
import type { Pending } from './pending.js';
import type { LocalEntry, LocalLevel, SharedLevel } from './ports.js';
import type { Reader } from './reader.js';
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

  constructor(init: LookupInit) {
    this.#init = init;
  }

  /** The local value of a key, if it is fresh and may answer here and now. Allocates nothing. */
  local(key: string, context: RequestContext): LocalEntry | undefined {
    const { kernel, local, shelf } = this.#init;
    const entry = local?.get(key);
    if (entry === undefined) return undefined;
    const now = kernel.clock.monotonic();
    return this.#isKnown(entry, context, now) && shelf.isValid(key, entry, now) ? entry : undefined;
  }

  /** The local value of a key, even if it is past its time, where that is of use and may answer here and now. */
  held({ key, context, lifetime }: Question, uses: Uses): Found | undefined {
    const { kernel, local, shelf } = this.#init;
    const entry = local?.get(key);
    if (entry === undefined) return undefined;
    const now = kernel.clock.monotonic();
    const use = shelf.useOf(entry, lifetime, now);
    if (use === 'none' || !uses.includes(use) || !this.#isKnown(entry, context, now)) return undefined;
    const { outcome, tags, seen, asOf } = entry;
    return { outcome, tags, seen, asOf, use };
  }

  /** Asks the shared level for a value that may answer. Never rejects: a level that does not answer is away. */
  shared(question: Question, uses: Uses): Promise<Answer> {
    return this.#ask(question, uses).catch((cause: unknown) => {
      this.#init.kernel.logger.debug({ err: cause, key: question.key }, 'the shared level did not answer');
      return away;
    });
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

  async #ask(question: Question, uses: Uses): Promise<Answer> {
    const { level, reopening, lineage, reader, follower, pending, rules, shelf } = this.#init;
    const { context, key, tags, lifetime } = question;
    if (!level.isUp || this.#isUnconfirmed(tags)) return away;
    if (!reopening.isOpen && !(await reopening.admits())) return away;
    if (!lineage.isSettled && !(await lineage.admits())) return away;
    const reading = await reader.read(key, context.token.pending);
    const clock = reading.clock ?? (await level.begin([])).clock;
    if (!(await follower.meet(clock, reading.since))) return away;
    pending.settle(context, reading.settled, clock);
    if (await pending.lookUp(context)) return this.#ask(question, uses);
    const demand = rules.demand(context.token);
    if (demand.kind === 'beyond') return { kind: 'beyond' };
    if (demand.kind === 'gone' || (demand.kind === 'at' && demand.position.epoch !== clock.epoch)) {
      return { kind: 'beyond', instead: { epoch: clock.epoch, sequence: clock.sequence } };
    }
    if (demand.kind === 'at' && demand.position.sequence > clock.sequence) {
      await level.renew(); // the state has lost what somebody has seen
      return { kind: 'beyond' };
    }
    const found = await shelf.find(key, reading.value, clock, tags, lifetime);
    if (found === undefined || !uses.includes(found.use)) return absent;
    return this.#isUnconfirmed(found.tags) ? absent : { kind: 'found', found };
  }

  #isUnconfirmed(tags: readonly string[]): boolean {
    const { rules, backlog } = this.#init;
    return rules.isUnconfirmed(backlog, tags);
  }
}
