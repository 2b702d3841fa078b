import type { IncomingHttpHeaders } from 'node:http';
import type { RequestContext } from '../../kernel/context.js';
import { isPandoError } from '../../kernel/errors.js';
import type { CounterCell } from '../../kernel/meter.js';
import { AnswerRecorder, type UnstoredReason, unstoredReasons } from '../answer-recorder.js';
import type { Exchange } from '../exchange.js';
import { headerOf } from '../headers.js';
import type { Kit } from '../kit.js';
import { httpInstruments } from '../metrics.js';
import { PassList } from '../pass-list.js';
import {
  type ResolvedResponseCacheOptions,
  type ResponseCacheOptions,
  resolveResponseCacheOptions,
} from '../response-cache-options.js';
import { responseKey, varyNames } from '../response-key.js';
import { type CachedAnswer, cachedAnswer, type StoredAnswer } from '../stored-answer.js';
import type { Visit } from '../visit.js';

/** Lets the route's handler answer; with a recorder that has to listen, if there is one. */
export type Handle = (recorder?: AnswerRecorder) => void;

/** What one request asks for. */
interface Asked {
  readonly key: string;
  readonly tags: readonly string[];
  /** The request headers that are part of the key. */
  readonly keyed: ReadonlySet<string>;
}

/** Names learned from `Vary` of answers; more would be a mistake of the application. */
const maxLearned = 16;

/** Outcomes that will be the same next time, other than a passing failure. */
const lasting: ReadonlySet<UnstoredReason> = new Set(['cookie', 'directive', 'stream', 'size', 'wrote']);

/**
 * Answers requests of one route out of `pando.cache`, and stores the answers of its handler there.
 *
 * A stored answer is a cached value like any other: judged by its tags, by the token of who asks, and by what the handler
 * has read from databases and caches while it was made.
 */
export class ResponseCache<Request> {
  readonly #kit: Kit;
  readonly #options: ResolvedResponseCacheOptions<Request>;
  readonly #passed: PassList;
  /** Request headers on which answers have turned out to depend. */
  readonly #learned = new Set<string>();
  readonly #outcomes: Readonly<Record<'hit' | 'miss' | 'bypass', CounterCell>>;
  readonly #unstored: Readonly<Record<UnstoredReason, CounterCell>>;

