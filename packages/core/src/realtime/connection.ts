import type { Present } from './presence/presence.js';

/** A client that listens, over whatever transport. */
export interface Connection {
  /** Unique in the fleet. */
  readonly id: string;
  readonly transport: 'sse' | 'ws';
  /** Who is listening, as the application said when the connection was opened. */
  readonly identity: unknown;
  /** What it is subscribed to now. */
  readonly channels: readonly string[];
  /**
   * Changes what is shown of the connection's user where it is present; false where it is not.
   *
   * @throws `InvalidPresenceError`: nothing has changed.
   */
  updatePresence(channel: string, info: unknown): boolean;
  /** Ends the connection; the client may come back. Idempotent. */
  close(): void;
}

/** A client over WebSocket. */
export interface SocketConnection extends Connection {
  readonly transport: 'ws';
  /** Sends one text message to this client alone: no history, no position, lost when the connection is. False once it has ended. */
  send(data: string): boolean;
  /** Closes with a code; see {@link closeCodes} for those that Pando uses. @defaultValue 1000 */
  close(code?: number, reason?: string): void;
}

/** How a connection came to be. */
export interface Arrival {
  /** What the client's address is counted under, for `maxConnectionsPerAddress`. Absent: nothing. */
  readonly address?: string | undefined;
  /**
   * When the application was asked who this is, as the kernel's clock counts (`monotonic`). What was ordered of the user since then is
   * carried out on the connection as well: the answer may have been from before it. Absent: nothing is.
   */
  readonly askedAt?: number | undefined;
}

/** What a server-sent event stream follows. */
export interface SseSession extends Arrival {
  /** Authorised by the caller: whoever opens the stream receives them all. */
  readonly channels: readonly string[];
  /** The client's `Last-Event-ID` header, unchecked. */
  readonly lastEventId?: string | undefined;
  /** Who is listening; shown on the connection. */
  readonly identity?: unknown;
  /**
   * `raw`: one channel, `data:` is the event's JSON itself. `envelope`: any number of channels,
   * `data: {"c":channel,"i":position,"t":token,"d":event}`.
   *
   * @defaultValue `raw` for one channel, `envelope` for several
   */
  readonly format?: 'raw' | 'envelope' | undefined;
  /**
   * Until when what the client showed holds, in milliseconds of the epoch. The stream ends then, or some seconds before,
   * and the client comes back to be asked again. Absent: nothing expires.
   */
  readonly expiresAt?: number | undefined;
  /** Whether an `envelope` stream says where each channel begins, in an event `sub`. @defaultValue `false` */
  readonly starts?: boolean | undefined;
  /** As whom the client is present, and where. Absent: nowhere. */
  readonly presence?: StreamPresence | undefined;
}

/** As whom an event stream's client is present. */
export interface StreamPresence extends Present {
  /** Where the client is present. @defaultValue the channels of the stream */
  readonly channels?: readonly string[] | undefined;
}

/** What a client asks to do with a channel; `presence`: to be listed there, and to see who is. */
export type ChannelAction = 'subscribe' | 'publish' | 'presence';

/** The answer to a client that asks. `undefined` to `presence`: whoever may subscribe may. Otherwise it refuses. */
export type Permission = boolean | undefined;

/** Decides whether a client may; what it throws refuses, too. */
export type Authorize<Identity = unknown> = (
  identity: Identity,
  channel: string,
  action: ChannelAction,
) => Permission | Promise<Permission>;

/** As whom a connection is present on a channel. `undefined`: counted, not listed. `false`: not at all. */
export type Introduction = Present | undefined | false;

/** What holds from now on for a client that has shown something fresh. */
export interface Refreshed<Identity = unknown> {
  /** The same user as before, perhaps with other rights; where that was nobody, whoever it turns out to be. */
  readonly identity: Identity;
  /** Until when, in milliseconds of the epoch. Absent: nothing expires any longer. */
  readonly expiresAt?: number | undefined;
  /** Those of the channels that it started with which it may follow still. Absent: all. */
  readonly channels?: readonly string[] | undefined;
}

/** A message that was beyond a limit. */
export interface Overrun {
  /** When there is room again. */
  readonly retryAfterMs: number;
}

/** How a WebSocket connection is served. */
export interface SocketSession<Identity = unknown> extends Arrival {
  readonly identity?: Identity | undefined;
  /** Asked before each subscription and publish that the client wants. @defaultValue everything is refused */
  readonly authorize?: Authorize<Identity> | undefined;
  /**
   * `pando.v1`: JSON frames, resume, acknowledgements. `raw`: each event's JSON is one message, for
   * clients that know no protocol; what they send goes to `onMessage`.
   *
   * @defaultValue `'pando.v1'`
   */
  readonly protocol?: 'pando.v1' | 'raw' | undefined;
  /** Channels it is subscribed to from the start, authorised by the caller. */
  readonly channels?: readonly string[] | undefined;
  /**
   * Until when what the client showed holds, in milliseconds of the epoch. A client that can `refresh` has a few seconds
   * more; then the connection is closed with 4401. Absent: nothing expires.
   */
  readonly expiresAt?: number | undefined;
  /**
   * Takes a fresh credential from a `pando.v1` client; `undefined` refuses, and nothing changes. Then `authorize` is asked again
   * about what the client follows, and ends what it refuses. @defaultValue everything is refused
   */
  readonly refresh?:
    | ((
        credential: string,
        identity: Identity,
      ) => Refreshed<Identity> | undefined | Promise<Refreshed<Identity> | undefined>)
    | undefined;
  /**
   * Says as whom the client is present: on each of the channels that it starts with, and in `pando.v1` on those that it
   * subscribes to with `presence: true`. Absent: on the latter, counted without a name.
   */
  readonly presence?:
    | ((identity: Identity, channel: string) => Introduction | Promise<Introduction>)
    | undefined;
  /**
   * Spends from limits of the application, before what a client says is heard and, besides, before what it publishes; what it answers
   * keeps that from happening. Not asked about `ping` and `auth`. What it throws refuses, too. Absent: nothing is spent.
   */
  readonly spend?:
    | ((what: 'message' | 'publish', identity: Identity) => Promise<Overrun | undefined>)
    | undefined;
  /**
   * Tells a client in `raw` mode that it sends more than it may: once a second at most, and three times before its connection is closed with 1008.
   * Must not throw.
   */
  readonly onLimited?: ((overrun: Overrun, connection: SocketConnection) => void) | undefined;
  /** Receives what a client in `raw` mode sends, one message at a time. What it throws closes the connection with 1011. */
  readonly onMessage?: ((data: string, connection: SocketConnection) => void | Promise<void>) | undefined;
}
