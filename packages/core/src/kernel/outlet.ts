import type { SharedBytes } from './shared-bytes.js';
import type { textFrame, textMessages } from './text-frames.js';

/** Bytes that belong to many connections: {@link SharedBytes}, without what is private in it, which each build would declare as its own. */
export type Piece = Pick<SharedBytes, keyof SharedBytes>;

/**
 * The writing end of one long-lived connection: a server-sent event stream, say.
 *
 * Bytes leave in the order of the calls. Nothing is promised about delivery: a write that was
 * accepted may still be lost when the connection ends. No method throws after the end.
 */
export interface Outlet {
  /**
   * Hands bytes over, none of them empty, in one go where the transport can. False asks to wait for `onDrain` before
   * more (the bytes are accepted all the same). They belong to others, too: they must not be changed.
   */
  write(pieces: readonly Piece[]): boolean;
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
  /**
   * Hands over whole text messages, framed already as {@link textFrame} does, in one go where the transport can; false
   * asks to wait for `onDrain` before more. A socket that frames by itself takes them out with {@link textMessages}.
   */
  write(frames: readonly Uint8Array[]): boolean;
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
