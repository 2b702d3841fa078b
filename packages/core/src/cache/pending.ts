import { deadline } from '../kernel/abort.js';
import type { RequestContext } from '../kernel/context.js';
import type { Kernel } from '../kernel/kernel.js';
import type { Ledger } from '../kernel/ledger.js';
import { cacheToken } from '../kernel/token.js';
import type { CacheClock, SharedLevel } from './ports.js';
import type { CacheRules } from './rules.js';

/** How long the ledger may take to answer. */
const ASK_MS = 1_000;

/** What pending invalidations are looked up in. */
export interface PendingInit {
  readonly kernel: Kernel;
  readonly level: SharedLevel;
  /** Undefined: nobody but the shared level knows. */
  readonly ledger: Ledger | undefined;
  readonly rules: CacheRules;
}

/** Gives a cache back to who holds a token that names invalidations as pending, once they were carried out. */
export class Pending {
  readonly #init: PendingInit;

  constructor(init: PendingInit) {
    this.#init = init;
  }

  /** Forgets those that have been carried out, in favour of a clock that was read afterwards. */
  settle(context: RequestContext, carriedOut: ReadonlySet<string>, { epoch, sequence }: CacheClock): void {
    const done = context.token.pending.filter((id) => carriedOut.has(id));
    if (done.length === 0) return;
    for (const id of done) context.settle(id);
    context.observe(cacheToken({ epoch, sequence }));
  }

  /** Asks the ledger about those of which the shared level has no record. Tells whether any has been carried out. */
  async lookUp(context: RequestContext): Promise<boolean> {
    const { level, ledger } = this.#init;
    const { pending } = context.token;
    if (pending.length === 0 || ledger === undefined || ledger.isAbsent) return false;
    const done = await this.#carriedOut(pending, ledger, context.signal);
    const left = pending.filter((id) => !done.includes(id));
    if (left.length > 0) ledger.hasten(left);
    if (done.length === 0) return false;
    const { clock } = await level.begin([]); // only now, or it would not cover them
    this.settle(context, new Set(done), clock);
    return true;
  }

  async #carriedOut(
    pending: readonly string[],
    ledger: Ledger,
    signal: AbortSignal,
  ): Promise<readonly string[]> {
    const { kernel, rules } = this.#init;
    const late = () => new Error(`no answer within ${ASK_MS} ms`);
    const limit = deadline(kernel.clock, ASK_MS, late, signal);
    try {
      return rules.carriedOut(pending, await ledger.carriedOut(pending, limit));
    } catch (cause) {
      kernel.logger.debug({ err: cause }, 'nobody says whether a pending invalidation was carried out');
      return [];
    } finally {
      limit[Symbol.dispose]();
    }
  }
}
