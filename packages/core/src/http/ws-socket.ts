import type { Duplex } from 'node:stream';
import type { RawData, WebSocket } from 'ws';
import type { Socket } from '../kernel/outlet.js';

/** A connection of the `ws` library as a {@link Socket}. */
export class WsSocket implements Socket {
  readonly #ws: WebSocket;
  readonly #stream: Duplex;

  constructor(ws: WebSocket, stream: Duplex) {
    this.#ws = ws;
    this.#stream = stream;
    // Broken frames and messages over the limit: ws has answered with the right close code, and 'close' follows.
    ws.on('error', () => undefined);
  }

  get queuedBytes(): number {
    return this.#ws.bufferedAmount;
  }

  send(message: Uint8Array): boolean {
    if (this.#ws.readyState !== this.#ws.OPEN) return true;
    this.#ws.send(message, { binary: false });
    return !this.#stream.writableNeedDrain;
  }

  ping(): void {
    if (this.#ws.readyState === this.#ws.OPEN) this.#ws.ping();
  }

  close(code: number, reason: string): void {
    this.#ws.close(code, reason);
  }

  terminate(): void {
    this.#ws.terminate();
  }

  onMessage(listener: (data: string | Uint8Array) => void): void {
    this.#ws.on('message', (data: RawData, binary: boolean) => {
      listener(binary ? (data as Buffer) : (data as Buffer).toString('utf8'));
    });
  }

  onPong(listener: () => void): void {
    this.#ws.on('pong', listener);
  }

  onDrain(listener: () => void): void {
    this.#stream.on('drain', listener);
  }

  onClose(listener: (code: number) => void): void {
    if (this.#ws.readyState === this.#ws.CLOSED) listener(1006);
    else this.#ws.once('close', listener);
  }
}
