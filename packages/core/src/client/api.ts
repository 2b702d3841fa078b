/** How a {@link Live} stands: `waiting` between two attempts to connect, `closed` for good. */
export type LiveState = 'connecting' | 'open' | 'waiting' | 'closed';

/** One message of a channel. */
export interface Message<T = unknown> {
  readonly channel: string;
  /** Where it stands in the channel: what `since` goes on from. Opaque. */
  readonly position: string;
  readonly data: T;
  /** What its publisher had written; {@link Live.fetch} returns it by itself. */
  readonly token: string | undefined;
}

/** Messages of a channel may be missing. */
export interface Reset {
  readonly channel: string;
  /** As in the wire protocol; `not-resumed` where the server began afresh without saying why. */
  readonly reason: string;
  /** The messages that follow are those behind it. */
  readonly position: string;
}

/** How a channel is followed. */
export interface SubscribeOptions<T = unknown> {
  /** Receives each message once and in order. */
  onMessage(message: Message<T>): void;
  /** Messages may be missing before `position`: what was built from them is out of date. Called before {@link getState}. */
  onReset?(reset: Reset): void;
  /**
   * Reads the state that the messages change, with {@link Live.fetch}, and shows it.
   *
   * Called when the channel is followed and again after each reset. Messages wait until it resolves, so none is lost
   * between the state and the first message; some may be in the state already. What rejects is told to `error` and
   * tried again.
   */
  getState?(): Promise<unknown>;
  /** Goes on behind this position, or is reset where the history does not reach back that far. @defaultValue from now on */
  readonly since?: string | undefined;
  /** Is present on the channel, as whom the server says. WebSocket only: a stream's route decides. @defaultValue `false` */
  readonly presence?: boolean | undefined;
}

/** One place in one channel. */
export interface Subscription extends Disposable {
  readonly channel: string;
  /** Of the last message that `onMessage` was given, or where it began; undefined until then. */
  readonly position: string | undefined;
  /** Ends it. Idempotent. */
  close(): void;
}

/** Where a message went. */
export interface Published {
  readonly position: string;
  /** Whether a message of this `key` was there already. */
  readonly duplicate: boolean;
}

/** Who is on a channel. */
export interface Presence {
  readonly channel: string;
  /** Of this instant in the presence channel, `channel` with `#p` behind it. */
  readonly position: string;
  readonly users: number;
  readonly connections: number;
  readonly members: readonly {
    readonly id: string;
    readonly connections: number;
    readonly info?: unknown;
  }[];
  /** Whether there are more users than members listed. */
  readonly truncated: boolean;
}

/** Ends a wait: the promise rejects with the signal's reason. */
export interface Waiting {
  readonly signal?: AbortSignal | undefined;
}

/**
 * One connection to the channels of a Pando server, over as many reconnects as it takes.
 *
 * Per channel, a subscription gets each message once and in order, from whichever instance, or is told by a reset that
 * some may be missing.
 */
export interface Live extends Disposable {
  readonly state: LiveState;
  /** All that was seen so far, as the value of the token header; undefined when that is nothing. */
  readonly token: string | undefined;

  /**
   * Follows a channel.
   *
   * Over an event stream the server's route decides which channels there are; one that it leaves out stays silent.
   */
  subscribe<T = unknown>(channel: string, options: SubscribeOptions<T>): Subscription;

  /**
   * Publishes one event, any JSON. WebSocket only.
   *
   * Waits for the connection if need be, and is sent again after a reconnect that its answer did not survive: the `key`,
   * a random one unless given, makes the server take it once.
   *
   * @throws `RefusedError`: nothing was published, over an event stream with the reason `unsupported`. `ClosedError` and the
   * signal's reason: it may have been published.
   */
  publish(
    channel: string,
    data: unknown,
    options?: Waiting & { readonly key?: string | undefined },
  ): Promise<Published>;

  /**
   * Asks who is on a channel. WebSocket only.
   *
   * @throws `RefusedError`, over an event stream with the reason `unsupported`.
   */
  presence(channel: string, options?: Waiting): Promise<Presence>;

  /**
   * `fetch` that sends what was seen and keeps what the answer brings, so that no instance answers with anything older
   * than a message that came before. Other origins get nothing. A browser's own copies are checked first.
   */
  readonly fetch: typeof globalThis.fetch;

  /** Connects again, from where each channel is: after signing in or out, or when the address has changed. */
  reconnect(): void;

  /** Calls the listener at each change; returns what takes it off again. */
  on(event: 'state', listener: (state: LiveState) => void): () => void;
  /** Hears what went wrong and nobody else was told; without a listener it is written to the console. */
  on(event: 'error', listener: (error: Error) => void): () => void;

  /** Ends the connection and everything that waits for it. Idempotent. */
  close(): void;
}

/** How to connect. */
export interface ConnectOptions {
  /** @defaultValue `'ws'` for `ws:` and `wss:`, otherwise `'sse'` */
  readonly transport?: 'sse' | 'ws' | undefined;
  /** The name of the server's kit: part of the token's header. @defaultValue `'app'` */
  readonly name?: string | undefined;
  /**
   * Who connects, asked before each attempt: sent as `Authorization: Bearer`, and over WebSocket, where a browser sends
   * no headers, as a frame that the route's `refresh` is given, again before it expires.
   */
  readonly credential?: (() => string | Promise<string>) | undefined;
  /** More headers. Browsers send none with a WebSocket. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /**
   * One connection for all tabs that name the same URL: one holds it and hands on what comes, and when it closes another
   * takes over. What that takes is loaded then. Where the browser has no Web Locks each tab connects by itself.
   *
   * @defaultValue `false`
   */
  readonly shareTabs?: boolean | undefined;
  /** Time to wait after the first failure, unless the server says another. @defaultValue `500` */
  readonly minDelayMs?: number | undefined;
  /** The longest time to wait by oneself. @defaultValue `30_000` */
  readonly maxDelayMs?: number | undefined;
  /** A connection that is silent for longer counts as lost. Keep it above twice the server's heartbeat. @defaultValue `45_000` */
  readonly idleMs?: number | undefined;
  /** @defaultValue the global one */
  readonly fetch?: typeof globalThis.fetch | undefined;
  /** Needed where there is no global one, as in Node 20: the one of `ws`, say. @defaultValue the global one */
  readonly WebSocket?: SocketConstructor | undefined;
}

/** The part of a WebSocket that is used. */
export interface SocketLike {
  onopen: ((event: never) => void) | null;
  onmessage: ((event: never) => void) | null;
  onerror: ((event: never) => void) | null;
  onclose: ((event: never) => void) | null;
  send(data: string): void;
  close(): void;
}

/** A class of WebSockets: a browser's, Node's, or that of `ws`. Browsers leave out the last argument. */
export type SocketConstructor = new (
  url: string,
  protocols: string[],
  options?: { headers: Record<string, string> },
) => SocketLike;
