import { dependencies, policyHeaders, statusHeader, varyHeader } from './answer-policy.js';
import type { Conditions } from './conditions.js';
import { digestOf, etagOf } from './etag.js';
import type { AnswerHeaders, HeaderValues } from './exchange.js';
import type { ResolvedResponseCacheOptions } from './response-cache-options.js';
import {
  bodyHeaders,
  type CachedAnswer,
  knownEtag,
  type StoredAnswer,
  storableHeaders,
  storedBody,
} from './stored-answer.js';

/**
 * Why an answer is not stored: its `status` is not one of those that are; it sets a `cookie`; it hands out a `secret` that
 * is good for one request; its own `Cache-Control` is a `directive` against it; it depends, by `vary`, on what its key does
 * not hold; it is a `stream`; it exceeds the `size`; the request `wrote` something, or had its `method` changed.
 */
export const unstoredReasons = [
  ...(['status', 'cookie', 'secret', 'directive', 'vary', 'stream', 'size', 'wrote', 'method'] as const),
] as const;
export type UnstoredReason = (typeof unstoredReasons)[number];

/** Statuses in whose place an older answer may be given (RFC 5861, 4). */
const failures: ReadonlySet<number> = new Set([500, 502, 503, 504]);

/** Why a load has no value: the handler has answered that it failed. */
export class FailedAnswer extends Error {
  constructor(status: number) {
    super(`The handler of a cached route has answered ${status}.`);
    this.name = 'FailedAnswer';
  }
}

/** What a recorder goes by. */
export interface RecorderInit {
  readonly options: Omit<ResolvedResponseCacheOptions<never>, 'tagsOf'>;
  readonly tags: readonly string[];
  /** The headers that were on the answer before the handler ran. */
  readonly before: HeaderValues;
  /** The request headers that are part of the key. */
  readonly keyed: ReadonlySet<string>;
  readonly conditions: Conditions;
  /** How the request has come to the handler, in the words of RFC 9211. */
  readonly forwarded: 'miss' | 'bypass';
  /** Whether the request has written anything while its handler ran. */
  wrote(): boolean;
  /** Whether the request is, to those who answer it, another one than the key was made for. */
  isOther(): boolean;
  now(): number;
  /** For how long an answer with these headers is stored as fresh. */
  freshMsOf(headers: AnswerHeaders): number;
  /** Called once when the answer turns out not to be for storing. */
  refused(reason: UnstoredReason, vary: readonly string[]): void;
}

/** What becomes of an answer on its way to the client that has asked for it. */
export interface Revision {
  readonly status: number;
  /** To be set. */
  readonly headers: AnswerHeaders;
  /** To be taken away. */
  readonly removed: readonly string[];
}

/**
 * Listens to one answer while it is given, and makes of it what the cache stores.
 *
 * The one who gives it calls {@link AnswerRecorder.begin}, {@link AnswerRecorder.add} and {@link AnswerRecorder.end}, and
 * {@link AnswerRecorder.sent} once the head has left; in whatever order the last comes. The answer itself is not held up.
 */
export class AnswerRecorder {
  /** Undefined when the answer is not for storing. Known at the earliest moment: others wait for it. */
  readonly outcome: Promise<StoredAnswer | undefined>;
  readonly #init: RecorderInit;
  #settle: (answer: StoredAnswer | undefined) => void = () => undefined;
  #fail: (cause: unknown) => void = () => undefined;
  #isOpen = true;
  #head: (Pick<StoredAnswer, 'status' | 'vary'> & { readonly headers: AnswerHeaders }) | undefined;
  #digested: string | undefined;
  #chunks: Buffer[] = [];
  #bytes = 0;
  #hasEnded = false;
  #isSent = false;
  #isConcluded = false;
  #replace: ((answer: CachedAnswer | undefined) => void) | undefined;

  constructor(init: RecorderInit) {
    this.#init = init;
    this.outcome = new Promise((resolve, reject) => {
      this.#settle = resolve;
      this.#fail = reject;
    });
    this.outcome.catch(() => undefined); // nobody may have waited for it
  }

  /** Whether it still listens. */
  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** Whether the answer of a failure is held back. */
  get isHeld(): boolean {
    return this.#replace !== undefined;
  }

  /** The headers that were on the answer before the handler ran. */
  get before(): HeaderValues {
    return this.#init.before;
  }

