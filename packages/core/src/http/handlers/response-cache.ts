import type { RequestContext } from '../../kernel/context.js';
import { isPandoError } from '../../kernel/errors.js';
import type { CounterCell } from '../../kernel/meter.js';
import { isCoded, statusHeader } from '../answer-policy.js';
import { AnswerRecorder, FailedAnswer, type UnstoredReason, unstoredReasons } from '../answer-recorder.js';
import { CodedBodies } from '../coded-bodies.js';
import { type Conditions, conditionsOf, TakenConditions } from '../conditions.js';
import { bestCoding } from '../content-coding.js';
import type { AnswerHeaders } from '../exchange.js';
import type { Kit } from '../kit.js';
import { LearnedNames } from '../learned-names.js';
import { httpInstruments } from '../metrics.js';
import { ownLifetime } from '../own-lifetime.js';
import { PassList } from '../pass-list.js';
import { maxAgeMsOf, type Passage, passageOf } from '../passage.js';
import {
  type ResolvedResponseCacheOptions,
  type ResponseCacheOptions,
  resolveResponseCacheOptions,
} from '../response-cache-options.js';
import { responseKey, varyNames } from '../response-key.js';
import { ageMsOf, type CachedAnswer, cachedAnswer, type StoredAnswer } from '../stored-answer.js';
import type { Visit } from '../visit.js';

/** Lets the route's handler answer; with a recorder that has to listen, if there is one. */
export type Handle = (recorder?: AnswerRecorder) => void;

/** What one request asks for. */
interface Asked {
  readonly key: string;
  readonly tags: readonly string[];
  /** The request headers that are part of the key. */
  readonly keyed: ReadonlySet<string>;
  readonly conditions: Conditions;
}

/** A load that this request's own handler carries out; its recorder comes a little later. */
interface Recording {
  hasBegun: boolean;
  recorder?: AnswerRecorder;
}

const noConditions: Conditions = Object.freeze({ ifNoneMatch: undefined, ifModifiedSince: undefined });

/** Outcomes that will be the same next time, other than a passing failure. */
const lasting: ReadonlySet<UnstoredReason> = new Set([
  ...(['cookie', 'secret', 'directive', 'stream', 'size', 'wrote'] as const),
]);

/**
 * Answers requests of one route out of `pando.cache`, and stores the answers of its handler there.
 *
 * A stored answer is a cached value like any other: judged by its tags, by the token of who asks, and by what the handler
 * has read from databases and caches while it was made.
 */
export class ResponseCache<Request> {
  readonly #kit: Kit;
  readonly #options: ResolvedResponseCacheOptions<Request>;
  readonly #bodies: CodedBodies;
  readonly #passed: PassList;
  readonly #learned: LearnedNames;
  readonly #outcomes: Readonly<Record<'hit' | 'miss' | 'bypass', CounterCell>>;
  readonly #unstored: Readonly<Record<UnstoredReason, CounterCell>>;

