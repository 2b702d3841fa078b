import type { Cache } from './cache/index.js';
import type { EffectsRunner } from './kernel/effects.js';
import { ClosedError, isPandoError, messageOf } from './kernel/errors.js';
import type { Logger } from './kernel/logger.js';
import { mergeTokens, pendingToken } from './kernel/token.js';
import type { HeldId, Realtime } from './realtime/index.js';

/** What effects act on. */
export interface EffectsTargets {
  readonly cache: Pick<Cache, 'invalidate' | 'expire'>;
  readonly realtime: Pick<Realtime, 'publish' | 'release'>;
  readonly logger: Logger;
}

/**
 * Carries out the effects of committed transactions: all invalidations and expiries, then all events, under one token.
 *
 * An event that overtook its invalidation would make clients refetch the past, so nothing is published
 * unless the invalidation was confirmed. The data is committed by now: what fails is logged, not thrown.
 */
export function createEffectsRunner({ cache, realtime, logger }: EffectsTargets): EffectsRunner {
  let released: HeldId[] = [];
  /** Collects what one turn releases: rows are removed many at a time. */
  const release = (ids: readonly HeldId[]) => {
    if (released.length === 0) {
      setImmediate(() => {
        const all = released;
        released = [];
        realtime.release(all).catch((error: unknown) => {
          logger.debug({ err: error, ids: all.length }, 'ids of events stay known for a while');
        });
      });
    }
    released.push(...ids);
  };

  return async ({ tags, expired = [], events }, { token, id, signal, isRepeated, isRepeatable = false }) => {
    const ids = events.map(({ channel }, index) => ({ channel, id: `${id}:${index}` }));
    const finished = isRepeatable && ids.length > 0 ? () => release(ids) : undefined;
    let seen = token;
    let isConfirmed = true;
    const carryOut = async (verb: 'invalidate' | 'expire', named: readonly string[], isLast: boolean) => {
      if (named.length === 0) return;
      // Tokens that name the transaction as pending stand for all of it.
      const settles = isRepeated && isLast && isConfirmed;
      const outcome = await cache[verb](named, { token, signal, id, settles }).catch((error: unknown) => {
        if (isLasting(error)) throw error;
        return { token: pendingToken(id), confirmed: false };
      });
      seen = mergeTokens(seen, outcome.token);
      isConfirmed &&= outcome.confirmed;
    };
    await carryOut('invalidate', tags, expired.length === 0);
    await carryOut('expire', expired, true);
    if (!isConfirmed) {
      if (events.length > 0) {
        logger.warn(
          { id, events: events.length },
          'events withheld: the invalidation before them is not confirmed',
        );
      }
      return { token: seen, isComplete: false, finished };
    }
    // Published in one turn, so that the events of one channel keep the order of the transaction and share a packet.
    const outcomes = await Promise.allSettled(
      events.map(({ channel, event, afterAll }, index) =>
        realtime.publish(channel, event, {
          ...{ id: ids[index]?.id, holdId: isRepeatable },
          ...{ token: seen, signal, afterAll },
        }),
      ),
    );
    let isComplete = true;
    for (const [index, outcome] of outcomes.entries()) {
      if (outcome.status === 'fulfilled') continue;
      const channel = events[index]?.channel;
      logger.error({ id, channel, err: outcome.reason }, `event not published: ${messageOf(outcome.reason)}`);
      if (!isLasting(outcome.reason)) isComplete = false;
    }
    return { token: seen, isComplete, finished };
  };
}

/** A tag, channel or event that can never be one; everything else may go better later, or on another instance. */
function isLasting(error: unknown): boolean {
  return isPandoError(error) && !error.retryable && !(error instanceof ClosedError);
}
