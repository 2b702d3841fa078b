import { sleep } from '../kernel/clock.js';
import { messageOf } from '../kernel/errors.js';
import type { Logger } from '../kernel/logger.js';
import type { CounterCell } from '../kernel/meter.js';
import { isEmptyToken, type Token, unknownToken } from '../kernel/token.js';
import type { ShelfBounds } from '../kernel/token-shelf.js';
import type { Exchange } from './exchange.js';
import type { ResolvedTokenOptions } from './http-options.js';
import type { Kit } from './kit.js';
import { httpInstruments } from './metrics.js';

/** Knows which requests have a kept token. */
export class KeptTokens {
  readonly #options: ResolvedTokenOptions;
  readonly #bounds: ShelfBounds;
  readonly #kit: Kit;
  readonly #count: Readonly<Record<KeptOutcome, CounterCell>>;

  constructor(kit: Kit, options: ResolvedTokenOptions) {
    const { kernel } = kit;
    this.#kit = kit;
    this.#options = options;
    this.#bounds = { lifeMs: options.maxAgeMs, timeoutMs: options.waitMs };
    const cell = (outcome: KeptOutcome): CounterCell =>
      kernel.meter.counter(httpInstruments.tokensKept, { outcome });
    this.#count = {
      found: cell('found'),
      none: cell('none'),
      unknown: cell('unknown'),
      stored: cell('stored'),
      late: cell('late'),
    };
  }

  /** The kept token of whoever sends a request; undefined for requests of nobody. */
  of(exchange: Exchange): KeptToken | undefined {
    let user: string | undefined;
    try {
      user = this.#options.userOf(exchange);
    } catch (cause) {
      this.#kit.kernel.logger.error({ err: cause }, `tokens.userOf failed: ${messageOf(cause)}`);
      return new KeptToken(this, undefined);
    }
    return user === undefined || user === '' ? undefined : new KeptToken(this, user);
  }

  /** Never rejects: what cannot be known demands the strictest reads. */
  async read(user: string | undefined): Promise<Token> {
    if (user === undefined) {
      this.#count.unknown.add();
      return unknownToken;
    }
    try {
      const token = await this.#kit.tokenShelf.read(user, this.#bounds);
      this.#count[isEmptyToken(token) ? 'none' : 'found'].add();
      return token;
    } catch (cause) {
      this.#count.unknown.add();
      this.#logger.debug({ err: cause }, `A kept token could not be read: ${messageOf(cause)}`);
      return unknownToken;
    }
  }

  /** Never rejects. */
  async keep(user: string | undefined, token: Token): Promise<void> {
    if (user === undefined) return;
    try {
      await this.#kit.tokenShelf.keep(user, token, this.#bounds);
      this.#count.stored.add();
    } catch (cause) {
      this.#count.late.add();
      this.#logger.warn({ err: cause }, `A token is not kept yet: ${messageOf(cause)}`);
    }
  }

  /** Resolves when the time is up that an answer may wait. */
  patience(): Promise<void> {
    return sleep(this.#kit.kernel.clock, this.#options.waitMs);
  }

  get #logger(): Logger {
    return this.#kit.kernel.logger;
  }
}

type KeptOutcome = 'found' | 'none' | 'unknown' | 'stored' | 'late';

/** The kept token of one request's user. */
export class KeptToken {
  readonly #tokens: KeptTokens;
  readonly #user: string | undefined;
  #unsaved: Token | undefined;
  #saving: Promise<void> | undefined;

  constructor(tokens: KeptTokens, user: string | undefined) {
    this.#tokens = tokens;
    this.#user = user;
  }

  /** What is kept; never rejects. */
  read(): Promise<Token> {
    return this.#tokens.read(this.#user);
  }

  /** Begins to keep all that the request has written so far. */
  wrote(written: Token): void {
    this.#unsaved = written;
    this.#saving ??= this.#save();
  }

  /** Settles, within the bound, when everything written is kept; undefined when it is already. */
  settled(): Promise<void> | undefined {
    return this.#saving && Promise.race([this.#saving, this.#tokens.patience()]);
  }

  /** One at a time: what is written meanwhile goes together. */
  async #save(): Promise<void> {
    while (this.#unsaved !== undefined) {
      const token = this.#unsaved;
      this.#unsaved = undefined;
      await this.#tokens.keep(this.#user, token);
    }
    this.#saving = undefined;
  }
}