  /** @throws `PandoOptionsError` */
  constructor(kit: Kit, options: ResponseCacheOptions<Request> | undefined) {
    const { meter, clock } = kit.kernel;
    this.#kit = kit;
    this.#options = resolveResponseCacheOptions(options);
    this.#bodies = new CodedBodies(kit.cache, this.#options.lifetime.ttlMs);
    this.#passed = new PassList(clock);
    this.#learned = new LearnedNames(kit);
    const outcome = (name: string) => meter.counter(httpInstruments.cacheRequests, { outcome: name });
    this.#outcomes = { hit: outcome('hit'), miss: outcome('miss'), bypass: outcome('bypass') };
    this.#unstored = Object.fromEntries(
      unstoredReasons.map((reason) => [reason, meter.counter(httpInstruments.cacheUnstored, { reason })]),
    ) as Record<UnstoredReason, CounterCell>;
  }

  /**
   * Resolves to the answer, or to undefined once the handler has been let to answer.
   *
   * The handler runs once for all who ask for the same in this process at the same time. Others wait for its answer, and
   * run it themselves when that turns out not to be for storing, or when its client goes away. To be called in the
   * context of the visit.
   */
  async serve(visit: Visit, request: Request, handle: Handle): Promise<CachedAnswer | undefined> {
    if (visit.isRecorded) return void handle();
    const { exchange } = visit;
    const asked = await this.#ask(visit, request);
    if (typeof asked === 'string') return this.#pass(visit, asked, handle);
    if (this.#passed.has(asked.key)) {
      this.#outcomes.bypass.add();
      return void handle(this.#watch(visit, asked));
    }
    const stored = await this.#get(visit, asked, handle);
    if (stored === 'recorded') return undefined;
    const now = this.#kit.kernel.clock.now();
    const isTooOld = (answer: StoredAnswer): boolean =>
      this.#options.heedRequest && ageMsOf(answer, now) > maxAgeMsOf(exchange.headers);
    if (stored === undefined || isTooOld(stored)) {
      this.#outcomes.miss.add();
      return void handle();
    }
    this.#outcomes.hit.add();
    return this.#answer(visit, asked, stored);
  }

  /** The answer to a request out of a stored one. With a recorder: in the place of the one that it holds back. */
  #answer(
    { exchange }: Visit,
    { tags, conditions }: Asked,
    stored: StoredAnswer,
    held?: AnswerRecorder,
  ): Promise<CachedAnswer> {
    return cachedAnswer(stored, this.#options, this.#bodies, {
      before: held?.before ?? exchange.answerHeaders,
      conditions,
      coding: isCoded(this.#options, stored.headers) ? bestCoding(exchange.headers) : undefined,
      tags,
      hasFailed: held !== undefined,
      now: this.#kit.kernel.clock.now(),
    });
  }

  /** What the request asks for, or why the cache has no say in it. */
  async #ask({ exchange, context }: Visit, request: Request): Promise<Asked | Passage> {
    const { identity, vary, query, tagsOf } = this.#options;
    const passage = passageOf(exchange, this.#options, this.#kit.name);
    if (passage !== undefined) return passage;
    const who = typeof identity === 'function' ? await identity(request) : undefined;
    const learning = this.#learned.of(exchange.route);
    if (learning !== undefined) await learning;
    // What middleware before this one has said of its own work may hold for the handler as well.
    const keyed = new Set([...vary, ...this.#learned.all, ...varyNames(exchange.answerHeaders.vary)]);
    if (keyed.has('*')) return 'bypass';
    return {
      key: responseKey(exchange, { identity: who, vary: keyed, query }),
      tags: tagsOf(request),
      keyed,
      conditions: conditionsOf(exchange.headers, context.token),
    };
  }

  #pass({ exchange }: Visit, passage: Passage, handle: Handle): undefined {
    this.#outcomes.bypass.add();
    const told = statusHeader(this.#options, exchange.answerHeaders, `fwd=${passage}`);
    for (const name in told) exchange.setAnswerHeader(name, told[name] as string);
    handle();
  }

  /** The stored answer, or that of somebody else's handler; `'recorded'` when this request's own handler gives it. */
  async #get(visit: Visit, asked: Asked, handle: Handle): Promise<StoredAnswer | undefined | 'recorded'> {
    const { cache } = this.#kit;
    const { signal, method } = visit.exchange;
    const { key, tags } = asked;
    // Its own answer has no body to store: it takes what there is, and leaves replacing that to GET.
    if (method === 'HEAD') return cache.get<StoredAnswer>(key, { signal, allowStale: true });
    const terms = {
      ...this.#options.lifetime,
      ...{ tags, signal, replacedBy: 'caller' as const, negativeTtlMs: 0, refreshAheadRatio: false as const },
      lifetimeOf: (answer: StoredAnswer | undefined) =>
        answer === undefined ? {} : { ...ownLifetime(answer.headers), ttlMs: answer.freshMs, jitterRatio: 0 },
    };
    for (;;) {
      const recording: Recording = { hasBegun: false };
      const load = (): Promise<StoredAnswer | undefined> => {
        recording.hasBegun = true;
        return this.#record(visit, asked, handle, recording);
      };
      try {
        const stored = await cache.getOrLoad(key, load, terms);
        if (!recording.hasBegun) return stored;
        const { recorder } = recording;
        const isReplaced = recorder?.isHeld === true && stored !== undefined;
        recorder?.conclude(isReplaced ? await this.#answer(visit, asked, stored, recorder) : undefined);
        return 'recorded';
      } catch (cause) {
        if (recording.hasBegun) {
          recording.recorder?.conclude();
          return 'recorded'; // whatever became of the recording: the handler answers
        }
        if (cause instanceof FailedAnswer) return undefined;
        const isTheirs = isPandoError(cause) && cause.code === 'PANDO_HTTP_CLIENT_GONE';
        if (!isTheirs || signal.aborted) throw cause;
      }
    }
  }

  /** Runs the handler of a request, in the context of the load that this is, and resolves to what it answers. */
  async #record(
    visit: Visit,
    asked: Asked,
    handle: Handle,
    recording: Recording,
  ): Promise<StoredAnswer | undefined> {
    const { contexts } = this.#kit.kernel;
    const { exchange } = visit;
    const load = contexts.current();
    this.#outcomes.miss.add();
    await this.#renewEpoch(visit, load);
    visit.isRecorded = true;
    const taken = new TakenConditions(exchange.headers);
    const recorder = this.#recorder(visit, asked, 'miss');
    recording.recorder = recorder;
    visit.context = visit.context.loading(load);
    exchange.signal.addEventListener('abort', () => recorder.lose(exchange.signal.reason), { once: true });
    contexts.run(visit.context, () => handle(recorder));
    return recorder.outcome.finally(() => taken[Symbol.dispose]());
  }

  /**
   * Looks whether a handler still answers what is not for storing: from when on it does not, others may wait for it again.
   * Nobody waits for this answer, and it is stored nowhere.
   */
  #watch(visit: Visit, asked: Asked): AnswerRecorder | undefined {
    if (visit.exchange.method === 'HEAD') return undefined;
    const recorder = this.#recorder(visit, asked, 'bypass');
    recorder.conclude(); // there is no load
    const isOver = (answer: StoredAnswer | undefined): void => {
      if (answer !== undefined) this.#passed.delete(asked.key);
    };
    void recorder.outcome.then(isOver, () => undefined);
    return recorder;
  }

  #recorder(
    visit: Visit,
    { key, keyed, tags, conditions }: Asked,
    forwarded: 'miss' | 'bypass',
  ): AnswerRecorder {
    const { exchange, context } = visit;
    const { clock } = this.#kit.kernel;
    const writtenBefore = context.written;
    return new AnswerRecorder({
      options: this.#options,
      tags,
      before: { ...exchange.answerHeaders },
      keyed,
      conditions: forwarded === 'miss' ? conditions : noConditions, // else its handler heeds its own
      forwarded,
      wrote: () => context.written !== writtenBefore,
      isOther: () => exchange.method !== 'GET',
      now: () => clock.now(),
      freshMsOf: (headers) => this.#freshMsOf(headers),
      refused: (reason, vary) => {
        if (forwarded === 'miss') this.#unstored[reason].add(); // else it was not to be stored anyway
        if (lasting.has(reason)) this.#passed.add(key);
        const unknown = vary.filter((name) => !keyed.has(name));
        if (reason === 'vary') this.#learned.learn(exchange.route, unknown);
      },
    });
  }

  /**
   * A load past the cache may mean that the client has seen an epoch that is gone. Its answer must say so, or it would
   * stay shut out; but the head of that leaves before this load has ended. So another value is asked for, whatever it is.
   */
  async #renewEpoch({ context }: Visit, load: RequestContext): Promise<void> {
    const isPast = load.token === context.token && load.token.cache.length > 0;
    if (!isPast) return;
    const { cache, kernel } = this.#kit;
    await kernel.contexts.run(context, () => cache.getOrLoad('http:epoch', () => true));
  }

  /** Decided here, so that an answer can say for how long it is fresh. */
  #freshMsOf(headers: AnswerHeaders): number {
    const { lifetime } = this.#kit.cache;
    const { ttlMs = this.#options.lifetime.ttlMs ?? lifetime.ttlMs } = ownLifetime(headers);
    return Math.max(1, ttlMs * (1 - lifetime.jitterRatio * Math.random()));
  }
}
