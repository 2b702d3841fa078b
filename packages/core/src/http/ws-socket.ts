import type { Duplex } from 'node:stream';
import type { RawData, WebSocket } from 'ws';
import type { Socket } from '../kernel/outlet.js';
import { textMessages } from '../kernel/text-frames.js';

/** A connection of the `ws` library as a {@link Socket}. */
export class WsSocket implements Socket {
  readonly #ws: WebSocket;
  readonly #stream: Duplex;
  /** Whether ws only puts a head in front of messages. With an extension, deflate for example, it may hold them back. */
  readonly #isPlain: boolean;

  constructor(ws: WebSocket, stream: Duplex) {
    this.#ws = ws;
    this.#stream = stream;
    this.#isPlain = ws.extensions === '';
    // Broken frames and messages over the limit: ws has answered with the right close code, and 'close' follows.
    ws.on('error', () => undefined);
  }

  get queuedBytes(): number {
    return this.#ws.bufferedAmount;
  }

  write(frames: readonly Uint8Array[]): boolean {
    const ws = this.#ws;
    const stream = this.#stream;
    if (ws.readyState !== ws.OPEN) return true;
    if (!this.#isPlain) {
      for (const each of frames)
        for (const message of textMessages(each)) ws.send(message, { binary: false });
      return !stream.writableNeedDrain;
    }
    // Where ws would write them itself: frames that many share go out whole, between two of its own.
    let flowing = true;
    if (frames.length > 1) stream.cork();
    for (const each of frames) flowing = stream.write(each);
    if (frames.length > 1) stream.uncork();
    return flowing;
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
