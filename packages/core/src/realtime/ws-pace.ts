/** Messages of one client that may come at once: one for each of its channels when it comes back, and some. */
const MAX_BURST = 256;
/** Messages of one client that are refused before it is closed: who does not stop is not heard out. */
const MAX_REFUSED = 256;
/** Times that a client is told before it is closed. */
const MAX_TOLD = 3;
/** It is told at most so often. */
const TELL_EVERY_MS = 1_000;
/** Silence, or sending no more than it may, after which all is forgotten. */
const CALM_MS = 5_000;

/** What follows a message that is not heard. */
export type Consequence = 'nothing' | 'tell' | 'close';

/** How fast one client sends, and how it has heeded what it was told. */
export class Pace {
  readonly #perSecond: number | false;
  /** Messages that it may send now, and since when that is so. */
  #allowance: number;
  #allowedAt: number;
  #refused = 0;
  #refusedAt = Number.NEGATIVE_INFINITY;
  #told = 0;
  #toldAt = Number.NEGATIVE_INFINITY;

  constructor(perSecond: number | false, now: number) {
    this.#perSecond = perSecond;
    this.#allowance = this.#burst;
    this.#allowedAt = now;
  }

  /** When the next message may come. */
  get retryAfterMs(): number {
    return this.#perSecond === false ? 0 : Math.ceil(1_000 / this.#perSecond);
  }

  get #burst(): number {
    return Math.max(MAX_BURST, Number(this.#perSecond));
  }

  /** Whether the client may send one more message now. */
  takes(now: number): boolean {
    const rate = this.#perSecond;
    if (rate === false) return true;
    const earned = ((now - this.#allowedAt) * rate) / 1_000;
    this.#allowance = Math.min(this.#burst, this.#allowance + earned);
    this.#allowedAt = now;
    if (this.#allowance < 1) return false;
    this.#allowance--;
    return true;
  }

  /** Notes a message that is not heard, for whatever limit. */
  refuse(now: number): Consequence {
    if (now - this.#refusedAt >= CALM_MS) {
      this.#refused = 0;
      this.#told = 0;
    }
    this.#refusedAt = now;
    if (++this.#refused > MAX_REFUSED) return 'close';
    if (now - this.#toldAt < TELL_EVERY_MS) return 'nothing';
    this.#toldAt = now;
    return ++this.#told > MAX_TOLD ? 'close' : 'tell';
  }
}
