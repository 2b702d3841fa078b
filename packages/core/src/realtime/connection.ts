/** A client that listens, over whatever transport. */
export interface Connection {
  /** Unique in the fleet. */
  readonly id: string;
  readonly transport: 'sse' | 'ws';
  /** Who is listening, as the application said when the connection was opened. */
  readonly identity: unknown;
  /** What it is subscribed to now. */
  readonly channels: readonly string[];
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

/** What a server-sent event stream follows. */
export interface SseSession {
  /** Authorised by the caller: whoever opens the stream receives them all. */
  readonly channels: readonly string[];
  /** The client's `Last-Event-ID` header, unchecked. */
  readonly lastEventId?: string | undefined;
  readonly identity?: unknown;
  /**
   * `raw`: one channel, `data:` is the event's JSON itself. `envelope`: any number of channels,
   * `data: {"c":channel,"i":position,"t":token,"d":event}`.
   *
   * @defaultValue `raw` for one channel, `envelope` for several
   */
  readonly format?: 'raw' | 'envelope' | undefined;
}

/** What a client asks to do with a channel. */
export type ChannelAction = 'subscribe' | 'publish';

/** Decides whether a client may; what it throws refuses, too. */
export type Authorize<Identity = unknown> = (
  identity: Identity,
  channel: string,
  action: ChannelAction,
) => boolean | Promise<boolean>;

/** How a WebSocket connection is served. */
export interface SocketSession<Identity = unknown> {
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
  /** Receives what a client in `raw` mode sends, one message at a time. What it throws closes the connection with 1011. */
  readonly onMessage?: ((data: string, connection: SocketConnection) => void | Promise<void>) | undefined;
}