  /** @throws `PandoOptionsError` */
  constructor(kit: Kit, options: ResponseCacheOptions<Request> | undefined) {
    const { meter, clock } = kit.kernel;
    this.#kit = kit;
    this.#options = resolveResponseCacheOptions(options);
    this.#passed = new PassList(clock);
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
    const { exchange } = visit;
    const asked = await this.#ask(exchange, request);
    if (asked === undefined) {
      this.#outcomes.bypass.add();
      return void handle();
    }
    const stored = await this.#get(visit, asked, handle);
    if (stored === 'recorded') return undefined;
    if (stored === undefined) {
      this.#outcomes.miss.add();
      return void handle();
    }
    this.#outcomes.hit.add();
    return cachedAnswer(stored, this.#options, {
      before: exchange.answerHeaders,
      ifNoneMatch: headerOf(exchange.headers, 'if-none-match'),
      tags: asked.tags,
      now: this.#kit.kernel.clock.now(),
    });
  }

  /** What the request asks for; undefined when the cache has no say in it. */
  async #ask(exchange: Exchange, request: Request): Promise<Asked | undefined> {
    const { headers, method, answerHeaders } = exchange;
    const { identity, vary, heedRequest } = this.#options;
    if (method !== 'GET' && method !== 'HEAD') return undefined;
    if (isConditionalOnPart(headers) || hasBody(headers)) return undefined;
    if (heedRequest && /\bno-(?:cache|store)\b/i.test(headers['cache-control'] ?? '')) return undefined;
    if (identity === 'anonymous' && this.#mayBeSomebody(headers)) return undefined;
    const who = typeof identity === 'function' ? await identity(request) : undefined;
    // What middleware before this one has said of its own work may hold for the handler as well.
    const keyed = new Set([...vary, ...this.#learned, ...varyNames(answerHeaders.vary)]);
    if (keyed.has('*')) return undefined;
    const key = responseKey(exchange, who, keyed);
    return this.#passed.has(key) ? undefined : { key, tags: this.#options.tagsOf(request), keyed };
  }

  /** The stored answer, or that of somebody else's handler; `'recorded'` when this request's own handler gives it. */
  async #get(visit: Visit, asked: Asked, handle: Handle): Promise<StoredAnswer | undefined | 'recorded'> {
    const { ttlMs } = this.#options;
    const { exchange } = visit;
    const { key, tags } = asked;
    for (;;) {
      let isRecorded = false;
      const load = (): Promise<StoredAnswer | undefined> | undefined => {
        if (exchange.method === 'HEAD') return undefined; // its answer has no body to store
        isRecorded = true;
        return this.#record(visit, asked, handle);
      };
      try {
        const stored = await this.#kit.cache.getOrLoad(key, load, { tags, ttlMs, signal: exchange.signal });
        return isRecorded ? 'recorded' : stored;
      } catch (cause) {
        if (isRecorded) return 'recorded'; // whatever became of the recording: the handler answers
        const isTheirs = isPandoError(cause) && cause.code === 'PANDO_HTTP_CLIENT_GONE';
        if (!isTheirs || exchange.signal.aborted) throw cause;
      }
    }
  }

  /** Runs the handler of a request, in the context of the load that this is, and resolves to what it answers. */
  async #record(
    visit: Visit,
    { tags, key, keyed }: Asked,
    handle: Handle,
  ): Promise<StoredAnswer | undefined> {
    const { contexts, clock } = this.#kit.kernel;
    const { exchange } = visit;
    const load = contexts.current();
    this.#outcomes.miss.add();
    await this.#renewEpoch(visit, load);
    const writtenBefore = visit.context.written;
    visit.context = visit.context.loading(load);
    const conditions = takeConditions(exchange.headers);
    const recorder = new AnswerRecorder({
      options: this.#options,
      tags,
      before: { ...exchange.answerHeaders },
      keyed,
      ifNoneMatch: conditions['if-none-match'],
      wrote: () => visit.context.written !== writtenBefore,
      now: () => clock.now(),
      refused: (reason, vary) => {
        this.#unstored[reason].add();
        if (lasting.has(reason)) this.#passed.add(key);
        if (reason === 'vary') this.#learn(vary);
      },
    });
    exchange.signal.addEventListener('abort', () => recorder.lose(exchange.signal.reason), { once: true });
    contexts.run(visit.context, () => handle(recorder));
    return recorder.outcome.finally(() => Object.assign(exchange.headers, conditions));
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

  #learn(names: readonly string[]): void {
    for (const name of names) if (this.#learned.size < maxLearned) this.#learned.add(name);
  }

  /** Whether the request says by whom it is made, in one of the two ways that every server knows. */
  #mayBeSomebody({ authorization, cookie }: IncomingHttpHeaders): boolean {
    if (authorization !== undefined) return true;
    const own = `pando.${this.#kit.name}.`;
    return cookie?.split(';').some((pair) => pair.trim() !== '' && !pair.trim().startsWith(own)) ?? false;
  }
}

/** Ranges, and conditions that protect against lost updates, are the handler's. */
function isConditionalOnPart(headers: IncomingHttpHeaders): boolean {
  return ['range', 'if-match', 'if-unmodified-since'].some((name) => headers[name] !== undefined);
}

function hasBody(headers: IncomingHttpHeaders): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
}

/**
 * Takes from a request what would make its handler answer 304: what is stored must be whole. (Express compares by
 * itself.) They are put back when the answer is known, and heeded then.
 */
function takeConditions(headers: IncomingHttpHeaders): IncomingHttpHeaders {
  const taken: IncomingHttpHeaders = {};
  for (const name of ['if-none-match', 'if-modified-since'] as const) {
    const value = headers[name];
    if (value === undefined) continue;
    taken[name] = value;
    delete headers[name];
  }
  return taken;
}
