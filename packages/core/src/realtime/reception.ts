import { isPandoError, PandoOptionsError } from '../kernel/errors.js';
import type { Outlet, Socket } from '../kernel/outlet.js';
import { Admission, type Applicant } from './admission.js';
import { isPresenceChannel, presenceChannel } from './channel-name.js';
import { closeCodes } from './close-codes.js';
import type { Connection, SocketConnection, SocketSession, SseSession } from './connection.js';
import { Connections, type Served } from './connections.js';
import type { ResolvedRealtimeOptions } from './options.js';
import { Orders } from './orders.js';
import { SseConnection, type SseEnvironment } from './sse-session.js';
import type { WsEnvironment } from './ws-environment.js';
import { WsConnection } from './ws-session.js';

/** What the reception stands on. */
export interface ReceptionInit {
  readonly options: ResolvedRealtimeOptions;
  readonly sse: SseEnvironment;
  readonly ws: WsEnvironment;
  readonly isDraining: () => boolean;
  /** A name that no other connection of the fleet has. */
  readonly newId: () => string;
}

/** Opens connections, knows those that are open, and carries out what is ordered of them. */
export class Reception {
  readonly connections = new Connections();
  readonly orders: Orders;
  readonly #init: ReceptionInit;
  readonly #admission: Admission;

  constructor(init: ReceptionInit) {
    const { options, isDraining } = init;
    const { metrics, logger, lifetimes } = init.ws;
    const { connections } = this;
    const { clock } = lifetimes;
    this.#init = init;
    this.orders = new Orders(clock, connections);
    this.#admission = new Admission({ connections, options, metrics, clock, logger, isDraining });
  }

  /** Why a new connection would be refused now. */
  refusal(applicant: Applicant): Error | undefined {
    return this.#admission.refusal(applicant);
  }

  /** Serves an event stream. @throws what {@link Reception.refusal} says */
  openSse(outlet: Outlet, session: SseSession): Connection {
    const refusal = this.refusal(session);
    if (refusal !== undefined) throw refusal;
    if (session.channels.length === 0 || (session.format === 'raw' && session.channels.length > 1)) {
      throw new PandoOptionsError({
        code: 'PANDO_REALTIME_OPTIONS',
        message: `An event stream follows at least one channel, in "raw" format exactly one, got ${session.channels.length}. Use format "envelope" for several.`,
      });
    }
    const { sse, newId } = this.#init;
    const { roster } = sse;
    const channels = [...new Set(session.channels)];
    this.#checkObstacles(channels);
    const connection = new SseConnection(newId(), outlet, { ...session, channels }, sse);
    if (this.#isStopped(connection, channels, session.askedAt)) return connection;
    this.connections.add(connection);
    if (channels.some(isPresenceChannel)) roster.wake();
    connection.open(session.lastEventId);
    const { presence } = session;
    if (presence !== undefined && !connection.isEnded) {
      for (const channel of presence.channels ?? channels)
        if (!isPresenceChannel(channel)) roster.enter(connection, channel, presence);
    }
    return connection;
  }

  /** Serves a socket, or closes it at once. @throws `InvalidChannelError`, `TooManyChannelsError`, `RedisVersionError` */
  openSocket(socket: Socket, session: SocketSession): SocketConnection {
    const { ws, newId } = this.#init;
    const { channels = [] } = session;
    this.#admission.checkChannels(channels);
    this.#checkObstacles(channels);
    const connection = new WsConnection(newId(), socket, session, ws);
    const refusal = this.#admission.limit(connection.user, connection.address);
    if (refusal !== undefined) {
      const isDraining = isPandoError(refusal, 'PANDO_REALTIME_DRAINING');
      const { code, reason } = isDraining ? closeCodes.restart : closeCodes.full;
      connection.close(code, reason);
    } else if (!this.#isStopped(connection, channels, session.askedAt)) {
      this.connections.add(connection);
      connection.open();
    }
    return connection;
  }

  /** A connection that was nobody's is a user's from now on, unless that has too many, or was disconnected since. */
  identify(connection: Served, user: string, askedAt: number, take: () => void): boolean {
    const isDisconnected = this.orders.since(user, askedAt).some(({ kind }) => kind === 'disconnect');
    if (isDisconnected || this.#admission.limitOf(user) !== undefined) return false;
    this.connections.remove(connection);
    take();
    this.connections.add(connection);
    return true;
  }

  #checkObstacles(channels: readonly string[]): void {
    const { hub } = this.#init.sse;
    for (const channel of channels) {
      const obstacle = hub.obstacleTo(channel);
      if (obstacle !== undefined) throw obstacle;
    }
  }

  /** Ends a connection that was allowed before somebody ordered otherwise. */
  #isStopped(connection: Served, given: readonly string[], askedAt: number | undefined): boolean {
    for (const order of this.orders.since(connection.user, askedAt)) {
      if (order.kind === 'disconnect') {
        connection.disconnect(order.reason);
        return true;
      }
      const isGiven = (channel: string): boolean =>
        given.includes(channel) || given.includes(presenceChannel(channel));
      if (order.channels.some(isGiven)) {
        connection.leave('revoked'); // it comes back, and the application decides again
        return true;
      }
    }
    return false;
  }
}
