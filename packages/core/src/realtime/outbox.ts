import type { Pulse } from './hub/pulse.js';

/** The sending end of a connection, as far as it can fill up. */
export interface Wire {
  /** Bytes that the operating system has not taken yet. */
  readonly queuedBytes: number;
}

/** What every outbox goes by. */
export interface OutboxLimits {
  /** So many bytes may wait for a slow client; beyond that it is parked. */
  readonly softLimitBytes: number;
  /** Time without any progress after which the connection counts as stuck. */
  readonly stallMs: number;
}

/**
 * Watches how fast one client takes what it is sent.
 *
 * Nothing is kept here: a client that is too slow holds a position in the channel's log instead of a queue
 * of its own, so it costs the soft limit and no more, however long it takes.
 */
export class Outbox {
  readonly #wire: Wire;
  readonly #limits: OutboxLimits;
  readonly #pulse: Pulse;
  #mustWait = false;
  #writtenBytes = 0;
  #takenBytes = 0;
  #progressAt = 0;

  constructor(wire: Wire, limits: OutboxLimits, pulse: Pulse) {
    this.#wire = wire;
    this.#limits = limits;
    this.#pulse = pulse;
  }

  /** Whether to stop pushing until the wire drains. One message larger than the limit still goes out, alone. */
  get isFull(): boolean {
    // Only after a refusal: otherwise nobody would call us when there is room again.
    return this.#mustWait && this.#wire.queuedBytes >= this.#limits.softLimitBytes;
  }

  /** How often to ask {@link Outbox.isStuck}; undefined while nothing waits. */
  get lookMs(): number | undefined {
    return this.#mustWait ? this.#limits.stallMs / 4 : undefined;
  }

  /** Notes what a write answered; true when it is the first refusal since the wire drained. */
  noteWrite(bytes: number, accepted: boolean): boolean {
    this.#writtenBytes += bytes;
    if (accepted || this.#mustWait) return false;
    this.#mustWait = true;
    this.#takenBytes = this.#taken;
    this.#progressAt = this.#pulse.now;
    return true;
  }

  noteDrain(): void {
    this.#mustWait = false;
  }

  /** Whether the client has taken nothing for too long. */
  isStuck(): boolean {
    if (!this.#mustWait) return false;
    // Not the queue's length: it may stay the same while it moves.
    if (this.#taken > this.#takenBytes) {
      this.#takenBytes = this.#taken;
      this.#progressAt = this.#pulse.now;
    }
    return this.#pulse.now - this.#progressAt >= this.#limits.stallMs;
  }

  get #taken(): number {
    return this.#writtenBytes - this.#wire.queuedBytes;
  }
}
