import type { Signalled } from './abort.js';
import type { Token } from './token.js';

/** One event that a transaction wants published once it has committed. */
export interface PlannedEvent {
  readonly channel: string;
  readonly event: unknown;
  /** Whether it is held until nobody is behind what it tells of. */
  readonly afterAll?: boolean | undefined;
}

/** What a transaction wants done after its commit, in the order in which it asked. */
export interface Effects {
  readonly tags: readonly string[];
  /** Tags that only expire: none of those that are invalidated. Absent where there are none. */
  readonly expired?: readonly string[] | undefined;
  readonly events: readonly PlannedEvent[];
}

/**
 * How long after its transaction began an event may be published: a week. What published it before is remembered for longer,
 * so that no event is published twice, however often and from wherever its effects are carried out.
 */
export const effectsLifeMs = 604_800_000;

/** How committed effects are carried out. */
export interface EffectsOptions extends Signalled {
  /** What the transaction wrote: events carry it, so that who refetches on one cannot see the past. */
  readonly token: Token;
  /** Identifies the transaction: carrying its effects out twice publishes each event once. */
  readonly id: string;
  /** Whether this is another attempt: tokens may have gone out by now that name the transaction's invalidation as pending. */
  readonly isRepeated?: boolean | undefined;
  /** Whether somebody may make another attempt, until {@link EffectsOutcome.finished} is called. */
  readonly isRepeatable?: boolean | undefined;
}

/** How far effects were carried out. */
export interface EffectsOutcome {
  /** The token to answer with; it names what could not be confirmed. */
  readonly token: Token;
  /** False when another attempt, later, would do what this one could not. */
  readonly isComplete: boolean;
  /** Call it when nobody will make another attempt: what keeps events from being published twice is forgotten. */
  readonly finished?: (() => void) | undefined;
}

/**
 * Carries out the effects of a committed transaction: first all invalidations and expiries, then all events, never the other way round.
 *
 * Never rejects because something was away: the data is committed. Rejects for effects that can never be carried out.
 */
export type EffectsRunner = (effects: Effects, options: EffectsOptions) => Promise<EffectsOutcome>;
