import type { Clock } from '../../kernel/clock.js';

/** Something that must be looked at from time to time. */
export interface Beating {
  /** Kept by the pulse. */
  slot: number;
  /** Looks after itself; answers after how long to be called again, 0 for never. */
  beat(): number;
}

/** Slots of the wheel; longer waits come round early, and their members answer with what is left. */
const SLOTS = 64;

/**
 * One timer for all connections: a wheel whose slots are visited in turn.
 *
 * A call comes at most one tick late.
 */
export class Pulse implements Disposable {
  readonly #tickMs: number;
  readonly #clock: Clock;
  readonly #slots = Array.from({ length: SLOTS }, () => new Set<Beating>());
  readonly #timer: Disposable;
  #slot = 0;
  #now: number;

  constructor(clock: Clock, tickMs: number, onTick: () => void) {
    this.#clock = clock;
    this.#tickMs = tickMs;
    this.#now = clock.monotonic();
    this.#timer = clock.every(tickMs, () => {
      this.#turn();
      onTick();
    });
  }

  /** Monotonic time as of the last tick: costs nothing to read. */
  get now(): number {
    return this.#now;
  }

  /** Calls the member after `delayMs`, instead of whenever it was to be called. */
  schedule(member: Beating, delayMs: number): void {
    this.remove(member);
    const ticks = Math.min(SLOTS - 1, Math.max(1, Math.ceil(delayMs / this.#tickMs)));
    member.slot = (this.#slot + ticks) % SLOTS;
    this.#slots[member.slot]?.add(member);
  }

  remove(member: Beating): void {
    this.#slots[member.slot]?.delete(member);
  }

  [Symbol.dispose](): void {
    this.#timer[Symbol.dispose]();
    for (const slot of this.#slots) slot.clear();
  }

  #turn(): void {
    this.#now = this.#clock.monotonic();
    this.#slot = (this.#slot + 1) % SLOTS;
    const due = this.#slots[this.#slot];
    if (due === undefined || due.size === 0) return;
    const members = [...due];
    due.clear();
    for (const member of members) {
      const delayMs = member.beat();
      if (delayMs > 0) this.schedule(member, delayMs);
    }
  }
}
