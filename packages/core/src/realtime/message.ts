import type { Signalled } from '../kernel/abort.js';
import type { Token } from '../kernel/token.js';

/** One event as a subscriber gets it. Shared by all subscribers in the process: treat it as frozen. */
export interface Message {
  readonly channel: string;
  /** Where the channel stands after this message: hand it to `since` to go on from here. Empty on a channel without history. */
  readonly position: string;
  /** What was published, after its way through JSON. */
  readonly data: unknown;
  /** What the publisher had written: state read under it is at least as new as the event. Absent without a token codec. */
  readonly token: Token | undefined;
  /** The instance that published it. */
  readonly publishedBy: string;
}

/**
 * Why a channel cannot go on from where it was. The subscriber must read the state afresh; nothing was
 * passed over in silence.
 *
 * `trimmed`: the history no longer reaches back that far. `history-lost`: the history itself is gone.
 * `failover`: Redis came back as another process or replica, and may have lost what it had acknowledged.
 * `slow`: the subscriber fell behind further than the history reaches. `malformed`: not a position.
 * `unreadable`: written by a newer release in a format this one does not know.
 */
export type ResetReason = 'trimmed' | 'history-lost' | 'failover' | 'slow' | 'malformed' | 'unreadable';

/** Tells a subscriber that messages may be missing before `position`. */
export interface Reset {
  readonly channel: string;
  readonly reason: ResetReason;
  /** Where the channel goes on. */
  readonly position: string;
  /** What the channel's events have written: state read under it is at least as new as those that may be missing. */
  readonly token: Token;
}

/** The outcome of a publish. */
export interface Published {
  /** The message's own position: state read before it was published is older. Empty on a channel without history. */
  readonly position: string;
  /** Whether a message with this id had been published already, so that nothing was added. */
  readonly duplicate: boolean;
}

/** Where a channel is. */
export interface ChannelPosition {
  readonly channel: string;
  /** After its last message: hand it to `since` to go on from here. Empty where nothing is kept of the channel. */
  readonly position: string;
  /** What the channel's events have written: state read under it is at least as new. */
  readonly token: Token;
}

/** How to publish. */
export interface PublishOptions extends Signalled {
  /**
   * Makes the publish idempotent: the second one with this id, on this channel, from any instance, adds nothing. Counts
   * for nothing on a channel without history.
   */
  readonly id?: string | undefined;
  /**
   * Whether the `id` is remembered until `release` is called, or else for a week, instead of for `idempotencyMs`: for
   * who keeps a record of what is to be published, and may publish it again long after. @defaultValue `false`
   */
  readonly holdId?: boolean | undefined;
  /** Travels with the message, merged with what the running request has written. */
  readonly token?: Token | undefined;
  /**
   * Whether the event is held until nobody is behind what it tells of: every replica in rotation has replayed the write, every
   * instance has applied the invalidation. For clients that return no token, such as a plain `EventSource` and `fetch`, or
   * pages of others. After `realtime.afterAllMs` it is published all the same, and counted. What is published to the channel
   * meanwhile, by this instance, waits behind it. @defaultValue `false`
   */
  readonly afterAll?: boolean | undefined;
}

/** How to subscribe inside the process. */
export interface SubscribeOptions extends Signalled {
  /** A position to go on from. Absent: from now on. */
  readonly since?: string | undefined;
  /** Called when messages may be missing before what comes next. */
  readonly onReset?: ((reset: Reset) => void) | undefined;
}

/** A subscription inside the process. */
export interface Subscription extends AsyncDisposable {
  readonly channel: string;
  /** The position of the last message handed over. Empty on a channel without history. */
  readonly position: string;
  /** What the channel's events had written when it began to listen: state read under it is at least as new. */
  readonly token: Token;
  /** Stops the calls at once. Idempotent. */
  close(): Promise<void>;
}
