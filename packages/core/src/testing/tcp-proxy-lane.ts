import type { Socket } from 'node:net';

/** Above this many undelivered bytes a lane stops reading, so that the sender feels a slow or dead receiver. */
const highWaterBytes = 1024 * 1024;

/** What all connections of a proxy suffer at this moment. */
export interface Conditions {
  latencyMs: number;
  jitterMs: number;
  /** For each direction, shared by all connections. */
  bytesPerSecond: number | false;
  /** Nothing is delivered; bytes wait. */
  held: boolean;
}

/** One direction of the proxy's link: when its capacity is free again. */
export interface Link {
  freeAt: number;
}

interface Parcel {
  /** `undefined` is the end of the stream. */
  readonly bytes: Buffer | undefined;
  readonly dueAt: number;
}

/** Carries the bytes of one connection in one direction, in order, under the proxy's conditions. */
export class Lane {
  readonly #source: Socket;
  readonly #sink: Socket;
  readonly #link: Link;
  readonly #conditions: Conditions;
  #parcels: Parcel[] = [];
  #waitingBytes = 0;
  #lastDueAt = 0;
  #timer: Disposable | undefined;

  constructor(source: Socket, sink: Socket, link: Link, conditions: Conditions) {
    this.#source = source;
    this.#sink = sink;
    this.#link = link;
    this.#conditions = conditions;
    source.on('data', (bytes) => this.#accept(bytes));
    source.on('end', () => this.#enqueue(undefined));
    sink.on('drain', () => this.deliver());
  }

  /** Delivers what is due now and arranges for the rest. */
  deliver(): void {
    this.#timer?.[Symbol.dispose]();
    const now = performance.now();
    let delivered = 0;
    for (const { bytes, dueAt } of this.#parcels) {
      if (this.#conditions.held || dueAt > now || this.#sink.writableNeedDrain) break;
      delivered += 1;
      if (bytes) {
        this.#waitingBytes -= bytes.length;
        this.#sink.write(bytes);
      } else this.#sink.end();
    }
    this.#parcels.splice(0, delivered);
    if (this.#waitingBytes < highWaterBytes) this.#source.resume();
    const [next] = this.#parcels;
    if (next && !this.#conditions.held) this.#timer = alarm(next.dueAt - now, () => this.deliver());
  }

  /** Forgets all delays that were given to waiting bytes. */
  hurry(): void {
    this.#parcels = this.#parcels.map(({ bytes }) => ({ bytes, dueAt: 0 }));
    this.#lastDueAt = 0;
    this.deliver();
  }

  close(): void {
    this.#timer?.[Symbol.dispose]();
    this.#parcels = [];
  }

  /** Cut small under a bandwidth limit: a large read would otherwise arrive all at once after a long silence. */
  #accept(bytes: Buffer): void {
    const { bytesPerSecond } = this.#conditions;
    const size = bytesPerSecond === false ? bytes.length : Math.max(512, Math.ceil(bytesPerSecond / 50));
    for (let start = 0; start < bytes.length; start += size)
      this.#enqueue(bytes.subarray(start, start + size));
  }

  #enqueue(bytes: Buffer | undefined): void {
    this.#lastDueAt = Math.max(this.#lastDueAt, this.#arrivalOf(bytes?.length ?? 0)); // later bytes never overtake
    this.#parcels.push({ bytes, dueAt: this.#lastDueAt });
    this.#waitingBytes += bytes?.length ?? 0;
    if (this.#waitingBytes >= highWaterBytes) this.#source.pause();
    if (this.#parcels.length === 1) this.deliver();
  }

  #arrivalOf(size: number): number {
    const { latencyMs, jitterMs, bytesPerSecond } = this.#conditions;
    let sentAt = performance.now();
    if (bytesPerSecond !== false) {
      sentAt = Math.max(sentAt, this.#link.freeAt) + (size / bytesPerSecond) * 1000;
      this.#link.freeAt = sentAt;
    }
    return sentAt + latencyMs + jitterMs * Math.random();
  }
}

/**
 * A timer alone comes up to a millisecond late, and two parcels that arrive close behind each other would then leave a
 * millisecond apart: a line of one millisecond would seem twice as long. So the last part is spent looking at the clock.
 */
function alarm(afterMs: number, ring: () => void): Disposable {
  if (afterMs < 2) {
    const immediate = setImmediate(ring);
    return { [Symbol.dispose]: () => clearImmediate(immediate) };
  }
  const timer = setTimeout(ring, Math.floor(afterMs - 1));
  return { [Symbol.dispose]: () => clearTimeout(timer) };
}
