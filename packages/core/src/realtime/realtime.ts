import type { Outlet, Socket } from '../kernel/outlet.js';
import type { Room } from '../kernel/room.js';
import type { Connection, SocketConnection, SocketSession, SseSession } from './connection.js';
import type { Message, Published, PublishOptions, SubscribeOptions, Subscription } from './message.js';

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

  /**
   * Publishes one event, any JSON, to everyone on the channel.
   *
   * Resolves once the message is stored and announced. Messages of one caller to one channel keep their
   * order; those of one turn share a packet. Inside a request the event carries what the request wrote.
   *
   * @throws `InvalidChannelError`, `InvalidEventError`, `EventTooLargeError`: nothing was published.
   * `RealtimeUnavailableError`, or the signal's reason: it may have been published; repeat with the same `id`.
   */
  publish(channel: string, event: unknown, options?: PublishOptions): Promise<Published>;

  /**
   * Hands each message of a channel to `listener`, in order and without gaps.
   *
   * Resolves once the position is known from which it listens. Each call runs in a context of its own
   * that has seen the message's token. What `listener` throws is logged.
   */
  subscribe(
    channel: string,
    listener: (message: Message) => void,
    options?: SubscribeOptions,
  ): Promise<Subscription>;

  /**
   * Serves a server-sent event stream whose headers have been sent; returns after the first bytes.
   *
   * @throws `RealtimeDrainingError`, `RealtimeFullError`, `InvalidChannelError`; check {@link Realtime.refusal}
   * before the headers go out.
   */
  openSse(outlet: Outlet, session: SseSession): Promise<Connection>;

  /** Serves an accepted WebSocket. While draining or full, it is closed at once with a code that says to come back. */
  openSocket<Identity>(socket: Socket, session: SocketSession<Identity>): SocketConnection;

  /** Why a new connection would be refused now (an error with a status, for a plain HTTP answer); undefined when it would not. */
  refusal(channels?: readonly string[]): Error | undefined;
}
