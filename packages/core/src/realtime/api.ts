import type { Signalled } from '../kernel/abort.js';
import type { Outlet, Socket } from '../kernel/outlet.js';
import type { Room } from '../kernel/room.js';
import type { Applicant } from './admission.js';
import type { Connection, SocketConnection, SocketSession, SseSession } from './connection.js';
import type {
  ChannelPosition,
  Message,
  Published,
  PublishOptions,
  SubscribeOptions,
  Subscription,
} from './message.js';
import type { HeldId } from './ports.js';
import type { Presence } from './presence/presence.js';

/** How to disconnect a user. */
export interface DisconnectOptions extends Signalled {
  /** Told to sockets with the code: at most 120 bytes. @defaultValue `'forbidden'` */
  readonly reason?: string | undefined;
}

/**
 * Channels that reach every subscriber of every instance.
 *
 * Per channel, a subscriber gets each message once and in order, over any number of reconnects to any
 * instance, or is told by a reset that some may be missing. Nothing is promised across channels.
 */
export interface Realtime extends Room {
  readonly name: 'realtime';
  /** Open connections of this instance. */
  readonly connections: number;
  /** Whether {@link Realtime.drain} or close has begun: new connections are refused. */
  readonly isDraining: boolean;
  /** Largest message that a client may send: what to configure a WebSocket library with. */
  readonly maxMessageBytes: number;

  /**
   * Publishes one event, any JSON, to everyone on the channel.
   *
   * Resolves once the message is stored and announced. Messages of one caller to one channel keep their
   * order; those of one turn share a packet. Inside a request the event carries what the request wrote.
   *
   * @throws `InvalidChannelError`, `InvalidEventError`, `EventTooLargeError`, `RealtimeRoleError`, `RedisVersionError`: nothing was published.
   * `RealtimeUnavailableError`, or the signal's reason: it may have been published; repeat with the same `id`.
   */
  publish(channel: string, event: unknown, options?: PublishOptions): Promise<Published>;

  /**
   * Forgets ids of events that were published with `holdId`: nobody will publish them again. They stay known for
   * `idempotencyMs`. Forgetting none costs memory in Redis for a week or so, nothing else.
   *
   * @throws `RealtimeUnavailableError`, or the signal's reason: they may be forgotten.
   */
  release(ids: readonly HeldId[], options?: Signalled): Promise<void>;

  /**
   * Hands each message of a channel to `listener`, in order and without gaps.
   *
   * Resolves once the position is known from which it listens, which while Redis is away takes as long as that.
   * Each call runs in a context of its own that has seen the message's token. What `listener` throws is logged.
   *
   * @throws `InvalidChannelError`, `RealtimeRoleError`, `RedisVersionError`; the signal's reason when it aborts before that: nothing is subscribed then.
   */
  subscribe(
    channel: string,
    listener: (message: Message) => void,
    options?: SubscribeOptions,
  ): Promise<Subscription>;

  /**
   * Asks where a channel is now, for who shows state and follows the channel from there: first the position, then the
   * state, then {@link Realtime.subscribe} or a client with `since`. Nothing is missed then; a message may tell what the state
   * has already.
   *
   * What the calling request reads afterwards is at least as new as all events up to the position.
   *
   * @throws `InvalidChannelError`. `RealtimeUnavailableError` while Redis is away.
   */
  position(channel: string, options?: Signalled): Promise<ChannelPosition>;

  /**
   * Reads who is on a channel: the connections that were opened as present there, of all instances.
   *
   * The list and its position are of one instant, so the list together with the messages that follow on the presence
   * channel ({@link presenceChannel}) has no gap. Whoever is on an instance that died leaves within the lease and a
   * third of it.
   *
   * @throws `InvalidChannelError`. `RealtimeUnavailableError` while Redis is away: no list is better than a part of one.
   */
  presence(channel: string, options?: Signalled): Promise<Presence>;

  /**
   * Serves a server-sent event stream whose headers have been sent; resolves after the first bytes.
   *
   * @throws What {@link Realtime.refusal} says: ask it before the headers go out. `RedisVersionError`.
   */
  openSse(outlet: Outlet, session: SseSession): Promise<Connection>;

  /**
   * Serves an accepted WebSocket. While draining or full, or with too many of its user's, it is closed at once with a code that says to come back.
   *
   * @throws `InvalidChannelError`, `TooManyChannelsError`, `RedisVersionError` for the channels it is to start with.
   */
  openSocket<Identity>(socket: Socket, session: SocketSession<Identity>): SocketConnection;

  /** Why a new connection would be refused now: an error with a status, for a plain HTTP answer. Counts as a refusal. */
  refusal(applicant?: Applicant): Error | undefined;

  /**
   * Ends all connections of a user, on every instance: sockets with 4403, which says not to come back, streams by their end, whereupon
   * the application is asked again. See to it first that it refuses the user. Applies to what `realtime.userOf` names.
   *
   * Resolves once the order is stored: this instance has carried it out then, the others do so within moments, or when they
   * reach Redis again. An instance that connects the user while the order is on its way ends that connection as well.
   *
   * @throws `RealtimeUnavailableError`, or the signal's reason: it was carried out here, and perhaps elsewhere. Repeat it.
   */
  disconnectUser(userId: string, options?: DisconnectOptions): Promise<void>;

  /**
   * Ends what a user follows of these channels, on every instance, and whether it is present there. A client of `pando.v1` is told
   * `{"t":"unsub","c":…,"reason":"revoked"}`; streams and raw sockets end, and the application decides again when they come back.
   * See to it first that it refuses. Resolves, and fails, as {@link Realtime.disconnectUser} does.
   *
   * @throws `InvalidChannelError`
   */
  revoke(userId: string, channels: string | readonly string[], options?: Signalled): Promise<void>;
}
