import { type IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Writable } from 'node:stream';
import type { Outlet } from '../kernel/outlet.js';
import type { SharedBytes } from '../kernel/shared-bytes.js';
import { isClosed } from './node-response.js';

/** What compression middleware adds to a response. */
interface Flushable {
  flush?(): void;
}

/** What writes where nobody stands in between. */
const plainWrite = ServerResponse.prototype.write;

/** The body of a response of Node as an {@link Outlet}; its head leaves with the first bytes. */
export class ResponseOutlet implements Outlet {
  readonly #response: ServerResponse<IncomingMessage> & Flushable;
  #begin: (() => void) | undefined;
  #onDrain: (() => void) | undefined;
  /** What would take no more when it was last written to: the response, or its socket. */
  #refusing: Writable | undefined;

  constructor(response: ServerResponse, begin: () => void) {
    this.#response = response;
    this.#begin = begin;
  }

  get queuedBytes(): number {
    return this.#response.writableLength;
  }

  write(pieces: readonly SharedBytes[]): boolean {
    if (!this.#open()) return true;
    const socket = this.#bareSocket();
    if (socket === undefined) return this.#writeThrough(pieces);
    let flowing = true;
    if (pieces.length > 1) socket.cork();
    for (const piece of pieces) flowing = socket.write(piece.chunk);
    if (pieces.length > 1) socket.uncork();
    if (!flowing) this.#awaitDrain(socket);
    return flowing;
  }

  end(): void {
    if (this.#open()) this.#response.end();
  }

  destroy(): void {
    this.#response.destroy();
  }

  onDrain(listener: () => void): void {
    this.#onDrain = listener;
  }

  onClose(listener: () => void): void {
    if (isClosed(this.#response)) listener();
    else this.#response.on('close', listener); // it comes once
  }

  /** Sends the head where that has not happened yet. Tells whether bytes can still be written. */
  #open(): boolean {
    if (isClosed(this.#response) || this.#response.writableEnded) return false;
    this.#begin?.();
    this.#begin = undefined;
    return true;
  }

  /** As everybody writes: whoever wraps the response, or frames it for another protocol, gets its share. */
  #writeThrough(pieces: readonly SharedBytes[]): boolean {
    const response = this.#response;
    let flowing = true;
    try {
      for (const { plain } of pieces) flowing = response.write(plain);
      response.flush?.(); // middleware that compresses would keep the event until it has a block full
    } catch (cause) {
      // Somebody else's code, and what it failed to write is missing: the client comes back for it.
      response.destroy(cause as Error);
    }
    if (!flowing) this.#awaitDrain(response);
    return flowing;
  }

  /**
   * The socket, where the response would only put each piece into a chunk and pass it on: then the chunks that all
   * connections share go there directly, which takes about half the time. Not before the head has left, not for HTTP/1.0
   * and HTTP/2, which have no chunks, and not when somebody wraps `write` or the response holds something back.
   */
  #bareSocket(): Socket | undefined {
    const response = this.#response;
    const { socket } = response; // none while an earlier answer of the connection is under way
    const isBare =
      response.chunkedEncoding === true &&
      response.headersSent &&
      response.write === plainWrite &&
      socket?.writable === true &&
      response.writableLength === socket.writableLength;
    return isBare ? (socket ?? undefined) : undefined;
  }

  /** Listens from the first time on: most connections never refuse anything. */
  #awaitDrain(refusing: Writable): void {
    const listener = this.#onDrain;
    if (listener === undefined || this.#refusing === refusing) return;
    this.#refusing?.off('drain', listener);
    this.#refusing = refusing;
    refusing.on('drain', listener);
    // The socket, which tells of what went to it directly, may serve other requests.
    this.#response.once('close', () => refusing.off('drain', listener));
  }
}
