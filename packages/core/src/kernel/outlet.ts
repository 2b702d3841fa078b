/**
 * The writing end of one long-lived connection: a server-sent event stream, say.
 *
 * Bytes leave in the order of the calls. Nothing is promised about delivery: a write that was
 * accepted may still be lost when the connection ends. No method throws after the end.
 */
export interface Outlet {
  /** Hands bytes over; false asks to wait for `onDrain` before more (the bytes are accepted all the same). */
  write(bytes: Uint8Array): boolean;
  /** Bytes accepted that the operating system has not taken yet. */
  readonly queuedBytes: number;
  /** Ends the stream after what was accepted. */
  end(): void;
  /** Cuts the connection at once. */
  destroy(): void;
  /** Sets the one listener called when bytes may flow again after `write` returned false. */
  onDrain(listener: () => void): void;
  /** Sets the one listener called once, when the connection has ended for whatever reason; at once if it has already. */
  onClose(listener: () => void): void;
}

/** One WebSocket connection (RFC 6455), whatever library holds it. The same promises as {@link Outlet}. */
export interface Socket {
  /** Sends one text message, already encoded as UTF-8; false asks to wait for `onDrain` before more. */
  send(message: Uint8Array): boolean;
  readonly queuedBytes: number;
  ping(): void;
  /** Begins the closing handshake. */
  close(code: number, reason: string): void;
  /** Cuts the connection at once. */
  terminate(): void;
  /** Sets the one listener of arriving messages. */
  onMessage(listener: (data: string | Uint8Array) => void): void;
  onPong(listener: () => void): void;
  onDrain(listener: () => void): void;
  /** Sets the one listener called once, when the connection has ended; at once if it has already. */
  onClose(listener: (code: number) => void): void;
}
