import type { RequestContext } from '../kernel/context.js';
import type { Kernel } from '../kernel/kernel.js';
import type { CounterCell } from '../kernel/meter.js';
import { type Call, handOver, includeIn, taint } from './call.js';
import { asGranted } from './lifetime.js';
import type { Loads } from './loads.js';
import type { Answer, Lookup, Question } from './lookup.js';
import { cacheInstruments } from './metrics.js';
import type { CacheSpan, CacheSpans } from './ports.js';
import type { Refreshes } from './refreshes.js';
import type { Found } from './shelf.js';
import { mayHide, usesAtOnce, usesInstead, usesInTime } from './staleness.js';

/** What a supply stands on. */
export interface SupplyInit {
  readonly kernel: Kernel;
  readonly lookup: Lookup;
  readonly loads: Loads;
  readonly refreshes: Refreshes;
  /** Undefined: nobody wants spans. */
  readonly spans: CacheSpans | undefined;
}

/** Gives values: from the nearest level that may serve them, or from a loader. */
export class Supply {
  readonly #init: SupplyInit;
  readonly #sharedHits: CounterCell;
  readonly #staleHits: CounterCell;
  readonly #misses: CounterCell;

  constructor(init: SupplyInit) {
    const { meter } = init.kernel;
    this.#init = init;
    this.#sharedHits = meter.counter(cacheInstruments.requests, { source: 'shared' });
    this.#staleHits = meter.counter(cacheInstruments.requests, { source: 'stale' });
    this.#misses = meter.counter(cacheInstruments.requests, { source: 'none' });
  }

  /** What the levels have; undefined where somebody would have to load it. `allowStale`: what is past its time will do. */
  async find(question: Question, allowStale: boolean): Promise<unknown> {
    const { lookup } = this.#init;
    const asked = allowStale ? { ...question, lifetime: asGranted(question.lifetime) } : question;
    const uses = allowStale ? usesAtOnce(asked) : usesInTime;
    const held = allowStale ? lookup.held(asked, uses) : undefined;
    if (held !== undefined) return this.take(held, question.context);
    const answer = await lookup.shared(asked, uses);
    if (answer.kind === 'found') return this.take(answer, question.context);
    this.#misses.add();
    return undefined;
  }

  /** Gives what no fresh local value has answered. */
  get(call: Call): Promise<unknown> {
    const { spans } = this.#init;
    return spans === undefined ? this.#get(call) : spans.within(call.key, (span) => this.#get(call, span));
  }

  async #get(call: Call, span?: CacheSpan): Promise<unknown> {
    const { lookup } = this.#init;
    const uses = usesAtOnce(call);
    const held = lookup.held(call, uses);
    const answer: Answer = held ?? (await lookup.shared(call, uses));
    span?.answered(answer.kind === 'found' ? answer.use : answer.kind);
    return answer.kind === 'found' ? this.takeAndReplace(answer, call) : this.load(call, answer);
  }

  /** Gives what is stored. Nothing that a stale value goes into is stored. */
  take(found: Found, context: RequestContext): unknown {
    const isInTime = found.use === 'fresh' || found.use === 'due';
    (isInTime ? this.#sharedHits : this.#staleHits).add();
    includeIn(context, found);
    if (!isInTime) taint(context);
    return found.value;
  }

  /** Gives what is stored, and has it replaced where it is about to be past its time, or is already. */
  takeAndReplace(found: Found, call: Call): unknown {
    if (call.isReplacing && found.use === 'stale') return this.#replaceOrTake(found, call);
    if (found.use !== 'fresh' && !call.isReplacing) this.replace(call);
    return this.take(found, call.context);
  }

  /** Has the caller replace what is past its time; gives it as it is where others are at it. */
  async #replaceOrTake(found: Found, call: Call): Promise<unknown> {
    try {
      const landing = await this.#init.refreshes.here(call);
      return landing === undefined ? this.take(found, call.context) : handOver(call, landing);
    } catch (cause) {
      return this.#insteadOf(cause, call);
    }
  }

  /** Has the value of a key replaced in the background. */
  replace(call: Call): void {
    const replacing = this.#init.refreshes.begin(call) ?? Promise.resolve();
    if (call.batch !== undefined) void replacing.then(() => call.batch.pass(call.key)); // it never rejects
  }

  /** Loads what the shared level does not have, or cannot answer for. */
  async load(call: Call, answer: Exclude<Answer, Found>): Promise<unknown> {
    const { loads } = this.#init;
    if (answer.kind === 'beyond') {
      const value = await loads.direct(call);
      if (answer.instead !== undefined) call.context.replaceCache(answer.instead);
      return value;
    }
    const loading = answer.kind === 'absent' ? loads.load(call) : loads.direct(call);
    return loading.catch((cause) => this.#insteadOf(cause, call));
  }

  /** What may be served instead of an error: looked for only now, since it may have become invalid meanwhile. */
  async #insteadOf(cause: unknown, call: Call): Promise<unknown> {
    if (!mayHide(cause, call)) throw cause;
    const { kernel, lookup } = this.#init;
    let found = lookup.held(call, usesInstead);
    if (found === undefined) {
      const answer = await lookup.shared(call, usesInstead);
      if (answer.kind !== 'found') throw cause;
      found = answer;
    }
    kernel.logger.warn({ err: cause, key: call.key }, 'a cached value is served instead of an error');
    return this.take(found, call.context);
  }
}
