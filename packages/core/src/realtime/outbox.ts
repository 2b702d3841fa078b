import type { Pulse } from './hub/pulse.js';
import type { SendBudget } from './send-budget.js';

/** The sending end of a connection. */
export interface Wire<Piece> {
  /** Bytes that the operating system has not taken yet. */
  readonly queuedBytes: number;
  /** Hands over all pieces in one go; false: nothing more until it drains. */
  write(pieces: readonly Piece[]): boolean;
}

/** What every outbox goes by. */
export interface OutboxLimits {
  /** How much may wait for slow clients; whoever has more waiting is parked. */
  readonly budget: SendBudget;
  /** Time without any progress after which the connection counts as stuck. */
  readonly stallMs: number;
}

/**
 * Gathers what one client gets in a turn, writes it in one go, and watches how fast the client takes it.
 *
 * Nothing is kept here beyond the turn: a client that is too slow holds a position in the channel's log instead of a
 * queue of its own, so it costs the soft limit and no more, however long it takes.
 */
export class Outbox<Piece extends { readonly byteLength: number }> {
  readonly #wire: Wire<Piece>;
  readonly #limits: OutboxLimits;
  readonly #pulse: Pulse;
  /** Undefined while there is none: what is gathered in a turn is one piece nearly always, and a list that grows takes room for many. */
  #pieces: Piece[] | undefined;
  #gatheredBytes = 0;
  #mustWait = false;
  #writtenBytes = 0;
  #takenBytes = 0;
  #progressAt = 0;

  constructor(wire: Wire<Piece>, limits: OutboxLimits, pulse: Pulse) {
    this.#wire = wire;
    this.#limits = limits;
    this.#pulse = pulse;
  }

  /** Whether to stop pushing until the wire drains. One message larger than the limit still goes out, alone. */
  get isFull(): boolean {
    // Only after a refusal: otherwise nobody would call us when there is room again.
    return this.#mustWait && this.#wire.queuedBytes >= this.#limits.budget.share;
  }

  /** Bytes that have not reached the operating system. */
  get unsentBytes(): number {
    return this.#gatheredBytes + this.#wire.queuedBytes;
  }

  /** Whether so much is gathered that it had better be written now: only then shows whether the client takes it. */
  get isHeavy(): boolean {
    return this.#gatheredBytes >= this.#limits.budget.softLimitBytes;
  }

  /** How often to ask {@link Outbox.isStuck}; undefined while nothing waits. */
  get lookMs(): number | undefined {
    return this.#mustWait ? this.#limits.stallMs / 4 : undefined;
  }

  /** Whether nothing is gathered. */
  get isEmpty(): boolean {
    return this.#pieces === undefined;
  }

  /** Adds to what goes out with the next write. */
  gather(piece: Piece): void {
    this.#gatheredBytes += piece.byteLength;
    if (this.#pieces === undefined) this.#pieces = [piece];
    else this.#pieces.push(piece);
  }

  /** Writes what was gathered; true when the wire refuses more for the first time since it drained. */
  write(): boolean {
    const pieces = this.#pieces;
    if (pieces === undefined) return false;
    this.#pieces = undefined;
    this.#writtenBytes += this.#gatheredBytes;
    this.#gatheredBytes = 0;
    if (this.#wire.write(pieces) || this.#mustWait) return false;
    this.#wait(true);
    this.#takenBytes = this.#taken;
    this.#progressAt = this.#pulse.now;
    return true;
  }

  noteDrain(): void {
    this.#wait(false);
  }

  /** The connection has ended. */
  close(): void {
    this.#wait(false);
    this.#pieces = undefined;
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

  #wait(mustWait: boolean): void {
    if (mustWait === this.#mustWait) return;
    this.#mustWait = mustWait;
    if (mustWait) this.#limits.budget.add();
    else this.#limits.budget.remove();
  }

  get #taken(): number {
    return this.#writtenBytes - this.#wire.queuedBytes;
  }
}
