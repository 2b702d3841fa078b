import type { Cache } from './cache/index.js';
import type { EffectsRunner } from './kernel/effects.js';
import { ClosedError, isPandoError, messageOf } from './kernel/errors.js';
import type { Logger } from './kernel/logger.js';
import { mergeTokens, pendingToken } from './kernel/token.js';
import type { Realtime } from './realtime/index.js';

/** What effects act on. */
export interface EffectsTargets {
  readonly cache: Pick<Cache, 'invalidate'>;
  readonly realtime: Pick<Realtime, 'publish'>;
  readonly logger: Logger;
}

/**
 * Carries out the effects of committed transactions: all invalidations, then all events, under one token.
 *
 * An event that overtook its invalidation would make clients refetch the past, so nothing is published
 * unless the invalidation was confirmed. The data is committed by now: what fails is logged, not thrown.
 */
export function createEffectsRunner({ cache, realtime, logger }: EffectsTargets): EffectsRunner {
  return async ({ tags, events }, { token, id, signal, isRepeated }) => {
    let seen = token;
    if (tags.length > 0) {
      const invalidation = await cache
        .invalidate(tags, { token, signal, id, settles: isRepeated })
        .catch((error: unknown) => {
          if (isLasting(error)) throw error;
          return { token: pendingToken(id), confirmed: false };
        });
      seen = mergeTokens(seen, invalidation.token);
      if (!invalidation.confirmed) {
        if (events.length > 0) {
          logger.warn(
            { id, events: events.length },
            'events withheld: the invalidation before them is not confirmed',
          );
        }
        return { token: seen, isComplete: false };
      }
    }
    // Published in one turn, so that the events of one channel keep the order of the transaction and share a packet.
    const outcomes = await Promise.allSettled(
      events.map(({ channel, event }, index) =>
        realtime.publish(channel, event, { id: `${id}:${index}`, token: seen, signal }),
      ),
    );
    let isComplete = true;
    for (const [index, outcome] of outcomes.entries()) {
      if (outcome.status === 'fulfilled') continue;
      const channel = events[index]?.channel;
      logger.error({ id, channel, err: outcome.reason }, `event not published: ${messageOf(outcome.reason)}`);
      if (!isLasting(outcome.reason)) isComplete = false;
    }
    return { token: seen, isComplete };
  };
}

/** A tag, channel or event that can never be one; everything else may go better later, or on another instance. */
function isLasting(error: unknown): boolean {
  return isPandoError(error) && !error.retryable && !(error instanceof ClosedError);
}
