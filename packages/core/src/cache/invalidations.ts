import { randomBytes } from 'node:crypto';
import type { RequestContext } from '../kernel/context.js';
import type { Kernel } from '../kernel/kernel.js';
import type { CounterCell } from '../kernel/meter.js';
import {
  type CachePosition,
  cacheToken,
  emptyToken,
  mergeTokens,
  pendingToken,
  type Token,
} from '../kernel/token.js';
import type { InvalidateOptions, Invalidation } from './api.js';
import type { Backlog } from './backlog.js';
import type { Follower } from './follower.js';
import { InvalidationLag } from './lag.js';
import { cacheInstruments } from './metrics.js';
import type { SharedLevel } from './ports.js';

/** What invalidations stand on. */
export interface InvalidationsInit {
  readonly kernel: Kernel;
  readonly level: SharedLevel;
  readonly follower: Follower;
  readonly backlog: Backlog;
  /** Told what holds everywhere now. */
  confirmed(tags: readonly string[]): void;
}

/** What became of an invalidation, and which one it is; undefined while nobody has confirmed it. */
export interface Counted extends Invalidation {
  readonly position: CachePosition | undefined;
}

/** Carries invalidations out: they hold here at once, and everywhere as soon as the shared level has confirmed them. */
export class Invalidations implements Disposable {
  readonly #init: InvalidationsInit;
  readonly #confirmed: CounterCell;
  readonly #queued: CounterCell;
  readonly #lag: InvalidationLag;
  #hasWarned = false;

  constructor(init: InvalidationsInit) {
    const { clock, meter } = init.kernel;
    this.#init = init;
    this.#lag = new InvalidationLag(init.level, clock, meter);
    this.#confirmed = meter.counter(cacheInstruments.invalidations, { outcome: 'confirmed' });
    this.#queued = meter.counter(cacheInstruments.invalidations, { outcome: 'queued' });
  }

  [Symbol.dispose](): void {
    this.#lag[Symbol.dispose]();
  }

  /** Carries one out for a context, which will know of it. Never rejects: what is not confirmed is retried, as an invalidation. */
  async carryOut(
    tags: readonly string[],
    context: RequestContext,
    { token, id = `c${randomBytes(9).toString('base64url')}`, settles }: InvalidateOptions,
    { isExpiry = false }: { readonly isExpiry?: boolean } = {},
  ): Promise<Counted> {
    if (tags.length === 0) return { token: emptyToken, confirmed: true, position: undefined };
    const { kernel, level, follower, backlog, confirmed } = this.#init;
    if (context.inTransaction) this.#warn(tags);
    const written = mergeTokens(context.token, token ?? emptyToken).db;
    // Where no cache can be used, whoever was given nothing but this token reads databases: not from before the write, either.
    const behind: Token = { ...emptyToken, db: written };
    const expiredAt = isExpiry ? kernel.clock.now() : undefined;
    try {
      const request = { tags, written, settles: settles ? [id] : [], expiredAt };
      const clock = await this.#lag.measure(() => level.invalidate(request));
      follower.hear(clock, tags, expiredAt);
      this.#confirmed.add();
      confirmed(tags);
      const { epoch, sequence } = clock;
      return noted(context, mergeTokens(behind, cacheToken({ epoch, sequence })), { epoch, sequence });
    } catch (cause) {
      backlog.add({ tags, written, settles: [id] });
      this.#queued.add();
      kernel.logger.warn({ err: cause, tags: tags.length }, 'invalidation not confirmed: it is retried');
      return noted(context, mergeTokens(behind, pendingToken(id)), undefined);
    }
  }

  /** Whoever loads before the commit reads what was there before it, and stores that as something newer. Said once: it is a mistake in code. */
  #warn(tags: readonly string[]): void {
    if (this.#hasWarned) return;
    this.#hasWarned = true;
    this.#init.kernel.logger.warn(
      { tags: tags.slice(0, 10) },
      'invalidated inside a transaction, before its commit: the old value may come back. Use tx.invalidate(tags)',
    );
  }
}

function noted(context: RequestContext, token: Token, position: CachePosition | undefined): Counted {
  context.wrote(token);
  return { token, confirmed: position !== undefined, position };
}
