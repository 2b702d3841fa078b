/** One moment of the primary's log. */
interface Milestone {
  readonly lsn: bigint;
  readonly at: number;
}

/**
 * When the primary had come how far, by this process' own clock: turns a replica's position into a lag.
 *
 * The time of the last replayed transaction would tell no lag from no writes, and compares two machines' clocks.
 */
export class PrimaryLog {
  readonly #keepMs: number;
  /** Oldest first; positions strictly grow. */
  #milestones: Milestone[] = [];
  /** Where the primary was when it was first seen. */
  #baseline = 0n;
  #lsn = 0n;
  #notedAt = 0;

  /** Tells lags up to `maxLagMs` apart to about a hundredth of it; longer ones are told as longer. */
  constructor(maxLagMs: number) {
    this.#keepMs = maxLagMs * 2;
  }

  get size(): number {
    return this.#milestones.length;
  }

  /** The primary had come to `lsn` at `at`. */
  note(lsn: bigint, at: number): void {
    this.#notedAt = at;
    if (lsn <= this.#lsn) return;
    if (this.#lsn === 0n) this.#baseline = lsn;
    this.#lsn = lsn;
    const last = this.#milestones.at(-1);
    if (last !== undefined && at - last.at < this.#keepMs / 200) return;
    this.#milestones.push({ lsn, at });
    const expired = this.#milestones.findIndex((milestone) => at - milestone.at <= this.#keepMs);
    if (expired > 1) this.#milestones.splice(0, expired - 1);
  }

  /** The log began anew, with another timeline or system. */
  reset(): void {
    this.#milestones = [];
    this.#lsn = 0n;
  }

  /**
   * How long ago, at the last look at the primary, it had left this position behind; 0 where it has not,
   * Infinity where it had before it was first seen.
   *
   * Stands still while the primary is away: replicas are then as far as anybody can be.
   */
  lagMs(lsn: bigint): number {
    if (lsn >= this.#lsn) return 0;
    if (lsn < this.#baseline) return Number.POSITIVE_INFINITY;
    const passed = this.#milestones.find((milestone) => milestone.lsn > lsn);
    return passed === undefined ? 0 : this.#notedAt - passed.at;
  }

  /** How much log lay between this position and the primary at the last look at it. */
  lagBytes(lsn: bigint): number {
    return lsn >= this.#lsn ? 0 : Number(this.#lsn - lsn);
  }
}
