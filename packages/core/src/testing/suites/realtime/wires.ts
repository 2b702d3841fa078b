import type { Outlet, Socket } from '../../../kernel/outlet.js';
import type { SharedBytes } from '../../../kernel/shared-bytes.js';
import { textMessages } from '../../../kernel/text-frames.js';
import { SseReader } from './sse-reader.js';

/**
 * A wire whose other end takes bytes when the test says so, as a client on a bad link does.
 *
 * Like Node's streams: what is not taken is queued, a write that finds more than the high-water mark queued is told to
 * wait, and the wire drains when the queue is empty.
 */
abstract class Wire {
  readonly #highWaterBytes: number;
  #queue: Uint8Array[] = [];
  #queuedBytes = 0;
  #isHeld = false;
  #mustDrain = false;
  #onDrain: () => void = () => undefined;

  constructor(highWaterBytes: number) {
    this.#highWaterBytes = highWaterBytes;
  }

  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  onDrain(listener: () => void): void {
    this.#onDrain = listener;
  }

  /** The client stops reading. */
  hold(): void {
    this.#isHeld = true;
  }

  /** The client reads so many of the waiting writes. */
  take(writes = Number.POSITIVE_INFINITY): void {
    for (let taken = 0; taken < writes && this.#queue.length > 0; taken++) {
      const bytes = this.#queue.shift() as Uint8Array;
      this.#queuedBytes -= bytes.byteLength;
      this.arrive(bytes);
    }
    if (this.#queuedBytes > 0 || !this.#mustDrain) return;
    this.#mustDrain = false;
    this.#onDrain();
  }

  /** The client reads again, whatever comes. */
  release(): void {
    this.#isHeld = false;
    while (this.#queue.length > 0) this.take();
  }

  protected push(bytes: Uint8Array): boolean {
    if (!this.#isHeld) {
      this.arrive(bytes);
      return true;
    }
    this.#queue.push(bytes);
    this.#queuedBytes += bytes.byteLength;
    if (this.#queuedBytes < this.#highWaterBytes) return true;
    this.#mustDrain = true;
    return false;
  }

  protected abstract arrive(bytes: Uint8Array): void;
}

/** An event stream's outlet with the client that reads it. */
export class TestOutlet extends Wire implements Outlet {
  readonly client = new SseReader();
  /** How often the library wrote. */
  writes = 0;
  ended: 'ended' | 'destroyed' | 'cut' | undefined;
  #onClose: () => void = () => undefined;

  constructor({ highWaterBytes = 16_384 }: { readonly highWaterBytes?: number } = {}) {
    super(highWaterBytes);
  }

  write(pieces: readonly SharedBytes[]): boolean {
    if (this.ended !== undefined) return false;
    this.writes++;
    return this.push(Buffer.concat(pieces.map(({ plain }) => plain)));
  }

  end(): void {
    this.#finish('ended');
  }

  destroy(): void {
    this.#finish('destroyed');
  }

  /** The client goes away. */
  cut(): void {
    this.#finish('cut');
  }

  onClose(listener: () => void): void {
    this.#onClose = listener;
    if (this.ended !== undefined) listener();
  }

  protected override arrive(bytes: Uint8Array): void {
    this.client.push(bytes);
  }

  #finish(how: 'ended' | 'destroyed' | 'cut'): void {
    if (this.ended !== undefined) return;
    this.ended = how;
    this.#onClose();
  }
}

/** One WebSocket with the client at its other end. */
export class TestSocket extends Wire implements Socket {
  /** Text messages as they arrived. */
  readonly received: string[] = [];
  closed: { readonly code: number; readonly reason: string } | undefined;
  /** How often the library wrote. */
  writes = 0;
  pings = 0;
  /** Whether the client answers pings. */
  isAlive = true;
  #onMessage: (data: string | Uint8Array) => void = () => undefined;
  #onPong: () => void = () => undefined;
  #onClose: (code: number) => void = () => undefined;

  constructor({ highWaterBytes = 16_384 }: { readonly highWaterBytes?: number } = {}) {
    super(highWaterBytes);
  }

  /** What arrived, parsed. */
  get frames(): readonly Readonly<Record<string, unknown>>[] {
    return this.received.map((text) => JSON.parse(text) as Record<string, unknown>);
  }

  write(frames: readonly Uint8Array[]): boolean {
    if (this.closed !== undefined) return false;
    this.writes++;
    return this.push(Buffer.concat(frames));
  }

  ping(): void {
    this.pings++;
    if (this.isAlive) this.#onPong();
  }

  close(code: number, reason: string): void {
    this.#finish(code, reason);
  }

  terminate(): void {
    this.#finish(1006, 'terminated');
  }

  /** The client goes away. */
  cut(): void {
    this.#finish(1006, 'cut');
  }

  /** The client says something: a frame, or text as it is. */
  say(frame: object | string | Uint8Array): void {
    const isPlain = typeof frame === 'string' || frame instanceof Uint8Array;
    this.#onMessage(isPlain ? frame : JSON.stringify(frame));
  }

  onMessage(listener: (data: string | Uint8Array) => void): void {
    this.#onMessage = listener;
  }

  onPong(listener: () => void): void {
    this.#onPong = listener;
  }

  onClose(listener: (code: number) => void): void {
    this.#onClose = listener;
    if (this.closed !== undefined) listener(this.closed.code);
  }

  protected override arrive(bytes: Uint8Array): void {
    for (const message of textMessages(bytes)) this.received.push(message.toString('utf8'));
  }

  #finish(code: number, reason: string): void {
    if (this.closed !== undefined) return;
    this.closed = { code, reason };
    this.#onClose(code);
  }
}
