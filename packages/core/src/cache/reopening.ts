import { deadline } from '../kernel/abort.js';
import type { Clock } from '../kernel/clock.js';
import type { Ledger } from '../kernel/ledger.js';
import type { Logger } from '../kernel/logger.js';
import type { Revision } from '../kernel/revision.js';

/** How long the ledger may take to answer. */
const ASK_MS = 1_000;
/** Pause between two looks at it. */
const PAUSE_MS = 100;

/** What decides about a reopening. */
export interface ReopeningInit {
  readonly clock: Clock;
  readonly logger: Logger;
  /** Advances when it shuts. */
  readonly revision: Revision;
  /** Undefined: nobody writes down what is left to invalidate. */
  readonly ledger: Ledger | undefined;
  /** Whether what is cached may be used although these rows, from before the return, are not carried out. */
  mayReopen(standing: readonly string[]): boolean;
}

/** What one return of the shared level has to wait for. */
interface Wait {
  /** Undefined until the ledger was read after the return. */
  standing: readonly string[] | undefined;
  first: Promise<void> | undefined;
  isLooking: boolean;
  /** Monotonic instant from which on another look makes sense. */
  nextAt: number;
}

const anew = (): Wait => ({ standing: undefined, first: undefined, isLooking: false, nextAt: 0 });

/**
 * Keeps what is cached out of use after the shared level was away, until all is invalidated that was committed before its
 * return: who read past the cache meanwhile would be served what was there before.
 *
 * A look at the ledger after the return says what that is. The rows it shows are waited for one by one, since the ledger of
 * a busy fleet is never empty.
 */
export class Reopening {
  readonly #init: ReopeningInit;
  /** A start is a return, too: nobody knows what went before. */
  #wait: Wait | undefined = anew();

  constructor(init: ReopeningInit) {
    this.#init = init;
  }

  get isOpen(): boolean {
    return this.#wait === undefined || (this.#init.ledger?.isAbsent ?? true);
  }

  /** The shared level is back; there may be invalidations that have not reached it. */
  returned(): void {
    this.#wait = anew();
    this.#init.revision.advance();
  }

  /** Whether what is cached may be used. Waits for the first look after a return, not for later ones. */
  async admits(): Promise<boolean> {
    const wait = this.#wait;
    if (wait === undefined || this.isOpen) return true;
    if (!wait.isLooking && this.#init.clock.monotonic() >= wait.nextAt) {
      const looking = this.#look(wait);
      wait.first ??= looking;
    }
    await wait.first;
    return this.isOpen;
  }

  /** Never rejects: who cannot be asked has not said that nothing is left. */
  async #look(wait: Wait): Promise<void> {
    const { clock, logger, mayReopen } = this.#init;
    const limit = deadline(clock, ASK_MS, () => new Error(`no answer within ${ASK_MS} ms`));
    wait.isLooking = true;
    try {
      const isFirst = wait.standing === undefined;
      wait.standing = await this.#standing(wait.standing, limit.signal);
      if (wait.standing !== undefined && mayReopen(wait.standing)) {
        if (this.#wait === wait) this.#wait = undefined;
      } else if (isFirst) {
        const rows = wait.standing?.length;
        logger.info({ rows }, 'caches are out of use: transactions wait for their effects');
      }
    } catch (cause) {
      logger.debug({ err: cause }, 'caches stay out of use: the outbox cannot be read');
    } finally {
      wait.isLooking = false;
      wait.nextAt = clock.monotonic() + PAUSE_MS;
      limit[Symbol.dispose]();
    }
  }

  async #standing(
    known: readonly string[] | undefined,
    signal: AbortSignal,
  ): Promise<readonly string[] | undefined> {
    const { ledger } = this.#init;
    if (known === undefined) return await ledger?.standing({ signal });
    const done = new Set(await ledger?.carriedOut(known, { signal }));
    return known.filter((row) => !done.has(row));
  }
}