  /**
   * The handler has answered, and nothing of that has left. Where it has failed, the answer is to be held back: resolves to
   * what is to be given in its place, undefined: nothing else.
   */
  hold(status: number): Promise<CachedAnswer | undefined> | undefined {
    if (!this.#isOpen || this.#isConcluded || !failures.has(status)) return undefined;
    this.#close();
    this.#init.refused('status', []);
    this.#fail(new FailedAnswer(status));
    return new Promise((resolve) => {
      this.#replace = resolve;
    });
  }

  /** It is known what becomes of the load, and what may be given in the place of a failure: from now on nothing is held back. */
  conclude(instead?: CachedAnswer): void {
    this.#isConcluded = true;
    this.#replace?.(instead);
    this.#replace = undefined;
  }

  /**
   * The head as the handler has made it, before it leaves; with the whole body, if that is known. Undefined: it stays as
   * it is.
   */
  begin(status: number, headers: HeaderValues, whole?: Buffer): Revision | undefined {
    if (!this.#isOpen || this.#head !== undefined) return undefined;
    const { options, before, tags, conditions, forwarded } = this.#init;
    const vary = dependencies(headers, before);
    const reason = this.#refusal(status, headers, vary, whole);
    if (reason !== undefined) {
      this.refuse(reason, vary);
      const told = statusHeader(options, headers, `fwd=${forwarded}; detail=${reason}`);
      return { status, headers: { ...varyHeader(headers, options.vary), ...told }, removed: [] };
    }
    const etag = headers.etag ?? (whole && etagOf(this.#digest(whole)));
    const named = etag === undefined ? {} : { etag: String(etag) };
    const added = {
      ...policyHeaders(options, headers, tags, vary),
      ...statusHeader(options, headers, `fwd=${forwarded}`),
      ...named,
    };
    const stored = { ...storableHeaders(headers, before), ...named };
    this.#head = { status, headers: stored, vary };
    // The handler was not told what the client has, so that its whole answer came to be known: the client is told here.
    const known = whole && knownEtag(status, stored, conditions);
    return known === undefined
      ? { status, headers: added, removed: [] }
      : { status: 304, headers: { ...added, etag: known }, removed: bodyHeaders };
  }

  /** A piece of the body. */
  add(chunk: Buffer): void {
    if (!this.#isOpen || this.#hasEnded) return;
    this.#bytes += chunk.length;
    if (this.#bytes > this.#init.options.maxBodyBytes) this.refuse('size');
    else this.#chunks.push(Buffer.from(chunk)); // a copy: its owner may write into it again
  }

  /** The body is whole. */
  end(): void {
    this.#hasEnded = true;
    this.#finish();
  }

  /** The head has left, with or without cookies: layers between the handler and the client may have set some. */
  sent(hasCookies: boolean): void {
    if (hasCookies) this.refuse('cookie');
    else if (this.#head === undefined) this.refuse('stream'); // past whoever should have called `begin`
    this.#isSent = true;
    this.#finish();
  }

  /** The answer is not for storing. */
  refuse(reason: UnstoredReason, vary: readonly string[] = []): void {
    if (!this.#isOpen) return;
    this.#close();
    this.#init.refused(reason, vary);
    this.#settle(undefined);
  }

  /** The answer will never be whole. */
  lose(cause: unknown): void {
    if (!this.#isOpen) return;
    this.#close();
    this.#fail(cause);
  }

  #refusal(
    status: number,
    headers: HeaderValues,
    vary: readonly string[],
    whole: Buffer | undefined,
  ): UnstoredReason | undefined {
    const { options, keyed, isOther } = this.#init;
    if (isOther()) return 'method';
    if (!options.statuses.includes(status)) return 'status';
    if (headers['set-cookie'] !== undefined) return 'cookie';
    if (holdsSecret(headers)) return 'secret';
    if (/^text\/event-stream\b/i.test(String(headers['content-type']))) return 'stream';
    if (headers.trailer !== undefined) return 'stream';
    const cacheControl = String(headers['cache-control'] ?? '');
    if (/\bno-store\b|\bs-maxage="?0\b/i.test(cacheControl)) return 'directive';
    if (/\bprivate\b/i.test(cacheControl) && typeof options.identity !== 'function') return 'directive';
    if (vary.some((name) => !keyed.has(name))) return 'vary';
    return (whole?.length ?? Number(headers['content-length'] ?? 0)) > options.maxBodyBytes
      ? 'size'
      : undefined;
  }

  #finish(): void {
    if (this.#isOpen && this.#init.wrote()) this.refuse('wrote');
    if (!this.#isOpen || !this.#isSent || !this.#hasEnded || this.#head === undefined) return;
    const body = Buffer.concat(this.#chunks);
    const digest = this.#digest(body);
    const { headers } = this.#head;
    this.#close();
    this.#settle({
      ...this.#head,
      headers: { ...headers, etag: headers.etag ?? etagOf(digest) },
      ...storedBody(body),
      digest,
      storedAt: this.#init.now(),
      freshMs: this.#init.freshMsOf(headers),
    });
  }

  /** Asked at most twice, for the same body. */
  #digest(body: Buffer): string {
    this.#digested ??= digestOf(body);
    return this.#digested;
  }

  #close(): void {
    this.#isOpen = false;
    this.#chunks = [];
  }
}

const forgeryTokens = ['x-csrf-token', 'x-xsrf-token', 'csrf-token', 'xsrf-token'];

/**
 * Whether an answer holds what protects one client by being known to nobody else: a token against forged requests, or the
 * nonce that tells the scripts of a page from those that somebody has put into it.
 */
function holdsSecret(headers: HeaderValues): boolean {
  if (forgeryTokens.some((name) => headers[name] !== undefined)) return true;
  const isPage = /html/i.test(String(headers['content-type'] ?? 'html'));
  const policies = ['content-security-policy', 'content-security-policy-report-only'];
  return isPage && policies.some((name) => String(headers[name]).includes("'nonce-"));
}
